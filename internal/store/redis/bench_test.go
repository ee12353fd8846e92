//go:build unix

package redis

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/hufu-project/hufu/internal/store"
)

// The size of a sealed credential record, about.
var benchValue = strings.Repeat("v", 600)

// each runs f b.N times from so many goroutines.
func each(b *testing.B, callers int, f func(i int) error) {
	b.Helper()
	var next atomic.Int64
	var all sync.WaitGroup
	b.ResetTimer()
	for range callers {
		all.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				if err := f(int(i)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}

// BenchmarkCalls compares a Put and a Get with bare commands of the same driver
// on the same server: the simplest, and for Put those that its script calls.
func BenchmarkCalls(b *testing.B) {
	s := startServer(b)
	st := s.open("")
	bare := s.Admin()
	do := func(args ...string) error {
		err := bare.Do(context.Background(), bare.B().Arbitrary(args...).Build()).Error()
		if rueidis.IsRedisNil(err) {
			return nil
		}
		return err
	}
	for _, callers := range []int{1, 32} {
		for _, c := range []struct {
			name string
			f    func(i int) error
		}{
			{"SET", func(i int) error { return do("SET", fmt.Sprint("bare", i%1000), benchValue) }},
			{"MULTI", func(i int) error {
				key := fmt.Sprintf("%s/%d/%d", b.Name(), callers, time.Now().UnixNano()+int64(i))
				var multi rueidis.Commands
				for _, c := range [][]string{
					{"MULTI"},
					{"TIME"},
					{"HMGET", "bare:state", "last", "behind"},
					{"GET", key},
					{"XADD", "bare:changes", "MAXLEN", "~", "10000", "*", "key", key, "nonce", "0123456789abcdef"},
					{"HSET", "bare:state", "last", "1795349010416000", "behind", "0"},
					{"ZADD", "bare:index", "0", key},
					{"ZREM", "bare:ends", key},
					{"SET", key, benchValue},
					{"ZRANGEBYSCORE", "bare:ends", "-inf", "1", "LIMIT", "0", "16"},
					{"EXEC"},
				} {
					multi = append(multi, bare.B().Arbitrary(c...).Build())
				}
				answers := bare.DoMulti(context.Background(), multi...)
				return answers[len(answers)-1].Error()
			}},
			{"Put", func(i int) error {
				_, err := st.Put(context.Background(), store.Record{Key: fmt.Sprintf("%s/%d/%d", b.Name(), callers, time.Now().UnixNano()+int64(i)), Value: []byte(benchValue)})
				return err
			}},
			{"GET", func(i int) error { return do("GET", fmt.Sprint("bare", i%1000)) }},
			{"Get", func(int) error { _, err := st.Get(context.Background(), "there"); return err }},
		} {
			if c.name == "Get" {
				if r, err := st.Get(context.Background(), "there"); err != nil {
					put(b, st, "there", r.Version, benchValue)
				}
			}
			b.Run(fmt.Sprintf("%s/%d", c.name, callers), func(b *testing.B) { each(b, callers, c.f) })
			b.Log(fields(s.Do("INFO", "commandstats"))["cmdstat_evalsha"])
		}
	}
}

// BenchmarkNotice is the time from a Put at one node to the word at another.
func BenchmarkNotice(b *testing.B) {
	s := startServer(b)
	one := s.open("")
	put(b, one, "first", "", "x")
	two := s.open("")
	w := two.Watch(context.Background(), "a/")
	<-w
	var took []time.Duration
	for i := range b.N {
		key := fmt.Sprintf("a/%d", i)
		began := time.Now()
		if _, err := one.Put(context.Background(), store.Record{Key: key}); err != nil {
			b.Fatal(err)
		}
		for got := range w {
			if got == key || got == "" {
				break
			}
		}
		took = append(took, time.Since(began))
		<-time.After(time.Millisecond)
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}

// BenchmarkHundredThousand lists as many records, and asks the server how it
// feels in between.
func BenchmarkHundredThousand(b *testing.B) {
	s := startServer(b)
	st := s.open("")
	const n = 100_000
	var all sync.WaitGroup
	for w := range 64 {
		all.Go(func() {
			for i := w; i < n; i += 64 {
				r := store.Record{Key: fmt.Sprintf("cred/wx%016x/access_token", i*2654435761), Value: []byte(benchValue), Now: time.Unix(1, 0), Expires: time.Unix(1e6, 0)}
				if _, err := st.Put(context.Background(), r); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	var longest atomic.Int64
	ctx, cancel := context.WithCancel(context.Background())
	other := s.open("")
	all.Go(func() {
		for ctx.Err() == nil {
			began := time.Now()
			_, _ = other.Get(context.Background(), "none")
			longest.Store(max(longest.Load(), int64(time.Since(began))))
		}
	})
	b.ResetTimer()
	for range b.N {
		count := 0
		for _, err := range st.List(context.Background(), "cred/") {
			if err != nil {
				b.Fatal(err)
			}
			count++
		}
		if count != n {
			b.Fatalf("%d records", count)
		}
	}
	b.StopTimer()
	cancel()
	all.Wait()
	b.ReportMetric(float64(longest.Load())/1e6, "ms-longest-Get-beside")
	b.ReportMetric(float64(number(fields(s.Do("INFO", "memory"))["used_memory"]))/1e6, "MB-in-Redis")
}
