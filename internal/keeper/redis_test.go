//go:build unix

package keeper

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/registry"
	"github.com/hufu-project/hufu/internal/store/redis"
	"github.com/hufu-project/hufu/internal/store/redis/redistest"
	"github.com/hufu-project/hufu/internal/wechat"
	"github.com/hufu-project/hufu/wxsim"
)

// TestG1OneIssuePerGenerationOverRedis is G1 in real time, with a Redis that is
// killed and started again under three nodes: one issue per generation, no read
// that fails, no dead value, and nothing issued because the store was away.
func TestG1OneIssuePerGenerationOverRedis(t *testing.T) {
	t.Parallel()
	const life = 24 * time.Second
	server := redistest.Start(t, "--appendfsync", "always")
	address, err := config.ParseRedis("redis://" + server.Addr)
	if err != nil {
		t.Fatal(err)
	}
	sim := wxsim.New(wxsim.Options{Life: life, Quirks: wxsim.NoQuirks})
	if err := sim.AddApp(wxsim.App{ID: testApp, Secret: testSecret}); err != nil {
		t.Fatal(err)
	}
	// Classic: two issues where one would do show.
	app := config.App{
		AppID: testApp, Name: "shop", Secrets: []credential.Secret{credential.NewSecret(testSecret)},
		Source: config.Classic, Type: config.OfficialAccount, DailyQuota: 2000,
	}
	ctx, stop := context.WithCancel(t.Context())
	nodes := make([]*Keeper, 3)
	ended := make(chan struct{}, 2*len(nodes))
	for i := range nodes {
		st, err := redis.Open(ctx, address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = st.Close() })
		log := slog.New(slog.NewTextHandler(io.Discard, nil))
		reg := registry.New(st, log)
		reg.Declare([]config.App{app}, nil)
		up, err := wechat.New(wechat.Options{APIURL: "https://api.weixin.qq.com", Timeout: timesOf(life).timeout, Transport: sim.Transport()})
		if err != nil {
			t.Fatal(err)
		}
		nodes[i] = New(Options{Store: st, Registry: reg, Upstream: up, Life: life, TagKey: []byte("test"), Node: fmt.Sprint(i), Log: log})
		go func() { _ = nodes[i].Run(ctx); ended <- struct{}{} }()
	}
	t.Cleanup(func() {
		stop()
		for range nodes {
			<-ended
		}
	})
	for _, n := range nodes {
		if _, err := n.Get(ctx, testKey); err != nil {
			t.Fatalf("the first read: %v", err)
		}
	}

	var reads, generation atomic.Int64
	read := func(until time.Time) {
		for time.Now().Before(until) {
			for _, n := range nodes {
				c, err := n.Get(ctx, testKey)
				switch {
				case err != nil:
					t.Fatalf("a read failed: %v", err)
				case !sim.Valid(testApp, c.Value.Reveal()):
					t.Fatalf("generation %d was handed out dead", c.Generation)
				}
				reads.Add(1)
				generation.Store(max(generation.Load(), int64(c.Generation)))
			}
			<-time.After(20 * time.Millisecond)
		}
	}
	began := time.Now()
	for range 3 { // the third time, three quarters of the first life are over
		read(time.Now().Add(3500 * time.Millisecond))
		server.Kill()
		read(time.Now().Add(3 * time.Second))
		server.Start()
	}
	read(time.Now().Add(7 * time.Second))
	issues, g := sim.Issues(testApp), generation.Load()
	t.Logf("%d reads, generation %d, %d issues in %v", reads.Load(), g, issues, time.Since(began))
	if g < 2 || int64(issues) != g {
		t.Errorf("%d issues for %d generations", issues, g)
	}
	for _, v := range sim.Violations() {
		t.Errorf("violation: %+v", v)
	}
}
