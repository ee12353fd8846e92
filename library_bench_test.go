package hufu_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/hufu-project/hufu"
	"github.com/hufu-project/hufu/hufutest"
)

// warm is a client of the fake server that has the token in hand.
func warm(t testing.TB) *hufu.Client {
	t.Helper()
	s := hufutest.NewServer(map[string]string{appID: "token"})
	t.Cleanup(s.Close)
	c, err := hufu.New(s.URL, s.Key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := c.Token(t.Context(), appID); err != nil {
		t.Fatal(err)
	}
	return c
}

// tokens is how SDKs hold a source.
type tokens interface{ Token() (string, error) }

// pointer is the least that a source can be: one atomic load.
type pointer struct{ value atomic.Pointer[string] }

func (p *pointer) Token() (string, error) { return *p.value.Load(), nil }

// byName reads as Client.Token does.
type byName struct{ *hufu.Client }

func (c byName) Token() (string, error) { return c.Client.Token(context.Background(), appID) }

func newPointer() *pointer {
	p, token := &pointer{}, "token"
	p.value.Store(&token)
	return p
}

const batch = 1000 // reads in one turn of a loop, so that the loop costs nothing

//go:noinline
func readMany(s tokens) (n int) {
	for range batch {
		token, err := s.Token()
		if err != nil {
			return -1
		}
		n += len(token)
	}
	return n
}

// BenchmarkWarmRead is what a read costs once the value is in hand.
func BenchmarkWarmRead(b *testing.B) {
	c := warm(b)
	perRead := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/batch, "ns/read")
	}
	for name, source := range map[string]tokens{"pointer": newPointer(), "source": c.Source(appID)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				readMany(source)
			}
			perRead(b)
		})
	}
	b.Run("token", func(b *testing.B) {
		ctx := b.Context()
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.Token(ctx, appID); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("token_parallel", func(b *testing.B) {
		ctx := b.Context()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := c.Token(ctx, appID); err != nil {
					b.Error(err)
				}
			}
		})
	})
}
