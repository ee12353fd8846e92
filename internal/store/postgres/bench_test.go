package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/hufu-project/hufu/internal/store"
	"github.com/hufu-project/hufu/internal/store/enginetest"
)

// The size of a sealed credential record, about.
var benchValue = []byte(strings.Repeat("v", 600))

// BenchmarkAgainstDriver holds Put, Get and List against the plainest
// statements of the bare driver that could do the same, on a server that
// syncs.
func BenchmarkAgainstDriver(b *testing.B) {
	on := enginetest.For(b, enginetest.Postgres, "fsync=on")
	s := openAt(b, at(on))
	cfg, err := settings(at(on))
	if err != nil {
		b.Fatal(err)
	}
	bare, err := pgxpool.NewWithConfig(b.Context(), cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(bare.Close)
	ctx := context.Background()
	run(b, connect(b, at(on)), "CREATE TABLE bare (key bytea PRIMARY KEY, value bytea)")
	if _, err := s.Put(ctx, store.Record{Key: "one", Value: benchValue}); err != nil {
		b.Fatal(err)
	}
	run(b, connect(b, at(on)), "INSERT INTO bare VALUES ('one', $1)", benchValue)
	for _, n := range []int{1, 8} {
		parallel(b, fmt.Sprintf("put/%d/store", n), n, func(i int) error {
			_, err := s.Put(ctx, store.Record{Key: fmt.Sprintf("p/%d/%d", n, i), Value: benchValue})
			return err
		})
		parallel(b, fmt.Sprintf("put/%d/driver", n), n, func(i int) error {
			_, err := bare.Exec(ctx, "INSERT INTO bare VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value", fmt.Appendf(nil, "p/%d/%d", n, i), benchValue)
			return err
		})
		parallel(b, fmt.Sprintf("get/%d/store", n), n, func(int) error {
			_, err := s.Get(ctx, "one")
			return err
		})
		parallel(b, fmt.Sprintf("get/%d/driver", n), n, func(int) error {
			var value []byte
			return bare.QueryRow(ctx, "SELECT value FROM bare WHERE key = $1", []byte("one")).Scan(&value)
		})
	}
	b.Run("watch", func(b *testing.B) {
		other := openAt(b, at(on))
		watch := other.Watch(ctx, "w/")
		<-watch
		var took []time.Duration
		for i := 0; b.Loop(); i++ {
			time.Sleep(10 * time.Millisecond)
			if _, err := s.Put(ctx, store.Record{Key: fmt.Sprintf("w/%d/%d", b.N, i)}); err != nil {
				b.Fatal(err)
			}
			began := time.Now()
			<-watch
			took = append(took, time.Since(began))
		}
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
		b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
	})
	run(b, connect(b, at(on)), `INSERT INTO hufu_records (key, version, tx, value, written)
		SELECT ('l/' || n)::bytea, n::text, 3, $1, clock_timestamp() FROM generate_series(1, 100000) AS n`, benchValue)
	run(b, connect(b, at(on)), "INSERT INTO bare SELECT key, value FROM hufu_records WHERE key >= 'l/' AND key < 'l0'")
	run(b, connect(b, at(on)), "VACUUM ANALYZE")
	b.Run("list/store", func(b *testing.B) {
		for b.Loop() {
			n := 0
			for _, err := range s.List(ctx, "l/") {
				if err != nil {
					b.Fatal(err)
				}
				n++
			}
			if n != 100_000 {
				b.Fatal(n)
			}
		}
	})
	b.Run("list/driver", func(b *testing.B) {
		for b.Loop() {
			rows, err := bare.Query(ctx, "SELECT key, value FROM bare WHERE key >= 'l/' AND key < 'l0'")
			if err != nil {
				b.Fatal(err)
			}
			for rows.Next() {
				var key, value []byte
				if err := rows.Scan(&key, &value); err != nil {
					b.Fatal(err)
				}
			}
			if rows.Err() != nil {
				b.Fatal(rows.Err())
			}
		}
	})
	b.Run("look", func(b *testing.B) {
		c := connect(b, at(on))
		here, _, err := look(ctx, c, place{})
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if _, _, err := look(ctx, c, here); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// parallel calls do by n goroutines.
func parallel(b *testing.B, name string, n int, do func(i int) error) {
	b.Run(name, func(b *testing.B) {
		offset := int(time.Now().UnixNano())
		var all sync.WaitGroup
		for w := range n {
			all.Go(func() {
				for i := w; i < b.N; i += n {
					if err := do(offset + i); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		all.Wait()
	})
}
