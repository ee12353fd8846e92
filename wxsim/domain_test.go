package wxsim

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestCallbackDomains(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := web(t, Options{})
		for _, bad := range [][]string{
			{"a.example", "b.example", "c.example"},
			{"a.example", "a.example"},
			{"https://a.example"},
			{"a.example:443"},
			{"a.example/x"},
			{"192.0.2.1"},
			{"localhost"},
			{"A.example"},
			{""},
			{"*.example.com"},
			{"::1"},
			{"a..example"},
			{"-a.example"},
		} {
			if k.CallbackDomains(appID, bad...) == nil {
				t.Errorf("%q was taken", bad)
			}
		}
		if k.CallbackDomains("wx-nobody", "a.example") == nil {
			t.Error("no such app, and no error")
		}
		must(t, k.CallbackDomains(appID, "a.example", "b.example"))
		if e := k.refused(k.phone(), authorizeURL(scopeBase)); e.Code != 10003 {
			t.Errorf("replaced: got %v", e)
		}
		k.callback(k.phone(), authorizeURL(scopeBase, url.QueryEscape(site), "b.example"))
		for range 4 {
			must(t, k.CallbackDomains(appID, site))
		}
		if k.CallbackDomains(appID, site) == nil {
			t.Error("a sixth change in one month")
		}
		time.Sleep(31 * 24 * time.Hour)
		must(t, k.CallbackDomains(appID))
	})
}

func TestCallbackDomainsAreVerified(t *testing.T) {
	t.Parallel()
	name, content := VerifyFile(appID)
	if len(content) != 16 || name != "MP_verify_"+content+".txt" {
		t.Fatalf("got %s, %s", name, content)
	}
	file := func(body string, status int) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/"+name {
				t.Errorf("asked for %s", r.URL)
			}
			w.WriteHeader(status)
			io.WriteString(w, body)
		})
	}
	world := sites{"good.example": file(content+"\n", 200), "page.example": file("<html>", 200), "gone.example": file(content, 404)}
	k := web(t, Options{Verify: &http.Client{Transport: world}})
	must(t, k.CallbackDomains(appID, "good.example", site)) // the second is there already
	for _, host := range []string{"page.example", "gone.example", "nowhere.example"} {
		if err := k.CallbackDomains(appID, host); err == nil || !strings.Contains(err.Error(), host) {
			t.Errorf("%s: got %v", host, err)
		}
	}
	k.callback(k.phone(), authorizeURL(scopeBase, url.QueryEscape(site), "good.example"))
}

// TestCallbackPortsAreForLaptops: what WeChat refuses is taken where the option says so, and only
// as it was registered.
func TestCallbackPortsAreForLaptops(t *testing.T) {
	t.Parallel()
	laptop := []string{"127.0.0.1:8701", "localhost:3000"}
	strict := web(t, Options{})
	if strict.CallbackDomains(appID, laptop...) == nil || strict.AddApp(App{ID: "wx-laptop", Secret: secret, CallbackDomains: laptop}) == nil {
		t.Error("taken without the option")
	}
	k := web(t, Options{Quirks: StrictOrder | CallbackPorts})
	must(t, k.AddApp(App{ID: "wx-laptop", Secret: secret, CallbackDomains: laptop}))
	at := func(callback string) string {
		return authorizeURL(scopeBase, appID, "wx-laptop", url.QueryEscape("https://"+site+"/cb"), url.QueryEscape(callback))
	}
	for _, host := range laptop {
		if u := k.callback(k.phone(), at("http://"+host+"/cb")); u.Host != host || !u.Query().Has("code") {
			t.Errorf("%s: got %s", host, u)
		}
	}
	for _, host := range []string{"127.0.0.1", "127.0.0.1:8702", "localhost", "127.0.0.1:8701.a.example"} {
		if e := k.refused(k.phone(), at("http://"+host+"/cb")); e.Code != 10003 {
			t.Errorf("%s: got %v", host, e)
		}
	}
	for _, bad := range []string{"127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "a.example:0", "http://127.0.0.1:8701", "127.0.0.1:80/x", ":80", "::1"} {
		if k.CallbackDomains(appID, bad) == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	must(t, k.CallbackDomains(appID, "a.example", "192.0.2.1"))
}
