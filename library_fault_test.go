package hufu_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hufu-project/hufu"
)

// Whatever stands between answers in the server's place, a value in hand is
// given on, nothing is asked in a hurry, and all is well as soon as the server
// answers again.
func TestFaultsInBetweenAreNotNoticed(t *testing.T) {
	t.Parallel()
	answer := func(status int, headers, body string) func(http.Handler) http.Handler {
		return func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				for header := range strings.Lines(headers) {
					name, value, _ := strings.Cut(strings.TrimSpace(header), ": ")
					w.Header().Set(name, value)
				}
				w.WriteHeader(status)
				_, _ = io.WriteString(w, body)
			})
		}
	}
	for name, fault := range map[string]func(http.Handler) http.Handler{
		"lost answers": func(real http.Handler) http.Handler {
			return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				real.ServeHTTP(httptest.NewRecorder(), r)
				panic(http.ErrAbortHandler)
			})
		},
		"half answers": func(real http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				rec := httptest.NewRecorder()
				real.ServeHTTP(rec, r)
				w.Header().Set("Content-Length", "1000")
				_, _ = w.Write(rec.Body.Bytes()[:rec.Body.Len()/2])
				panic(http.ErrAbortHandler)
			})
		},
		"no answers": hang,
		"slow answers": func(real http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				select {
				case <-time.After(25 * time.Second):
				case <-r.Context().Done():
				}
				real.ServeHTTP(w, r)
			})
		},
		"answers that do not wait": func(real http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r.URL.RawQuery = ""
				real.ServeHTTP(w, r)
			})
		},
		"a 304 at once":         answer(304, "Hufu-Max-Age: 60", ""),
		"a 304 of another's":    answer(304, `ETag: "x"`, ""),
		"another tag each time": answer(304, "Hufu-Max-Age: 60\nETag: x", ""),
		"an error page":         answer(404, "Content-Type: text/html", "<h1>Not Found</h1>"),
		"a bad gateway":         answer(502, "", ""),
		"a redirect":            answer(302, "Location: http://evil.test/", ""),
		"garbage":               answer(200, "", "\x00\x01{"),
		"nothing":               answer(200, "", ""),
		"null":                  answer(200, "", "null"),
		"an empty value":        answer(200, "", `{"app":"`+appID+`","kind":"access_token","value":"","expires_in":7200,"max_age":60}`),
		"another app's value":   answer(200, "", `{"app":"wx0","kind":"access_token","value":"x","expires_in":7200,"max_age":60}`),
		"a value that is over":  answer(200, "", `{"app":"`+appID+`","kind":"access_token","value":"x","expires_in":0,"max_age":0}`),
		"a value for ever":      answer(200, "", `{"app":"`+appID+`","kind":"access_token","value":"x","expires_in":1e18,"max_age":60}`),
		"no end":                answer(200, "", strings.Repeat(" ", 1<<20)),
		"a code in a teapot":    answer(418, "Content-Type: application/problem+json", `{"code":"teapot"}`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				c := w.connect("shop")
				first := w.token(c)
				time.Sleep(time.Minute)
				w.between(fault)
				w.asked.Store(0)
				for range 600 {
					if token := w.token(c); token != first {
						t.Fatal("another value was given")
					}
					time.Sleep(time.Second)
				}
				if n := w.asked.Load(); n > 150 {
					t.Errorf("the server was asked %d times in ten minutes", n)
				}
				w.between(nil)
				time.Sleep(30 * time.Second)
				w.renew()
				time.Sleep(30 * time.Second)
				if token := w.token(c); token == first || !w.sim.Valid(appID, token) {
					t.Error("the new value has not arrived")
				}
			})
		})
	}
}

// hang lets who asks wait until they give up.
func hang(http.Handler) http.Handler {
	return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then does net/http see that they have
		<-r.Context().Done()
	})
}

// The client key goes to the server, and to nobody whom it names.
func TestTheKeyFollowsNoRedirect(t *testing.T) {
	t.Parallel()
	var strays atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { strays.Add(1) }))
	defer elsewhere.Close()
	here := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer here.Close()
	c, err := hufu.New(here.URL, "hufu_x")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Token(t.Context(), appID); err == nil || strays.Load() != 0 {
		t.Errorf("%v, and %d requests arrived elsewhere", err, strays.Load())
	}
}

// An older value, from a node that is behind, does not take the place of a
// newer one.
func TestANodeThatIsBehindIsNotBelieved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.connect("shop")
		w.token(c)
		// What a node says that has lost its store before the renewal.
		behind := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/v1/apps/"+appID+"/credentials/access_token", nil)
		r.Header.Set("Authorization", "Bearer "+w.keys["shop"])
		time.Sleep(10 * time.Minute)
		w.between(func(real http.Handler) http.Handler {
			real.ServeHTTP(behind, r)
			w.between(nil)
			return real
		})
		time.Sleep(time.Minute)
		w.renew()
		time.Sleep(time.Second)
		second := w.token(c)
		if behind.Body.Len() == 0 {
			t.Fatal("the older value is not there")
		}
		w.between(func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("ETag", behind.Header().Get("ETag"))
				if r.URL.Query().Has("wait") {
					select {
					case <-time.After(5 * time.Second):
					case <-r.Context().Done():
					}
					w.Header().Set("Hufu-Max-Age", "5")
					w.WriteHeader(http.StatusNotModified)
					return
				}
				_, _ = w.Write(behind.Body.Bytes())
			})
		})
		for range 100 {
			if w.token(c) != second {
				t.Fatal("the older value was given")
			}
			time.Sleep(time.Second)
		}
	})
}
