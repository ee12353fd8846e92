package keeper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/registry"
	"github.com/hufu-project/hufu/internal/store/redis"
	"github.com/hufu-project/hufu/internal/wechat"
	"github.com/hufu-project/hufu/wxsim"
)

// TestG1OneIssuePerGenerationOverRedis is G1 in real time, with a Redis that is
// killed and started again under three nodes: one issue per generation, no read
// that fails, no dead value, and nothing issued because the store was away.
func TestG1OneIssuePerGenerationOverRedis(t *testing.T) {
	t.Parallel()
	const life = 24 * time.Second
	server := newRedis(t)
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
		st, err := redis.Open(ctx, server.address(t))
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
		server.kill()
		read(time.Now().Add(3 * time.Second))
		server.start(t)
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

// redisServer is a redis-server of a test's own, with every write on the disk.
type redisServer struct {
	addr, dir string
	cmd       *exec.Cmd
}

func newRedis(t *testing.T) *redisServer {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("this test needs redis-server: apt-get install redis-server")
		}
		t.Skip("this test needs redis-server: apt-get install redis-server")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	s := &redisServer{addr: l.Addr().String(), dir: t.TempDir()}
	t.Cleanup(s.kill)
	s.start(t)
	return s
}

func (s *redisServer) address(t *testing.T) config.Redis {
	t.Helper()
	a, err := config.ParseRedis("redis://" + s.addr)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (s *redisServer) start(t *testing.T) {
	t.Helper()
	_, port, _ := net.SplitHostPort(s.addr)
	s.cmd = exec.Command("redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", s.dir,
		"--save", "", "--appendonly", "yes", "--appendfsync", "always", "--loglevel", "warning", "--logfile", "server.log")
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		conn, err := net.Dial("tcp", s.addr)
		if err == nil {
			_ = conn.Close()
			return
		}
		<-time.After(10 * time.Millisecond)
	}
	t.Fatal(errors.New("redis-server does not listen"))
}

// kill is kill -9.
func (s *redisServer) kill() {
	if s.cmd != nil && s.cmd.Process != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
	}
}
