package webauth

import (
	"regexp"
	"strings"
	"testing"

	"github.com/hufu-project/hufu/internal/store"
	"github.com/hufu-project/hufu/internal/wechat"
	"github.com/hufu-project/hufu/wxsim"
)

// During an upgrade nodes of this version and of the next share a store. What
// the next one adds to a record is passed over. What it writes in a form of its
// own is neither misread nor replaced here: who meets it is told to come again,
// and nothing is used up.
func TestRecordsOfTheNextVersionAreLeftAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.phone()
	real := w.redeem("real", p.code("https://real.example.com/cb", wechat.ScopeUserInfo))
	phantom := w.redeem("phantom", p.code(site, wechat.ScopeUserInfo))
	callback := p.callback(authorize(shop, site, wechat.ScopeUserInfo, "S"))
	code := w.phone().code(site, wechat.ScopeUserInfo)

	loginCode, err := w.sim.Code(mini, "xiaoming", "jscode")
	must(t, err)
	miniProgram := func() map[string]any {
		return w.sns("/sns/jscode2session", "appid", mini, "secret", w.keys["phantom"], "js_code", loginCode, "grant_type", "authorization_code")
	}
	if a := miniProgram(); a["session_key"] == nil {
		t.Error(a)
	}

	marked := regexp.MustCompile(`^\{"v":1([,}])`)
	kinds := map[string]bool{}
	w.rewrite(func(r store.Record) string {
		kind, _, _ := strings.Cut(r.Key, "/")
		kinds[kind] = true
		if !marked.Match(r.Value) {
			t.Errorf("a record %s/… says nothing of its form", kind)
		}
		return marked.ReplaceAllString(string(r.Value), `{"v":1,"of":{"tomorrow":true}$1`)
	})
	for _, kind := range []string{"login", "code", "session", "access", "refresh", "jscode"} {
		if !kinds[kind] {
			t.Errorf("there is no record %s/…", kind)
		}
	}
	for name, user := range map[string]map[string]any{"real": real, "phantom": phantom} {
		if a := w.userInfo(user["access_token"]); a["openid"] != wxsim.OpenID(shop, "xiaoming") {
			t.Errorf("%s: with a key that is not known: %v", name, a)
		}
	}

	before := w.rewrite(func(r store.Record) string {
		return marked.ReplaceAllString(string(r.Value), `{"v":2,"since":{"tomorrow":true}$1`)
	})
	exchanges := w.exchanges()
	isPage(t, p.get(callback), 503)
	if a := w.redeem("phantom", code); a["errcode"] != -1.0 {
		t.Errorf("a code of the next version: %v", a)
	}
	for name, user := range map[string]map[string]any{"real": real, "phantom": phantom} {
		if a := w.userInfo(user["access_token"]); a["errcode"] != -1.0 {
			t.Errorf("%s: a token of the next version: %v", name, a)
		}
		if a := w.sns("/sns/oauth2/refresh_token", "appid", shop, "grant_type", "refresh_token", "refresh_token", user["refresh_token"].(string)); a["errcode"] != -1.0 {
			t.Errorf("%s: a refresh token of the next version: %v", name, a)
		}
	}
	refusal(t, "a mini program's code of the next version", miniProgram(), 40163)
	if w.exchanges() != exchanges {
		t.Error("WeChat's code was used up by who could not keep the result")
	}
	after := w.rewrite(nil)
	for key, version := range before {
		if after[key] != version {
			kind, _, _ := strings.Cut(key, "/")
			t.Errorf("a record %s/… of the next version was replaced", kind)
		}
	}
	if !strings.Contains(w.log.String(), "a newer Hufu wrote this record") {
		t.Error("the log does not say what is wrong")
	}

	// At a node of the next version, or once this one is: all goes on.
	w.rewrite(func(r store.Record) string { return strings.Replace(string(r.Value), `{"v":2,`, `{"v":1,`, 1) })
	for _, code := range []string{p.arrive(callback).Get("code"), code} {
		if a := w.redeem("phantom", code); a["openid"] != wxsim.OpenID(shop, "xiaoming") {
			t.Errorf("afterwards: %v", a)
		}
	}
}

// rewrite replaces the value of every record, where change is given, and gives
// the versions of all.
func (w *world) rewrite(change func(r store.Record) string) map[string]string {
	w.t.Helper()
	versions := map[string]string{}
	for r, err := range w.store.List(w.t.Context(), "") {
		must(w.t, err)
		if strings.HasPrefix(r.Key, "hufu/") {
			continue // of the seal
		}
		if change != nil {
			r.Value = []byte(change(r))
			r, err = w.store.Put(w.t.Context(), r)
			must(w.t, err)
		}
		versions[r.Key] = r.Version
	}
	return versions
}

func (w *world) userInfo(token any) map[string]any {
	w.t.Helper()
	return w.sns("/sns/userinfo", "access_token", token.(string), "openid", wxsim.OpenID(shop, "xiaoming"))
}
