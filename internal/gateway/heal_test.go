package gateway

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
)

const message = `{"touser":"o1","template_id":"t1","data":{"first":{"value":"你好"}}}`

// short is a life in which a new token is believed dead after a quarter of a second.
const short = 10 * time.Minute

// saying makes WeChat say a dead token in words of the test's.
func (w *world) saying(path, contentType, body string) {
	w.instead(path, func(out http.ResponseWriter, r *http.Request) {
		if !w.sim.Valid(shop, r.URL.Query().Get("access_token")) {
			out.Header().Set("Content-Type", contentType)
			_, _ = io.WriteString(out, body)
			return
		}
		w.sim.ServeHTTP(out, r)
	})
}

func TestADeadTokenIsHealed(t *testing.T) {
	t.Parallel()
	for _, source := range []string{config.Stable, config.Classic} {
		for _, code := range []int{40001, 40014, 42001} {
			t.Run(fmt.Sprint(source, code), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, options{source: source, life: short})
				before := w.token()
				if code == 42001 {
					must(t, w.sim.Expire(shop))
				} else {
					must(t, w.sim.Revoke(shop))
				}
				if code == 40014 {
					w.saying(sendPath, "text/plain", `{"errcode":40014,"errmsg":"invalid access_token"}`)
				}
				must(t, w.sim.Excuse(shop))
				a := w.ask("POST", sendPath, "one", message, "X-Hufu-Debug", "1", "Content-Type", "application/json")
				if a.status != 200 || !strings.Contains(a.body, `"errcode":0`) || a.header.Get("X-Hufu-Heal") != "1" || a.header.Get("X-Hufu-Path") != "/cgi-bin/message/*" {
					t.Errorf("%d %s %v", a.status, a.body, a.header)
				}
				if w.token() == before {
					t.Error("the dead token is still in hand")
				}
				if list := w.sim.Messages(shop); len(list) != 1 || list[0] != message {
					t.Errorf("the user received %q", list)
				}
				if n := w.reached(sendPath); n != 2 {
					t.Errorf("WeChat was called %d times", n)
				}
				if n := w.sim.Issues(shop); n != 2 {
					t.Errorf("%d tokens were issued", n)
				}
				if a := w.ask("POST", sendPath, "one", message, "X-Hufu-Debug", "1"); a.header.Get("X-Hufu-Heal") != "0" {
					t.Errorf("the next call was healed again: %v", a.header)
				}
			})
		}
	}
}

func TestAHundredCallsOnADeadTokenCostOneIssue(t *testing.T) {
	t.Parallel()
	for _, source := range []string{config.Stable, config.Classic} {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, options{source: source, life: short})
			w.token()
			must(t, w.sim.Revoke(shop))
			var all sync.WaitGroup
			for i := range 100 {
				all.Go(func() {
					if a := w.ask("POST", sendPath, "one", strings.Replace(message, "o1", fmt.Sprint("o", i), 1)); a.code() != 0 || a.status != 200 {
						t.Errorf("call %d: %d %s %v", i, a.status, a.body, a.err)
					}
				})
			}
			all.Wait()
			if n := w.sim.Issues(shop); n != 2 {
				t.Errorf("%d tokens were issued, want 2", n)
			}
			got := map[string]bool{}
			for _, m := range w.sim.Messages(shop) {
				got[m] = true
			}
			if len(got) != 100 || len(w.sim.Messages(shop)) != 100 {
				t.Errorf("%d messages, %d different ones, want 100", len(w.sim.Messages(shop)), len(got))
			}
			for _, v := range w.sim.Violations() {
				t.Error(v)
			}
		})
	}
}

// The second token is put in as the first was: for a client that may still
// call, and with a record.
func TestHealingGoesByTheGuard(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{life: short})
	w.token()
	must(t, w.sim.Revoke(shop))
	if a := w.ask("POST", sendPath, "one", message); a.code() != 0 {
		t.Errorf("%d %s", a.status, a.body)
	}
	audit, err := os.ReadFile(w.file)
	must(t, err)
	for _, generation := range []string{`"generation":1,`, `"generation":2,`} {
		if n := strings.Count(string(audit), generation); n != 1 {
			t.Errorf("%d records of %s\n%s", n, generation, audit)
		}
	}
	must(t, w.sim.Revoke(shop))
	const probe = "/cgi-bin/get_api_domain_ip"
	w.instead(probe, func(out http.ResponseWriter, r *http.Request) {
		delete(w.clients, "one")
		w.declare(w.app(shop, config.Stable))
		w.sim.ServeHTTP(out, r)
	})
	before := w.reached(sendPath)
	if a := w.ask("POST", sendPath, "one", message); a.code() != 40125 {
		t.Errorf("a client that is gone: %d %s", a.status, a.body)
	}
	if n := w.reached(sendPath) - before; n != 1 || w.reached(probe) == 0 {
		t.Errorf("the call was sent %d times", n)
	}
}

