package wechat

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hufu-project/hufu/internal/credential"
)

// A kept connection that dies under a request: net/http sends a GET without a
// body again by itself.
func TestACallIsSentOnceOverAKeptConnection(t *testing.T) {
	t.Parallel()
	var came atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		came.Add(1)
		if r.URL.Path == "/base/dies" {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			conn.Close()
		}
	}))
	t.Cleanup(server.Close)
	c, err := New(Options{APIURL: server.URL + "/base"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdle)
	call := Call{Method: http.MethodGet, Path: "/lives", Token: credential.NewSecret("91_token"), Header: http.Header{}}
	resp, err := c.Forward(t.Context(), call)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		came.Store(0)
		call.Method, call.Path = method, "/dies"
		_, err := c.Forward(t.Context(), call)
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Outcome != Ambiguous || strings.Contains(err.Error(), "91_token") {
			t.Errorf("%s: %v", method, err)
		}
		if n := came.Load(); n != 1 {
			t.Errorf("%s was sent %d times", method, n)
		}
		call.Path = "/lives"
		if resp, err := c.Forward(t.Context(), call); err == nil {
			resp.Body.Close()
		}
	}
}

// WeChat answers 412 to a body in chunks, an empty one too.
func TestACallSaysHowLongItsBodyIs(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		w.Header().Set("Seen", fmt.Sprintf("%s %q %d %v", r.Method, b, r.ContentLength, r.TransferEncoding))
	}))
	t.Cleanup(server.Close)
	c, err := New(Options{APIURL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdle)
	for _, sent := range []struct{ method, body, want string }{
		{"GET", "", `GET "" 0 []`},
		{"GET", "{}", `GET "{}" 2 []`},
		{"POST", "", `POST "" 0 []`},
		{"POST", "{}", `POST "{}" 2 []`},
	} {
		resp, err := c.Forward(t.Context(), Call{
			Method: sent.method, Path: "/cgi-bin/x", Token: credential.NewSecret("91_token"), Header: http.Header{},
			Body: io.NopCloser(strings.NewReader(sent.body)), Length: int64(len(sent.body)),
		})
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if seen := resp.Header.Get("Seen"); seen != sent.want {
			t.Errorf("%s %q reached WeChat as %s", sent.method, sent.body, seen)
		}
	}
}
