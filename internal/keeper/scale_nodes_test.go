//go:build unix

package keeper

import (
	"context"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

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

// host is a store for the measurement, and what its server says of itself.
type host struct {
	connect func() (store.Store, error)
	served  func() int64 // commands, or transactions, so far
	size    func() int64 // bytes that it takes
}

var hosts = map[string]func(b *testing.B) host{"redis": redisHost, "postgres": postgresHost}

func redisHost(b *testing.B) host {
	server := redistest.Start(b)
	a, err := config.ParseRedis("redis://" + server.Addr)
	if err != nil {
		b.Fatal(err)
	}
	info := func(name string) int64 {
		_, rest, _ := strings.Cut(server.Do("INFO"), name+":")
		text, _, _ := strings.Cut(rest, "\r\n")
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		return n
	}
	return host{
		connect: func() (store.Store, error) { return redis.Open(b.Context(), a) },
		served:  func() int64 { return info("total_commands_processed") },
		size:    func() int64 { return info("used_memory") },
	}
}

func postgresHost(b *testing.B) host {
	server := enginetest.For(b, enginetest.Postgres)
	a := config.SQL{Socket: server.Dir, User: "postgres", Database: "postgres", Connections: 8}
	db, err := pgx.Connect(b.Context(), "host="+server.Dir+" user=postgres dbname=postgres")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close(context.Background()) })
	ask := func(query string) (n int64) {
		if err := db.QueryRow(b.Context(), query).Scan(&n); err != nil {
			b.Fatal(err)
		}
		return n
	}
	return host{
		connect: func() (store.Store, error) { return postgres.Open(b.Context(), a) },
		served: func() int64 {
			time.Sleep(2 * time.Second) // so long they may keep it to themselves
			return ask("SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = 'postgres'")
		},
		size: func() int64 { return ask("SELECT pg_total_relation_size('hufu_records')") },
	}
}

// BenchmarkHundredThousandAppsOnThreeNodes starts three nodes in this process,
// all at once, on a Redis or PostgreSQL that holds 100,000 apps with live
// tokens. It measures the time until each can read every token, in seconds and
// in the CPU's, the memory of each, and what the server does while nothing is
// due. Run it with -benchtime 1x.
func BenchmarkHundredThousandAppsOnThreeNodes(b *testing.B) {
	const apps, nodes, rest = 100_000, 3, 30 * time.Second
	for name, start := range hosts {
		b.Run(name, func(b *testing.B) {
			on := start(b)
			open := func() store.Store {
				st, err := on.connect()
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
				startNodes(b, open, on.served, keys, apps, nodes, rest)
			}
			b.ReportMetric(float64(on.size())/float64(apps), "B/app-in-store")
		})
	}
}

func startNodes(b *testing.B, open func() store.Store, served func() int64, keys *sealed.Keyring, apps, nodes int, rest time.Duration) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var running, ready sync.WaitGroup
	ctx, cancel := context.WithCancel(b.Context())
	asked := served()
	began, used := time.Now(), processorTime()
	for range nodes {
		st, err := sealed.Open(ctx, open(), keys)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = st.Close() })
		reg := registry.New(st, nil)
		up, err := wechat.New(wechat.Options{APIURL: "https://api.weixin.qq.com", Timeout: time.Second, Transport: refusing{}})
		if err != nil {
			b.Fatal(err)
		}
		k := New(Options{Store: st, Registry: reg, Upstream: up, Life: 2 * time.Hour, TagKey: []byte("test")})
		running.Go(func() { _ = reg.Run(ctx) })
		running.Go(func() { _ = k.Run(ctx) })
		ready.Go(func() {
			<-reg.Loaded()
			for i := 0; i < apps && ctx.Err() == nil; {
				if _, err := k.Get(ctx, credential.Key{App: appID(i), Kind: credential.AccessToken}); err != nil {
					time.Sleep(10 * time.Millisecond)
					continue
				}
				i++
			}
		})
	}
	ready.Wait()
	b.ReportMetric(time.Since(began).Seconds(), "s-to-start")
	b.ReportMetric((processorTime()-used).Seconds()/float64(nodes), "cpu-s-to-start/node")
	b.ReportMetric(float64(served()-asked)/float64(nodes), "asked-to-start/node")
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(apps*nodes), "B/app/node")
	asked, began, used = served(), time.Now(), processorTime()
	time.Sleep(rest)
	asked = served() - asked
	b.ReportMetric(float64(asked)/time.Since(began).Seconds()/float64(nodes), "asked-at-rest/s/node")
	b.ReportMetric(100*(processorTime()-used).Seconds()/time.Since(began).Seconds()/float64(nodes), "%cpu-at-rest/node")
	cancel()
	running.Wait()
}

// processorTime is what this process has used.
func processorTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
