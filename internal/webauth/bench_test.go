package webauth

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hufu-project/hufu/internal/wechat"
)

// What a login costs beyond the redirect itself: a record in the embedded
// store, durable, and for the callback two more.
func BenchmarkLogin(b *testing.B) {
	address := strings.TrimPrefix(authorize(shop, site, wechat.ScopeBase, "S"), webURL)
	b.Run("bare redirect", func(b *testing.B) {
		h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { send(w, site) })
		for b.Loop() {
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, address, nil))
		}
	})
	b.Run("authorize", func(b *testing.B) {
		w := newWorld(b)
		for b.Loop() {
			r := httptest.NewRequest(http.MethodGet, address, nil)
			r.Header.Set("User-Agent", phoneUA)
			rec := httptest.NewRecorder()
			w.auth.Browser().ServeHTTP(rec, r)
			if rec.Code != http.StatusSeeOther {
				w.auth.bounds = newBounds()
			}
		}
	})
	b.Run("callback", func(b *testing.B) {
		w := newWorld(b)
		for b.Loop() {
			b.StopTimer()
			p := w.phone()
			callback := p.callback(webURL + address)
			b.StartTimer()
			p.arrive(callback)
		}
	})
}
