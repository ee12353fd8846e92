//go:build unix

package cluster

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/hufu-project/hufu/internal/access"
	"github.com/hufu-project/hufu/wxsim"
)

// A login begins at one node, WeChat sends the browser to another, the site
// redeems its code at the first and uses the user's token at the second. The
// nodes have nothing in common but the store.
func TestALoginGoesOnAtAnotherNode(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, on *engine) {
		c := newCluster(t, on, newSim(), "wx00000000000000a0").start(2)
		if err := c.sim.CallbackDomains(c.app, "auth.example.com"); err != nil {
			t.Fatal(err)
		}
		one, two := c.nodes[0], c.nodes[1]
		phone := http.Header{"User-Agent": {"MicroMessenger"}}
		begun := one.ask("GET", "web", "/connect/oauth2/authorize?appid="+c.app+"&redirect_uri="+url.QueryEscape("https://shop.example.com/back")+
			"&response_type=code&scope=snsapi_userinfo&state=S", "", phone.Clone(), "")
		callbacks, err := (&wxsim.Browser{Sim: c.sim, User: "xiaoming"}).Authorize(t.Context(), begun.header.Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		for _, cookie := range (&http.Response{Header: begun.header}).Cookies() {
			phone.Add("Cookie", cookie.Name+"="+cookie.Value)
		}
		_, query, _ := strings.Cut(callbacks[0], "?")
		arrived := two.ask("GET", "web", "/callback?"+query, "", phone, "")
		to, err := url.Parse(arrived.header.Get("Location"))
		if err != nil || to.Host != "shop.example.com" || to.Query().Get("state") != "S" {
			t.Fatalf("at the other node the browser is sent to %q, status %d", arrived.header.Get("Location"), arrived.status)
		}

		redeem := "/sns/oauth2/access_token?grant_type=authorization_code&appid=" + c.app + "&secret=" + c.keys["site"] + "&code=" + to.Query().Get("code")
		var user struct {
			Token   string `json:"access_token"`
			Refresh string `json:"refresh_token"`
			OpenID  string `json:"openid"`
		}
		decode(t, one.ask("GET", "api", redeem, "", nil, ""), &user)
		if user.OpenID != wxsim.OpenID(c.app, "xiaoming") || user.Token == "" {
			t.Errorf("redeemed at the first node: %q", user.OpenID)
		}
		c.keys["the user, his token"], c.keys["the site, its code"] = user.Token, to.Query().Get("code")
		if a := two.ask("GET", "api", redeem, "", nil, ""); !strings.Contains(string(a.body), `"errcode":40163`) {
			t.Errorf("redeemed again, at the second node: %s", a.body)
		}
		if a := two.ask("GET", "api", "/sns/userinfo?openid="+user.OpenID+"&access_token="+user.Token, "", nil, ""); !strings.Contains(string(a.body), user.OpenID) {
			t.Errorf("the user's token at the second node: %s", a.body)
		}
		if n := c.sim.Logins(c.app); n != 1 {
			t.Errorf("%d exchanges at WeChat", n)
		}
		// The refresh token is used at the first, and what it gives at the second.
		var again struct {
			Token string `json:"access_token"`
		}
		decode(t, one.ask("GET", "api", "/sns/oauth2/refresh_token?grant_type=refresh_token&appid="+c.app+"&refresh_token="+user.Refresh, "", nil, ""), &again)
		if a := two.ask("GET", "api", "/sns/auth?openid="+user.OpenID+"&access_token="+again.Token, "", nil, ""); again.Token == "" || !strings.Contains(string(a.body), `"errcode":0`) {
			t.Errorf("the refreshed token at the second node: %s", a.body)
		}
		c.keys["the user, his token, refreshed"], c.keys["the user, his refresh token"] = again.Token, user.Refresh
		c.judged()
	})
}

// An app and a client that are added at one node are everywhere, and when they
// are taken out at another they are nowhere.
func TestWhatIsAddedAtOneNodeIsEverywhere(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, on *engine) {
		c := newCluster(t, on, newSim(), "wx00000000000000a2")
		const added = "wx00000000000000a3"
		if err := c.sim.AddApp(wxsim.App{ID: added, Secret: secret}); err != nil {
			t.Fatal(err)
		}
		key, _ := access.NewKey()
		root, _ := access.NewKey()
		c.keys["added"], c.keys["root"] = key.Reveal(), root.Reveal()
		c.more = fmt.Sprintf("  - {name: root, key_sha256: %s, apps: [\"*\"], allow: [admin]}\n", hash(c.keys["root"]))
		c.start(3)
		put := func(path, body string) {
			t.Helper()
			if a := c.nodes[0].ask("PUT", "api", path, c.keys["root"], nil, body); a.status != http.StatusOK {
				t.Fatalf("%s: %d %s", path, a.status, a.body)
			}
		}
		put("/v1/apps/"+added, fmt.Sprintf(`{"secret":%q,"source":"classic"}`, secret))
		put("/v1/clients/added", fmt.Sprintf(`{"key_sha256":[%q],"apps":[%q],"allow":["token"],"tokens":"real"}`, hash(c.keys["added"]), added))
		ask := func(n *node) answer {
			return n.ask("GET", "api", "/v1/apps/"+added+"/credentials/access_token", c.keys["added"], nil, "")
		}
		for _, n := range c.nodes {
			eventually(t, "the client is given the app's token", func() bool { a := ask(n); return a.status == http.StatusOK && c.sim.Valid(added, a.Value) })
		}
		if n := c.sim.Issues(added); n != 1 {
			t.Errorf("%d issues", n)
		}
		for _, path := range []string{"/v1/clients/added", "/v1/apps/" + added} {
			if a := c.nodes[1].ask("DELETE", "api", path, c.keys["root"], nil, ""); a.status != http.StatusNoContent {
				t.Errorf("%s: %d %s", path, a.status, a.body)
			}
		}
		for _, n := range c.nodes {
			eventually(t, "the client is known no more", func() bool { return ask(n).status == http.StatusUnauthorized })
		}
		c.judged()
	})
}

// A phantom token of one node is as good at the other, and at no Hufu with
// another store.
func TestAPhantomTokenIsGoodAtEveryNode(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, on *engine) {
		c := newCluster(t, on, newSim(), "wx00000000000000a1").start(2)
		var phantom struct {
			Token string `json:"access_token"`
		}
		decode(t, c.nodes[0].ask("GET", "api", "/cgi-bin/token?grant_type=client_credential&appid="+c.app+"&secret="+c.keys["caller"], "", nil, ""), &phantom)
		if _, real := c.sim.TokenInfo(c.app, phantom.Token); real || phantom.Token == "" {
			t.Fatal("it is no phantom token")
		}
		for _, n := range c.nodes {
			if a := n.ask("GET", "api", "/cgi-bin/getcallbackip?access_token="+phantom.Token, "", nil, ""); !strings.Contains(string(a.body), "ip_list") {
				t.Errorf("a call by node %d: %s", n.id, a.body)
			}
		}
		if a := c.nodes[1].ask("GET", "api", "/cgi-bin/getcallbackip?access_token="+strings.ToLower(phantom.Token), "", nil, ""); !strings.Contains(string(a.body), `"errcode":40001`) {
			t.Errorf("a forged one: %s", a.body)
		}
		if n := c.sim.Issues(c.app); n != 1 {
			t.Errorf("%d issues", n)
		}
		c.judged()
	})
}
