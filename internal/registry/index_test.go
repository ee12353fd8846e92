package registry

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"testing"

	"pgregory.net/rapid"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/store"
)

// TestKeyIndexAgreesWithTheClients: after any changes, in any order, every key
// belongs to the one client that the rule names.
func TestKeyIndexAgreesWithTheClients(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := New(nil, nil)
		name := rapid.SampledFrom([]string{"a", "b", "c"})
		draw := func(t *rapid.T) config.Client {
			c := config.Client{Name: name.Draw(t, "name")}
			for _, k := range rapid.SliceOfNDistinct(rapid.ByteRange(0, 3), 1, 3, rapid.ID).Draw(t, "keys") {
				c.KeySHA256 = append(c.KeySHA256, config.KeyHash{k})
			}
			return c
		}
		t.Repeat(map[string]func(*rapid.T){
			"put":    func(t *rapid.T) { c := draw(t); r.setClient(c.Name, newClient(c, false)) },
			"delete": func(t *rapid.T) { r.setClient(name.Draw(t, "name"), nil) },
			"declare": func(t *rapid.T) {
				var clients []config.Client
				for range rapid.IntRange(0, 2).Draw(t, "n") {
					clients = append(clients, draw(t))
				}
				r.Declare(nil, clients)
			},
			"": func(t *rapid.T) {
				for k := range byte(4) {
					var want *Client
					for c := range r.clients.all() {
						for _, sum := range c.KeySHA256 {
							if sum == (config.KeyHash{k}) && (want == nil || first(c, want)) {
								want = c
							}
						}
					}
					if got := r.keys[config.KeyHash{k}]; got != want {
						t.Fatalf("key %d belongs to %v, want %v", k, got, want)
					}
				}
			},
		})
	})
}

func records(n int) []store.Record {
	all := make([]store.Record, n)
	for i := range all {
		id := credential.App(fmt.Sprintf("wx%016x", i))
		all[i] = store.Record{Key: appPrefix + string(id), Value: config.EncodeApp(config.App{
			AppID: id, Name: string(id), Secrets: []credential.Secret{credential.NewSecret(fmt.Sprintf("5ecret%026x", i))},
			Source: config.Stable, Type: config.OfficialAccount, DailyQuota: 2000,
		})}
	}
	return all
}

// TestLookupsAllocateNothing: they are on the way of every read.
func TestLookupsAllocateNothing(t *testing.T) {
	r := New(nil, nil)
	for _, rec := range records(10) {
		r.take(rec)
	}
	r.setClient("shop", newClient(config.Client{Name: "shop", KeySHA256: []config.KeyHash{{1}}, Apps: []credential.App{"wx1"}}, false))
	id := credential.App(fmt.Sprintf("wx%016x", 5))
	if n := testing.AllocsPerRun(100, func() {
		_, ok := r.App(id)
		c, ok2 := r.ClientByKey([32]byte{1})
		if !ok || !ok2 || !c.MayUse("wx1") {
			t.Error("not found")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkTake adds apps one by one, as a store full of them or somebody who
// registers shop after shop does, while somebody watches. The time for each
// must not grow with their number.
func BenchmarkTake(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			all := records(n)
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			var r *Registry
			for b.Loop() {
				r = New(nil, nil)
				watched := r.Watch(b.Context())
				go func() {
					for range watched {
					}
				}()
				for _, rec := range all {
					r.take(rec)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/app")
			runtime.GC()
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(n), "B/app")
			runtime.KeepAlive(r)
			runtime.KeepAlive(all)
		})
	}
}

// BenchmarkTakeClients is the same for clients, each of which has a key.
func BenchmarkTakeClients(b *testing.B) {
	for _, n := range []int{1_000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				r := New(nil, nil)
				for i := range n {
					c := config.Client{Name: fmt.Sprint(i)}
					var sum config.KeyHash
					binary.BigEndian.PutUint64(sum[:], uint64(i))
					c.KeySHA256 = append(c.KeySHA256, sum)
					r.setClient(c.Name, newClient(c, false))
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/client")
		})
	}
}
