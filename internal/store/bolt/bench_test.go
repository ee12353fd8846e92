package bolt

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hufu-project/hufu/internal/store"
)

// The size of a sealed credential record, about.
var benchValue = []byte(strings.Repeat("v", 600))

func BenchmarkPut(b *testing.B) {
	for _, writers := range []int{1, 32} {
		b.Run(fmt.Sprintf("%d writers", writers), func(b *testing.B) {
			s := openAt(b, filepath.Join(b.TempDir(), "hufu.db"))
			var next atomic.Int64
			var all sync.WaitGroup
			b.ResetTimer()
			for range writers {
				all.Go(func() {
					var r store.Record
					for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
						if i%16 == 1 || r.Key == "" {
							r = store.Record{Key: fmt.Sprintf("a/%d", i), Value: benchValue}
						}
						var err error
						if r, err = s.Put(b.Context(), r); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			all.Wait()
		})
	}
}

// hundredThousand fills a store with as many records.
func hundredThousand(b *testing.B) (s *Store, path string) {
	path = filepath.Join(b.TempDir(), "hufu.db")
	s = openAt(b, path)
	var all sync.WaitGroup
	for w := range 250 {
		all.Go(func() {
			for i := w; i < 100_000; i += 250 {
				if _, err := s.Put(b.Context(), store.Record{Key: fmt.Sprintf("cred/wx%016x/access_token", i*2654435761), Value: benchValue}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	return s, path
}

func BenchmarkHundredThousand(b *testing.B) {
	s, path := hundredThousand(b)
	b.Run("Get", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if _, err := s.Get(b.Context(), fmt.Sprintf("cred/wx%016x/access_token", i%100_000*2654435761)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("List", func(b *testing.B) {
		for b.Loop() {
			n := 0
			for _, err := range s.List(b.Context(), "cred/") {
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
	i := 0
	b.Run("Put", func(b *testing.B) {
		for b.Loop() {
			i++
			if _, err := s.Put(b.Context(), store.Record{Key: fmt.Sprintf("new/%d", i), Value: benchValue}); err != nil {
				b.Fatal(err)
			}
		}
	})
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	b.Run("Open", func(b *testing.B) {
		for b.Loop() {
			s, err := Open(path)
			if err != nil {
				b.Fatal(err)
			}
			_ = s.Close()
		}
	})
}
