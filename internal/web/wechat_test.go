package web

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/hufu-project/hufu/internal/access"
	"github.com/hufu-project/hufu/internal/credential"
)

func TestRefusalsAreInWeChatsNumbers(t *testing.T) {
	t.Parallel()
	away := &access.Refusal{Err: access.ErrForbidden, IP: netip.MustParseAddr("203.0.113.9")}
	for _, c := range []struct {
		err    error
		secret bool
		want   int
		text   string
	}{
		{credential.ErrNotFound, true, 40013, "invalid appid"},
		{access.ErrUnauthorized, false, 41004, "missing"},
		{access.ErrUnauthorized, true, 40125, "invalid appsecret"},
		{&access.Refusal{Err: access.ErrLimited}, true, 45011, "limit"},
		{away, true, 40164, "203.0.113.9 ipv6 ::ffff:203.0.113.9"},
		{&access.Refusal{Err: access.ErrForbidden, Reason: "why", Hint: "what to do"}, true, 48001, "why; what to do"},
		{&WeChatRefusal{40029, "invalid code"}, true, 40029, "invalid code"},
		{errors.New("a canary of the inside"), true, -1, "system error"},
	} {
		got := AsWeChat(c.err, c.secret)
		if got.Code != c.want || !strings.Contains(got.Text, c.text) || strings.Contains(got.Text, "canary") {
			t.Errorf("%v: %v", c.err, got)
		}
	}
	rec := httptest.NewRecorder()
	(&WeChatRefusal{40029, "<invalid> & code"}).Write(rec, access.Request{Boot: 1, Count: 2})
	if rec.Code != http.StatusOK || !strings.HasPrefix(rec.Body.String(), `{"errcode":40029,"errmsg":"<invalid> & code rid: `) {
		t.Error(rec.Code, rec.Body)
	}
}

func TestASurfaceForPeopleShowsItsOwnProblems(t *testing.T) {
	t.Parallel()
	s := NewSurface(slog.New(slog.DiscardHandler))
	s.Show(func(w http.ResponseWriter, _ *http.Request, q access.Request, p Problem) {
		w.WriteHeader(p.Status)
		_, _ = w.Write([]byte("page " + p.Code + " " + q.String()))
	})
	s.Handle("GET", "/panic", func(http.ResponseWriter, *http.Request, access.Request) error { panic("canary") })
	for path, want := range map[string]string{"/nothing": "page not_found", "/panic": "page internal", "/a/../b": "page bad_request"} {
		rec := httptest.NewRecorder()
		s.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, path, nil))
		if !strings.HasPrefix(rec.Body.String(), want) {
			t.Errorf("%s: %d %s", path, rec.Code, rec.Body)
		}
	}
}
