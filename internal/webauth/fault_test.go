package webauth

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hufu-project/hufu/internal/store"
	"github.com/hufu-project/hufu/internal/wechat"
	"github.com/hufu-project/hufu/wxsim"
)

func TestNodesShareALogin(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.phone()
	callback := p.callback(authorize(shop, site, wechat.ScopeBase, "S"))
	w.sim.Fail(wxsim.Fault{Path: "/sns/", Mode: wxsim.SlowAnswer, Delay: 150 * time.Millisecond})
	elsewhere := &phone{w: w, user: p.user, ua: p.ua, cookies: p.cookies, node: w.second()}
	var all sync.WaitGroup
	for _, p := range []*phone{p, elsewhere} {
		all.Go(func() { p.arrive(callback) })
	}
	all.Wait()
	code := elsewhere.arrive(callback).Get("code")
	if a := w.redeem("phantom", code); a["openid"] == nil || w.exchanges() != 1 {
		t.Errorf("%d exchanges, %v", w.exchanges(), a)
	}
}

// One write of a login fails, whichever it is and however it fails: WeChat is
// asked at most once for each of its codes, and the user arrives in the end.
func TestAStoreThatFailsCostsNoLoginAndNoSecondExchange(t *testing.T) {
	t.Parallel()
	away := errors.New("the store is away")
	for name, fail := range map[string]func(do func() (store.Record, error)) (store.Record, error){
		"away": func(func() (store.Record, error)) (store.Record, error) { return store.Record{}, away },
		"unsure, written": func(do func() (store.Record, error)) (store.Record, error) {
			_, _ = do()
			return store.Record{}, store.ErrUnsure
		},
		"unsure, not written": func(func() (store.Record, error)) (store.Record, error) { return store.Record{}, store.ErrUnsure },
		"conflict":            func(func() (store.Record, error)) (store.Record, error) { return store.Record{}, store.ErrConflict },
	} {
		for which := range int32(7) {
			t.Run(fmt.Sprintf("%s, write %d", name, which+1), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.auth.term = 200 * time.Millisecond
				var n atomic.Int32
				w.flaky.fail(func(do func() (store.Record, error)) (store.Record, error) {
					if n.Add(1) == which+1 {
						return fail(do)
					}
					return do()
				})
				p := w.phone()
				code := throughThickAndThin(t, p)
				a := w.redeem("phantom", code)
				for range 2 {
					if a["openid"] == nil {
						// Used up and not handed out: the user logs in again.
						a = w.redeem("phantom", throughThickAndThin(t, p))
					}
				}
				if a["openid"] != wxsim.OpenID(shop, "xiaoming") {
					t.Error(a)
				}
				for _, c := range w.sim.Codes(shop) {
					if c.Exchanges > 1 {
						t.Errorf("a code was brought to WeChat %d times", c.Exchanges)
					}
				}
			})
		}
	}
}

// throughThickAndThin logs in as a patient person does: who sees that something
// went wrong reloads the page.
func throughThickAndThin(t *testing.T, p *phone) (code string) {
	t.Helper()
	address := authorize(shop, site, wechat.ScopeBase, "S")
	for range 6 {
		resp := p.get(address)
		to := resp.Header.Get("Location")
		switch {
		case strings.HasPrefix(to, "https://open.weixin.qq.com/"):
			address = p.consent(to)
		case strings.HasPrefix(to, site):
			return arrived(t, resp).Get("code")
		case resp.StatusCode != http.StatusServiceUnavailable:
			t.Fatalf("status %d: %s", resp.StatusCode, body(resp))
		}
	}
	t.Fatal("the user never arrives")
	return ""
}
