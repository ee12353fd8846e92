// Package keeper keeps credentials fresh: it alone asks WeChat for new values,
// once per generation whatever the number of callers, processes and nodes, and
// hands them out from memory.
//
// policy.go and step.go are the renewal protocol as pure functions over the
// record; renew.go takes their steps with compare-and-swap and sends. The
// guarantees G1 to G8 of docs/ARCHITECTURE.md are tested here.
package keeper

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/registry"
	"github.com/hufu-project/hufu/internal/store"
	"github.com/hufu-project/hufu/internal/wechat"
)

// readWait bounds the wait of a read that finds nothing live, reportWait that
// of a report.
const (
	readWait   = 3 * time.Second
	reportWait = 5 * time.Second
)

// maxIssuing is how many credentials one node acts on at a time.
const maxIssuing = 64

// Options is what a keeper is made of. All but Log and Node must be set.
type Options struct {
	Store    store.Store
	Registry *registry.Registry
	Upstream *wechat.Client
	// Life is what WeChat promises (wechat.life): all times follow from it.
	Life time.Duration
	// TagKey keys the hash in entity tags; the same on all nodes.
	TagKey []byte
	// Alone: no other process can have this store open, so leases of others
	// are over. The embedded store's file lock proves it.
	Alone bool
	// Node names this process in attempts; random if empty. Two processes
	// must never share a name, not even one after the other.
	Node string
	Log  *slog.Logger
}

// Keeper keeps the credentials of all apps of a registry. Its methods are safe
// for concurrent use. It works while Run runs.
type Keeper struct {
	Options
	times
	tagKey []byte

	mu      sync.RWMutex
	entries map[credential.Key]*entry
	stopped bool // Run is at its end: no action is begun any more

	queue      queue
	slots      chan struct{} // one per action under way
	actions    sync.WaitGroup
	cutOff     atomic.Bool   // the store cannot be reached
	saidForgot atomic.Int64  // when it was last said that the store has lost writes; Unix seconds
	turn       atomic.Uint64 // counts what the store was asked and has answered
	reread     chan struct{} // one slot: read the whole store anew
}

// NodeName makes a name for this process in attempts, in the audit record and
// for operators: the machine, so that a person finds it, and a drawn part, because
// no two processes may share a name, not even one after the other.
func NodeName() string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "hufu"
	}
	return host[:min(len(host), 40)] + "-" + strings.ToLower(rand.Text()[:6])
}

// New makes a keeper. It does nothing until Run.
func New(o Options) *Keeper {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Node == "" {
		o.Node = rand.Text()[:8]
	}
	k := &Keeper{
		Options: o, times: timesOf(o.Life), tagKey: o.TagKey,
		entries: map[credential.Key]*entry{},
		slots:   make(chan struct{}, maxIssuing),
		reread:  make(chan struct{}, 1),
	}
	k.queue.init()
	return k
}

// Run keeps credentials until ctx ends; then it lets what is under way come to
// its end, at most nine seconds for a life of two hours (an issue and the
// writes around it, or two probes of a young value), and returns nil.
func (k *Keeper) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { k.follow(ctx) })
	wg.Go(func() { k.schedule(ctx) })
	wg.Wait()
	k.mu.Lock()
	k.stopped = true
	k.mu.Unlock()
	k.actions.Wait()
	return nil
}

// find finds a credential that is in memory already.
func (k *Keeper) find(key credential.Key) (*entry, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	e, ok := k.entries[key]
	return e, ok
}

// all is every credential that is in memory.
func (k *Keeper) all() []*entry {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return slices.Collect(maps.Values(k.entries))
}

// entry finds a credential that this keeper keeps, or begins to. An app that the registry
// has learnt of a moment ago is kept already; its record is yet to be read.
func (k *Keeper) entry(key credential.Key) (*entry, bool) {
	e, ok := k.find(key)
	if ok {
		return e, true
	}
	p, _, ok := k.policyOf(key)
	if !ok {
		return nil, false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if e, ok = k.entries[key]; !ok {
		e = &entry{key: key, onDemand: p.line.OnDemand}
		k.entries[key] = e
	}
	return e, true
}

// policyOf is the policy for a credential as its app is declared now.
func (k *Keeper) policyOf(key credential.Key) (policy, *registry.App, bool) {
	app, ok := k.Registry.App(key.App)
	if !ok {
		return policy{}, nil, false
	}
	line, ok := wechat.Find(key.Kind, app.Source)
	if !ok || !slices.Contains(line.Types, app.Type) {
		return policy{}, nil, false
	}
	p := policy{
		times: k.times, allowance: allowanceOf(cmp.Or(line.Daily, app.DailyQuota), k.times), line: line,
		jitter: jitterOf(key), node: k.Node, alone: k.Alone,
	}
	if app.Fallback != "" && app.Fallback != app.Source {
		if l, ok := wechat.Find(key.Kind, app.Fallback); ok && l.Source != line.Source {
			p.fallback = &l
		}
	}
	for _, s := range k.shown(app, line) {
		p.secrets = append(p.secrets, k.secretTag(s))
	}
	return p, app, true
}

// shown is what an issue on a line may show to WeChat: the app's AppSecrets, or
// the value in hand of the kind that the line is issued with. It is taken from
// memory; where there is none now, what is in need of it is looked at again as
// soon as there is.
func (k *Keeper) shown(app *registry.App, line wechat.Line) []credential.Secret {
	if line.With == "" {
		return app.Secrets
	}
	if e, ok := k.find(credential.Key{App: app.AppID, Kind: line.With}); ok {
		if v := e.view.Load(); v.live(time.Now()) {
			return []credential.Secret{v.cred.Value}
		}
	}
	return nil
}

// secretTag names what is shown to WeChat, in records and failures, without
// giving it away.
func (k *Keeper) secretTag(s credential.Secret) string {
	h := sha256.New()
	h.Write(k.tagKey)
	h.Write([]byte(s.Reveal()))
	return hex.EncodeToString(h.Sum(nil)[:6])
}

// grant is what an issue shows to WeChat.
func (k *Keeper) grant(key credential.Key, app *registry.App, n plan) (wechat.Grant, error) {
	g := wechat.Grant{App: key.App, With: n.Line.With, Force: n.Force, Life: k.life}
	for _, s := range k.shown(app, n.Line) {
		if k.secretTag(s) == n.Secret {
			g.Secret = s
			return g, nil
		}
	}
	if g.With != "" {
		return g, fmt.Errorf("the %s that it was to be issued with is not in hand any more", g.With)
	}
	return g, errors.New("the app has no AppSecret")
}