func TestOnlyANumberAtTheTopHeals(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxPeek)
	for name, c := range map[string]struct {
		contentType, body string
		heals             bool
	}{
		"a number":             {"application/json; encoding=utf-8", `{"errcode":40001,"errmsg":"invalid credential"}`, true},
		"with blanks":          {"application/json", "\xef\xbb\xbf\r\n { \"a\" : [ {\"errcode\":1} ] ,\n\"errcode\" :\t42001 } ", true},
		"in place of a file":   {"image/png", `{"errcode":40014}`, true},
		"a text":               {"application/json", `{"errcode":"40001"}`, false},
		"a fraction":           {"application/json", `{"errcode":40001.0}`, false},
		"below the top":        {"application/json", `{"data":{"errcode":40001}}`, false},
		"in a list":            {"application/json", `[{"errcode":40001}]`, false},
		"in a text":            {"application/json", `{"errmsg":"\"errcode\":40001"}`, false},
		"as a value":           {"application/json", `{"a":"errcode","b":40001}`, false},
		"twice":                {"application/json", `{"errcode":0,"errcode":40001}`, false},
		"another number":       {"application/json", `{"errcode":48001}`, false},
		"in capitals":          {"application/json", `{"ErrCode":40001}`, false},
		"broken":               {"application/json", `{"errcode":40001`, false},
		"with something after": {"application/json", `{"errcode":40001}{}`, false},
		"in a long answer":     {"application/json", `{"errcode":40001,"a":"` + long + `"}`, false},
		"in HTML":              {"text/html", `<p>{"errcode":40001}</p>`, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, options{life: short})
			w.ask("GET", userGet, "one", "")
			must(t, w.sim.Expire(shop))
			issues, reached := w.sim.Issues(shop), w.reached(sendPath)
			w.saying(sendPath, c.contentType, c.body)
			a := w.ask("POST", sendPath, "one", message)
			if c.heals {
				if a.code() != 0 || w.reached(sendPath) != reached+2 {
					t.Errorf("not healed: %s", a.body)
				}
				return
			}
			if a.body != c.body || a.header.Get("Content-Type") != c.contentType || w.reached(sendPath) != reached+1 {
				t.Errorf("%.100s, %d calls", a.body, w.reached(sendPath)-reached)
			}
			if w.sim.Issues(shop) != issues {
				t.Error("a token was issued")
			}
		})
	}
}

// Some of WeChat's calls answer 40001 for other reasons.
func TestATokenThatWorksElsewhereIsKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{life: short})
	before := w.token()
	w.instead(sendPath, func(out http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(out, `{"errcode":40001,"errmsg":"no"}`)
	})
	for range 3 {
		if a := w.ask("POST", sendPath, "one", message); a.code() != 40001 {
			t.Errorf("%s", a.body)
		}
	}
	if w.reached(sendPath) != 3 || w.sim.Issues(shop) != 1 || w.token() != before {
		t.Errorf("%d calls, %d issues", w.reached(sendPath), w.sim.Issues(shop))
	}
}

func TestABodyIsSentAgainByteForByte(t *testing.T) {
	t.Parallel()
	for _, size := range []int{64 << 10, maxInMemory, maxInMemory + 1, 3 << 20} {
		w := newWorld(t, options{life: short})
		w.token()
		must(t, w.sim.Expire(shop))
		want := bytes.Repeat([]byte("0123456789abcde\n"), size/16+1)[:size]
		var seen [][]byte
		w.instead("/cgi-bin/media/upload", func(out http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			seen = append(seen, b)
			if r.ContentLength != int64(size) {
				t.Errorf("%d bytes were announced, want %d", r.ContentLength, size)
			}
			if !w.sim.Valid(shop, r.URL.Query().Get("access_token")) {
				_, _ = io.WriteString(out, `{"errcode":40001}`)
			}
		})
		// Of a length that nobody knows in advance.
		a := w.send(t.Context(), "POST", "/cgi-bin/media/upload", "one", io.MultiReader(bytes.NewReader(want)))
		if a.status != 200 || len(seen) != 2 || !bytes.Equal(seen[0], want) || !bytes.Equal(seen[1], want) {
			t.Errorf("%d bytes: %d %s, sent %d times", size, a.status, a.body, len(seen))
		}
	}
}

