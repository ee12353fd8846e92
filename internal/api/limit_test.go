package api_test

import (
	"strings"
	"testing"
)

// A client above its limits.rate is told so in the words of each surface, and is
// served again as soon as its pace allows.
func TestAClientIsHeldToItsRate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	for name, path := range map[string]string{
		"read": "/v1/apps/" + shop + "/credentials/access_token", "list": "/v1/apps", "ticket": "/cgi-bin/ticket/getticket?type=jsapi",
		"token": classic("grant_type", good, "appid", shop, "secret", w.keys["slow"]),
	} {
		limited := func(a answer) bool { return a.status == 429 || strings.Contains(a.body, "45011") }
		var a answer
		for range 100 {
			if a = w.ask("GET", path, "slow", ""); limited(a) {
				break
			}
		}
		if !limited(a) || !strings.Contains(a.body, "client slow asks more often than limits.rate allows") {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
		ours := strings.HasPrefix(path, "/v1/")
		if after := a.header.Get("Retry-After"); ours != (a.status == 429) || ours != (after == "1") {
			t.Errorf("%s: status %d, Retry-After %q: %s", name, a.status, after, a.body)
		}
		if other := w.ask("GET", "/v1/apps", "operator", ""); other.status != 200 {
			t.Errorf("%s: another client is held up, too: %d", name, other.status)
		}
	}
}
