package redis

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/store"
)

const (
	dialTime = 2 * time.Second
	// answerTime bounds every command; a connection that does not answer in
	// time is given up.
	answerTime = 3 * time.Second
	// patience is how long Open tries again while Redis is away or still
	// starting.
	patience = 10 * time.Second
)

// Open connects to the store at a. It tries for ten seconds, or until ctx
// ends, while Redis cannot be reached or is still loading. It refuses what
// must not hold the records (a replica, a server that evicts any key, one that
// is too old) and finds out what may lose them; see Doubts. Its errors hold no
// password.
func Open(ctx context.Context, a config.Redis) (*Store, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		s, err := open(ctx, a)
		if err == nil {
			return s, nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(reconnect):
		}
		if ctx.Err() != nil || !passing(err) {
			return nil, fmt.Errorf("open store in Redis at %s: %w", strings.Join(a.Addrs, ", "), explain(a, err))
		}
	}
}

func open(ctx context.Context, a config.Redis) (*Store, error) {
	client, err := await(ctx, func(context.Context) (rueidis.Client, error) {
		client, err := rueidis.NewClient(options(a))
		if err != nil && client != nil {
			client.Close()
		}
		return client, err
	})
	if err != nil {
		return nil, err
	}
	s := &Store{client: client, keys: newKeys(a.Prefix), replicas: a.Replicas, watchers: store.NewWatchers()}
	s.ctx, s.end = context.WithCancel(context.Background())
	s.doubts, err = s.inspect(ctx, a)
	var p position
	if err == nil {
		p, err = s.newest()
	}
	if err != nil {
		_ = s.Close()
		return nil, err
	}
	s.tail.Go(func() { s.follow(p) })
	return s, nil
}

func options(a config.Redis) rueidis.ClientOption {
	o := rueidis.ClientOption{
		InitAddress: a.Addrs, Username: a.User, Password: a.Password.Reveal(), SelectDB: a.DB,
		ClientName: "hufu", ClientSetInfo: rueidis.DisableClientSetInfo,
		TLSConfig: a.TLS, DialCtxFn: dial,
		Dialer:           net.Dialer{Timeout: dialTime, KeepAlive: time.Second},
		ConnWriteTimeout: answerTime,
		// A write must never be sent a second time behind our back.
		DisableRetry: true,
		DisableCache: true, ForceSingleClient: !a.Cluster && a.Sentinel == "",
		ReadBufferEachConn: 1 << 16, WriteBufferEachConn: 1 << 16,
	}
	if a.Cluster {
		o.ClusterOption.ShardsRefreshInterval = 5 * time.Second
	}
	if a.Sentinel != "" {
		o.Sentinel = rueidis.SentinelOption{
			MasterSet: a.Sentinel, Username: a.SentinelUser, Password: a.SentinelPassword.Reveal(),
			TLSConfig: a.TLS, Dialer: o.Dialer, TopologyRefreshInterval: 2 * time.Second,
		}
	}
	return o
}

// dial marks its errors: what could not connect has sent nothing.
func dial(ctx context.Context, addr string, d *net.Dialer, t *tls.Config) (conn net.Conn, err error) {
	if t != nil {
		conn, err = (&tls.Dialer{NetDialer: d, Config: t}).DialContext(ctx, "tcp", addr)
	} else {
		conn, err = d.DialContext(ctx, "tcp", addr)
	}
	if err != nil {
		return nil, unsent{err}
	}
	return conn, nil
}

// refused is an error of inspect: what was found will not go away by itself.
type refused struct{ error }

// inspect looks at how the server is set up.
func (s *Store) inspect(ctx context.Context, a config.Redis) (doubts []string, err error) {
	doubt := func(format string, args ...any) { doubts = append(doubts, fmt.Sprintf(format, args...)) }
	var info map[string]string
	_, err = s.atPrimary(func(ctx context.Context, c rueidis.DedicatedClient) (position, error) {
		text, err := c.Do(ctx, c.B().Arbitrary("INFO").Build()).ToString()
		if err != nil {
			return position{}, err
		}
		info = fields(text)
		return position{}, nil
	})
	if e, ok := rueidis.IsRedisErr(err); ok && code(e) == "NOPERM" && strings.Contains(e.Error(), "info") {
		doubt("the user may not look at how Redis is set up: make sure of maxmemory-policy noeviction and of appendonly yes, or allow +info")
		return doubts, nil
	}
	if err != nil {
		return nil, err
	}
	if major, _, _ := strings.Cut(info["redis_version"], "."); number(major) < 6 {
		return nil, refused{fmt.Errorf("it is Redis %s; hufu needs 6.0 or later", info["redis_version"])}
	}
	switch {
	case info["role"] != "master":
		return nil, refused{errors.New("it is a replica; name the primary, or the Sentinels with sentinel=")}
	case info["cluster_enabled"] == "1" && !a.Cluster:
		return nil, refused{errors.New("it is a node of a cluster; add cluster=true to the address")}
	case info["cluster_enabled"] == "0" && a.Cluster:
		return nil, refused{errors.New("it is no cluster; take cluster=true out of the address")}
	}
	if policy := info["maxmemory_policy"]; strings.HasPrefix(policy, "allkeys-") {
		return nil, refused{fmt.Errorf("its maxmemory-policy is %s: at its limit it would throw records away; set noeviction", policy)}
	}
	// The policies called volatile are harmless: no key of ours has a time to
	// live.
	// CONFIG GET could say more, and passwords too: nobody should have to allow it.
	if info["aof_enabled"] != "1" {
		doubt("Redis has no append-only file: what was written since its last snapshot, if it makes any, is lost when it dies; set appendonly yes")
	}
	if n := number(info["connected_slaves"]); n < a.Replicas {
		doubt("the address asks for %d replicas and Redis has %d: no write will count as written", a.Replicas, n)
	}
	return doubts, nil
}

// fields reads what INFO says.
func fields(info string) map[string]string {
	m := map[string]string{}
	for line := range strings.Lines(info) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			m[name] = value
		}
	}
	return m
}

func number(text string) int {
	n, _ := strconv.Atoi(text)
	return n
}

// passing reports whether err may go away by itself.
func passing(err error) bool {
	if errors.As(err, new(refused)) || errors.As(err, new(*tls.CertificateVerificationError)) || errors.As(err, new(x509.UnknownAuthorityError)) {
		return false
	}
	e, ok := rueidis.IsRedisErr(err)
	if !ok {
		return true
	}
	switch code(e) {
	case "BUSY", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "MISCONF", "NOREPLICAS", "TRYAGAIN":
		return true
	}
	return false
}

// explain adds what a person can do about err.
func explain(a config.Redis, err error) error {
	e, ok := rueidis.IsRedisErr(err)
	switch {
	case !ok && errors.As(err, new(unsent)) && errors.As(err, new(*tls.CertificateVerificationError)):
		return fmt.Errorf("%w; give the authority's certificate with ca_file=", err)
	case !ok:
		return err
	}
	if strings.Contains(e.Error(), "No such master") {
		return fmt.Errorf("the Sentinels know no primary of the name %s; sentinel= is what follows sentinel monitor in their configuration", a.Sentinel)
	}
	switch code(e) {
	case "NOAUTH":
		return errors.New("it asks for a password; write redis://USER:PASSWORD@HOST")
	case "WRONGPASS":
		return errors.New("it refuses the user or the password")
	case "NOPERM":
		return fmt.Errorf("%w; docs/operations.md has the line that gives the user what it needs", err)
	case "READONLY":
		return errors.New("it is a replica; name the primary, or the Sentinels with sentinel=")
	}
	return err
}
