package keeper

import (
	"context"
	"iter"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/registry"
	"github.com/hufu-project/hufu/internal/store"
	"github.com/hufu-project/hufu/internal/store/enginetest"
	"github.com/hufu-project/hufu/internal/store/postgres"
	"github.com/hufu-project/hufu/internal/store/redis"
	"github.com/hufu-project/hufu/internal/store/redis/redistest"
	"github.com/hufu-project/hufu/internal/store/sealed"
	"github.com/hufu-project/hufu/internal/wechat"
)

// counted counts what a node asks of its store.
type counted struct {
	store.Store
	calls *atomic.Int64
}

func (c counted) Get(ctx context.Context, key string) (store.Record, error) {
	c.calls.Add(1)
	return c.Store.Get(ctx, key)
}

func (c counted) List(ctx context.Context, prefix string) iter.Seq2[store.Record, error] {
	c.calls.Add(1)
	return c.Store.List(ctx, prefix)
}

func (c counted) Put(ctx context.Context, r store.Record) (store.Record, error) {
	c.calls.Add(1)
	return c.Store.Put(ctx, r)
}

// BenchmarkHundredThousandAppsOnThreeNodes starts three nodes in this process,
// all at once, on a Redis or PostgreSQL that holds 100,000 apps with live
// tokens. It measures the time until each can read every token, the memory of
// each, and what a node asks of the store while nothing is due. Run it with
// -benchtime 1x.
func BenchmarkHundredThousandAppsOnThreeNodes(b *testing.B) {
	const apps, nodes, rest = 100_000, 3, 20 * time.Second
	for name, engine := range map[string]func(b *testing.B) func() (store.Store, error){
		"redis": func(b *testing.B) func() (store.Store, error) {
			a, err := config.ParseRedis("redis://" + redistest.Start(b).Addr)
			if err != nil {
				b.Fatal(err)
			}
			return func() (store.Store, error) { return redis.Open(b.Context(), a) }
		},
		"postgres": func(b *testing.B) func() (store.Store, error) {
			a := config.SQL{Socket: enginetest.For(b, enginetest.Postgres).Dir, User: "postgres", Database: "postgres", Connections: 8}
			return func() (store.Store, error) { return postgres.Open(b.Context(), a) }
		},
	} {
		b.Run(name, func(b *testing.B) {
			connect := engine(b)
			open := func() store.Store {
				st, err := connect()
				if err != nil {
					b.Fatal(err)
				}
				return st
			}
			keys := sealed.NewKeyring(sealed.NewKey())
			raw := open()
			fillStore(b, raw, keys, "stable", apps)
			if err := raw.Close(); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				startNodes(b, open, keys, apps, nodes, rest)
			}
		})
	}
}

func startNodes(b *testing.B, open func() store.Store, keys *sealed.Keyring, apps, nodes int, rest time.Duration) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var calls atomic.Int64
	var running, ready sync.WaitGroup
	ctx, cancel := context.WithCancel(b.Context())
	began := time.Now()
	for range nodes {
		st, err := sealed.Open(ctx, open(), keys)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = st.Close() })
		mine := counted{st, &calls}
		reg := registry.New(mine, nil)
		up, err := wechat.New(wechat.Options{APIURL: "https://api.weixin.qq.com", Timeout: time.Second, Transport: refusing{}})
		if err != nil {
			b.Fatal(err)
		}
		k := New(Options{Store: mine, Registry: reg, Upstream: up, Life: 2 * time.Hour, TagKey: []byte("test")})
		running.Go(func() { _ = reg.Run(ctx) })
		running.Go(func() { _ = k.Run(ctx) })
		ready.Go(func() {
			<-reg.Loaded()
			for i := 0; i < apps && ctx.Err() == nil; {
				if _, err := k.Get(ctx, credential.Key{App: appID(i), Kind: credential.AccessToken}); err != nil {
					time.Sleep(time.Millisecond)
					continue
				}
				i++
			}
		})
	}
	ready.Wait()
	b.ReportMetric(time.Since(began).Seconds(), "s-to-start")
	b.ReportMetric(float64(calls.Load())/float64(nodes), "calls-to-start/node")
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(apps*nodes), "B/app/node")
	calls.Store(0)
	time.Sleep(rest)
	b.ReportMetric(float64(calls.Load())/rest.Seconds()/float64(nodes), "calls-at-rest/s/node")
	cancel()
	running.Wait()
}