func TestWithNothingLiveTheAnswerSaysWhy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{first: func(w *world) { must(t, w.sim.ResetSecret(shop, "another-secret-0000000000")) }})
	began := time.Now()
	a := w.ask("POST", sendPath, "one", message)
	if a.status != 200 || a.code() != -1 || !strings.Contains(a.body, "40125") {
		t.Errorf("%d %s", a.status, a.body)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	if w.reached(sendPath) != 0 {
		t.Error("the call was sent")
	}
}

// What is refused is not the call but the new token, by machines of WeChat's
// that have not heard of it; the old one works for some time yet.
func TestANewTokenThatComesLateIsNoNews(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	w.ask("POST", sendPath, "one", message)
	old := w.token()
	must(t, w.sim.Excuse(shop))
	key := credential.Key{App: shop, Kind: credential.AccessToken}
	next, err := w.keeper.Renew(t.Context(), key, false)
	must(t, err)
	w.instead(sendPath, func(out http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("access_token") == next.Value.Reveal() {
			_, _ = io.WriteString(out, `{"errcode":40001,"errmsg":"invalid credential"}`)
			return
		}
		w.sim.ServeHTTP(out, r)
	})
	issues := w.sim.Issues(shop)
	for range 3 {
		if a := w.ask("POST", sendPath, "one", message, "X-Hufu-Debug", "1"); a.code() != 0 || a.header.Get("X-Hufu-Heal") != "1" {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	if b, _ := w.sim.LastBrought(sendPath); !strings.Contains(b.Target, old) {
		t.Error("it was not the old token that helped")
	}
	if n := len(w.sim.Messages(shop)); n != 4 || w.sim.Issues(shop) != issues {
		t.Errorf("%d messages, %d issues", n, w.sim.Issues(shop)-issues)
	}
}

func TestOnlyTheTokenBeforeAYoungOneIsTried(t *testing.T) {
	t.Parallel()
	token := func(generation uint64, age time.Duration) credential.Credential {
		now := time.Now()
		return credential.Credential{
			Key: credential.Key{App: shop}, Value: credential.NewSecret(fmt.Sprint(generation)), Generation: generation, Tag: fmt.Sprint(generation),
			IssuedAt: now.Add(-age), ExpiresAt: now.Add(2*time.Hour - age), Left: 2*time.Hour - age,
		}
	}
	var h hands
	tries := func(v credential.Credential, want uint64) {
		t.Helper()
		if got, ok := h.before(v); ok != (want != 0) || ok && got.Generation != want {
			t.Errorf("generation %d: %v %d, want %d", v.Generation, ok, got.Generation, want)
		}
	}
	tries(token(1, 0), 0)
	h.use(token(1, 0))
	tries(token(1, 0), 0)
	if !h.unsettled(token(1, 0)) {
		t.Error("the first one is not waited for")
	}
	h.use(token(2, 0))
	h.use(token(1, time.Second)) // a call that was slow
	tries(token(2, time.Second), 1)
	tries(token(2, 6*time.Second), 0)
	tries(token(1, time.Second), 0)
	h.use(token(4, 0)) // one was never seen here
	tries(token(4, 0), 0)
	if !h.unsettled(token(4, 0)) {
		t.Error("the one that follows none is not waited for")
	}
	h.refuse(token(4, 0))
	h.refuse(token(1, 0)) // a call that was slow
	h.use(token(5, 0))    // the fourth is dead
	tries(token(5, 0), 0)
	// What nothing can stand in for is waited for, once.
	waits := func(v credential.Credential, want bool) {
		t.Helper()
		if got := h.unsettled(v); got != want {
			t.Errorf("generation %d: %v, want %v", v.Generation, got, want)
		}
	}
	waits(token(5, 0), true)
	waits(token(5, 6*time.Second), false)
	waits(token(4, 0), false)
	h.settle(token(4, 0))
	waits(token(5, 0), true)
	h.settle(token(5, 0))
	waits(token(5, 0), false)
	h.use(token(6, 0)) // the fifth stands in
	waits(token(6, 0), false)
}
