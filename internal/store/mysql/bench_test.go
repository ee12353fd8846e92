package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/hufu-project/hufu/internal/store"
	"github.com/hufu-project/hufu/internal/store/enginetest"
)

// The size of a sealed credential record, about.
var benchValue = []byte(strings.Repeat("v", 600))

// BenchmarkAgainstDriver holds Put, Get and List against the plainest
// statements of the bare driver that could do the same, on a server that
// syncs.
func BenchmarkAgainstDriver(b *testing.B) {
	on := enginetest.For(b, enginetest.MariaDB)
	a := emptyDatabase(b, on)
	s := openAt(b, a)
	cfg, err := settings(a)
	if err != nil {
		b.Fatal(err)
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		b.Fatal(err)
	}
	bare := sql.OpenDB(connector)
	bare.SetMaxIdleConns(8)
	b.Cleanup(func() { _ = bare.Close() })
	ctx := context.Background()
	run(b, connect(b, a), "CREATE TABLE bare (k VARBINARY(1024) PRIMARY KEY, value LONGBLOB)")
	if _, err := s.Put(ctx, store.Record{Key: "one", Value: benchValue}); err != nil {
		b.Fatal(err)
	}
	run(b, connect(b, a), "INSERT INTO bare VALUES ('one', ?)", benchValue)
	for _, n := range []int{1, 8} {
		parallel(b, fmt.Sprintf("put/%d/store", n), n, func(i int) error {
			_, err := s.Put(ctx, store.Record{Key: fmt.Sprintf("p/%d/%d", n, i), Value: benchValue})
			return err
		})
		parallel(b, fmt.Sprintf("put/%d/driver", n), n, func(i int) error {
			_, err := bare.ExecContext(ctx, "INSERT INTO bare VALUES (?, ?) ON DUPLICATE KEY UPDATE value = VALUES(value)", fmt.Appendf(nil, "p/%d/%d", n, i), benchValue)
			return err
		})
		parallel(b, fmt.Sprintf("get/%d/store", n), n, func(int) error {
			_, err := s.Get(ctx, "one")
			return err
		})
		parallel(b, fmt.Sprintf("get/%d/driver", n), n, func(int) error {
			var value []byte
			return bare.QueryRowContext(ctx, "SELECT value FROM bare WHERE k = ?", []byte("one")).Scan(&value)
		})
	}
	b.Run("watch", func(b *testing.B) {
		other := openAt(b, a)
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
	run(b, connect(b, a), `INSERT INTO hufu_records (k, version, seq, value, written)
		SELECT CONCAT('l/', seq), seq, seq, ?, UTC_TIMESTAMP(6) FROM seq_1_to_100000`, benchValue)
	run(b, connect(b, a), "INSERT INTO bare SELECT k, value FROM hufu_records WHERE k >= 'l/' AND k < 'l0'")
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
			rows, err := bare.QueryContext(ctx, "SELECT k, value FROM bare WHERE k >= 'l/' AND k < 'l0'")
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
