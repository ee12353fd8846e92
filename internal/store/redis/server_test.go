//go:build unix

package redis

import (
	"context"
	"testing"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/store"
	"github.com/hufu-project/hufu/internal/store/redis/redistest"
)

// server is one with a way to open a store at it.
type server struct {
	*redistest.Server
	t testing.TB
}

func startServer(t testing.TB, args ...string) *server {
	t.Helper()
	return &server{redistest.Start(t, args...), t}
}

func (s *server) open(query string) *Store { return openAt(s.t, "redis://"+s.Addr+"?"+query) }

var eventually = redistest.Eventually

func openAt(t testing.TB, address string) *Store {
	t.Helper()
	st, err := Open(context.Background(), parsed(t, address))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	return st
}

func parsed(t testing.TB, address string) config.Redis {
	t.Helper()
	a, err := config.ParseRedis(address)
	if err != nil {
		t.Fatalf("%s: %v", address, err)
	}
	return a
}

func put(t testing.TB, s *Store, key, version, value string) store.Record {
	t.Helper()
	r, err := s.Put(context.Background(), store.Record{Key: key, Version: version, Value: []byte(value)})
	if err != nil {
		t.Fatalf("put %s: %v", key, err)
	}
	return r
}
