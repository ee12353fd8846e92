package wxsim

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var quirks = map[string]Quirk{
	"RandomRID": RandomRID, "ExtraFields": ExtraFields, "KeyOrder": KeyOrder, "ContentTypes": ContentTypes, "OldTexts": OldTexts,
	"LateTokens": LateTokens, "ShortLives": ShortLives, "Busy": Busy, "SlowAnswers": SlowAnswers, "SlowConsole": SlowConsole,
	"ThreeTokens": ThreeTokens, "CheckEveryIP": CheckEveryIP, "NewIPCode": NewIPCode, "MixedTokenCodes": MixedTokenCodes,
	"StrictOrder": StrictOrder, "StrictState": StrictState, "DoubleFetch": DoubleFetch, "MixedDenials": MixedDenials, "OldScopes": OldScopes,
	"WeChatOnly": WeChatOnly, "NewRefreshTokens": NewRefreshTokens, "MixedCodeErrors": MixedCodeErrors,
	"CallbackPorts": CallbackPorts,
}

func TestEveryQuirkIsInTheTable(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("doc.go")
	must(t, err)
	all := NoQuirks
	for name, q := range quirks {
		state := "off"
		if DefaultQuirks&q != 0 {
			state = "on"
		}
		if fields := tableRow(string(doc), name); len(fields) < 4 || fields[2] != state {
			t.Errorf("doc.go has no row for %s that says %q", name, state)
		}
		all |= q
	}
	if DefaultQuirks&^all != 0 {
		t.Error("a default quirk is missing in this test")
	}
}

func tableRow(doc, name string) []string {
	for line := range strings.Lines(doc) {
		if f := strings.Fields(line); len(f) > 2 && f[0] == "//" && f[1] == name {
			return f
		}
	}
	return nil
}

// TestQuirksShowAndCanBeTurnedOff asks often enough to see each oddity, and none of them without
// its quirk.
func TestQuirksShowAndCanBeTurnedOff(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		quirk Quirk
		odd   func(k *kit) bool // one try
	}{
		"ExtraFields": {ExtraFields, func(k *kit) bool { return strings.Contains(k.classic().body, "_ext_info") }},
		"KeyOrder":    {KeyOrder, func(k *kit) bool { return strings.HasPrefix(k.classic().body, `{"expires_in"`) }},
		"ContentTypes": {ContentTypes, func(k *kit) bool {
			return k.classic().header.Get("Content-Type") == "text/plain"
		}},
		"OldTexts": {OldTexts, func(k *kit) bool {
			return strings.Contains(k.do("GET", classicURL(appID, "x"), "").errmsg, "t.cn")
		}},
		"LateTokens": {LateTokens, func(k *kit) bool {
			token := k.classic().token
			late := k.use(token) == 40001
			if late && !k.Valid(appID, token) {
				k.Error("the oracle must not know of the lag")
			}
			time.Sleep(2 * time.Second)
			if k.use(token) != 0 {
				k.Error("the lag lasted longer than two seconds")
			}
			return late
		}},
		"ShortLives": {ShortLives, func(k *kit) bool {
			g := k.classic()
			if g.expiresIn < 7100 || g.expiresIn > 7200 {
				k.Errorf("expires_in: got %d", g.expiresIn)
			}
			return g.expiresIn < 7200
		}},
		"Busy": {Busy, func(k *kit) bool { return k.classic().errcode == -1 }},
		"SlowAnswers": {SlowAnswers, func(k *kit) bool {
			begin := time.Now()
			k.classic()
			return time.Since(begin) > 0
		}},
		"NewIPCode": {NewIPCode, func(k *kit) bool {
			must(k.T, k.AllowIPs(appID, "203.0.113.9"))
			return k.classic().errcode == 61004
		}},
		"MixedTokenCodes": {MixedTokenCodes, func(k *kit) bool { return k.use("x") == 40014 }},
		"CheckEveryIP": {CheckEveryIP, func(k *kit) bool {
			token := k.classic().token
			must(k.T, k.AllowIPs(appID, "203.0.113.9"))
			code := k.use(token)
			must(k.T, k.AllowIPs(appID))
			return code == 40164
		}},
		"RandomRID": {RandomRID, func(k *kit) bool {
			return !strings.Contains(k.do("GET", "/x", "").errmsg, "-00000000-")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, on := range []bool{true, false} {
				synctest.Test(t, func(t *testing.T) {
					q := NoQuirks
					if on {
						q = c.quirk
					}
					s := New(Options{Quirks: q, Seed: 1})
					must(t, s.AddApp(App{ID: appID, Secret: secret, DailyQuota: 1 << 30}))
					k := &kit{T: t, Sim: s, tr: s.Transport()}
					seen := 0
					for range 500 {
						if c.odd(k) {
							seen++
						}
					}
					if on && seen == 0 || !on && seen > 0 {
						t.Errorf("on %v: seen %d times in 500", on, seen)
					}
				})
			}
		})
	}
}

func TestBusyMayHaveIssued(t *testing.T) {
	t.Parallel()
	s := New(Options{Quirks: Busy, Seed: 1})
	must(t, s.AddApp(App{ID: appID, Secret: secret, DailyQuota: 1 << 30}))
	k := &kit{T: t, Sim: s, tr: s.Transport()}
	issued, not := 0, 0
	for range 5000 {
		before := k.Issues(appID)
		if k.classic().errcode == -1 {
			if k.Issues(appID) > before {
				issued++
			} else {
				not++
			}
		}
	}
	if issued == 0 || not == 0 {
		t.Errorf("busy %d times after an issue and %d times before, want both", issued, not)
	}
}

// TestDefaultsAreStillJSON: whatever the quirks do, a careful caller understands every answer.
func TestDefaultsAreStillJSON(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := dull(t, Options{Quirks: DefaultQuirks})
		for range 1000 {
			g := k.stableAsk(false)
			if !json.Valid([]byte(g.body)) || g.token == "" && g.errcode != -1 || g.status != 200 {
				t.Fatalf("got %+v", g)
			}
		}
	})
}
