package server

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/store"
	"github.com/hufu-project/hufu/internal/web"
)

// full is a store whose disk has no space, and, once it has noticed, answers
// nothing.
type full struct {
	store.Store
	refuses, silent atomic.Bool
}

func (f *full) Put(ctx context.Context, r store.Record) (store.Record, error) {
	if f.refuses.Load() {
		return r, fmt.Errorf("%w: %w", store.ErrUnsure, syscall.ENOSPC)
	}
	return f.Store.Put(ctx, r)
}

func (f *full) Get(ctx context.Context, key string) (store.Record, error) {
	if f.silent.Load() {
		return store.Record{Key: key}, errors.New("it goes on by itself once there is space")
	}
	return f.Store.Get(ctx, key)
}

func TestAStoreThatTakesNothingIsSeen(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.write(anyPorts)
	s, err := New(n.config(), n.options())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	f := &full{Store: s.store}
	s.witness.Store = f
	surface := web.NewSurface(s.log)
	surface.Handle("GET", "/v1/status", s.status(surface))
	metrics := promhttp.HandlerFor(s.metrics(surface), promhttp.HandlerOpts{})
	seen := func(status, metric string) {
		t.Helper()
		r, w := httptest.NewRequest("GET", "/v1/status", nil), httptest.NewRecorder()
		r.Header.Set("Authorization", "Bearer "+n.key)
		surface.ServeHTTP(w, r)
		wants(t, w.Body.String(), `"store":`+status)
		w = httptest.NewRecorder()
		metrics.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		wants(t, w.Body.String(), "\nhufu_store_writable "+metric+"\n")
	}
	put := func(name string) error {
		return s.registry.PutApp(t.Context(), config.App{
			AppID: "wx9", Name: name, Secrets: []credential.Secret{credential.NewSecret("0123456789abcdef0123456789abcdef")},
			Source: config.Stable, Type: config.OfficialAccount, DailyQuota: 2000,
		})
	}
	if err := put("a"); err != nil {
		t.Fatal(err)
	}
	seen(`{"writable":true}`, "1")

	f.refuses.Store(true)
	if err := put("b"); !errors.Is(err, store.ErrUnsure) {
		t.Fatal(err)
	}
	seen(`{"writable":false,"problem":"store: write unsure: no space left on device"}`, "0")
	f.refuses.Store(false)
	if err := put("b"); err != nil {
		t.Fatal(err)
	}
	seen(`{"writable":true}`, "1")

	// One that has gone silent is well again when it answers.
	f.refuses.Store(true)
	_ = put("c")
	f.silent.Store(true)
	seen(`{"writable":false,"problem":"it goes on by itself once there is space"}`, "0")
	f.silent.Store(false)
	seen(`{"writable":true}`, "1")
}
