// Package local is Hufu without a server: the keeper in the program that needs
// the credentials. It keeps them as the server does, by the same code, in the
// same stores, and gives them out through package hufu's [hufu.Client].
//
//	options := local.Options{
//		Store: "bolt:hufu.db", // or redis://…, rediss://…, postgres://…, mysql://…
//		Apps:  []local.App{{AppID: "wx0123456789abcdef", Secret: os.Getenv("SHOP_SECRET")}},
//	}
//	keeper, err := local.Open(ctx, options)
//	defer keeper.Close()
//	token, err := keeper.Token(ctx, "wx0123456789abcdef")
//
// An embedded store, a file, is for one process at a time. Several that share a
// Redis, a PostgreSQL or a MySQL, servers among them, have one token and issue
// it once; whichever is killed, the others go on.
//
// What the server does besides is not here: a program holds the AppSecrets and
// may do all; there are no client keys, no audit record, no phantom tokens, no
// gateway and no logins. docs/local.md says when to choose which.
package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/hufu-project/hufu"
	"github.com/hufu-project/hufu/internal/access"
	"github.com/hufu-project/hufu/internal/api"
	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/keeper"
	"github.com/hufu-project/hufu/internal/registry"
	"github.com/hufu-project/hufu/internal/store/bolt"
	"github.com/hufu-project/hufu/internal/store/engine"
	"github.com/hufu-project/hufu/internal/store/sealed"
	"github.com/hufu-project/hufu/internal/wechat"
)

const (
	// probeTime bounds one probe, as in the server.
	probeTime = 3 * time.Second
	// loadWait is how long Open waits for what a shared store says of apps.
	loadWait = 3 * time.Second
)

// Keeper keeps credentials in this process. It is a [hufu.Client], with all its
// methods and promises: a read of a live value waits for nobody; only what the
// client asks of "the server" stays in this process. Code that takes a
// *hufu.Client is given keeper.Client, and works with either.
//
// It is safe for concurrent use; a program needs one, for all its apps. A
// process that is killed, or ends without Close, leaves nothing behind that the
// next start, or another process, does not put right. To Close keeper.Client is
// not enough: the keeper goes on.
type Keeper struct {
	*hufu.Client

	cfg      *config.Config
	log      *slog.Logger
	store    *sealed.Store
	registry *registry.Registry
	upstream *wechat.Client
	audit    *access.Audit
	keep     part // first to end
	follow   part // what keep stands on

	closing sync.Once
	closed  chan struct{}
	err     error // of Close
}

// Open opens the store and begins to keep the apps' tokens; tickets are kept
// from when they are first asked for. It does not wait for WeChat: the first
// read does. It blocks as long as the store takes, half a minute at most, or
// until ctx ends, which afterwards is of no further meaning. Errors say what to
// do: they are *hufu.Error, with a Hint where there is one. Call Close when
// done.
func Open(ctx context.Context, o Options) (_ *Keeper, err error) {
	k := &Keeper{log: o.Log, closed: make(chan struct{})}
	defer func() {
		if err != nil {
			_ = k.Close()
		}
	}()
	if k.log == nil {
		k.log = slog.Default()
	}
	key, sum := access.NewKey()
	if k.cfg, err = o.config(sum); err != nil {
		return nil, &hufu.Error{Op: "options", Detail: err.Error(), Cause: err}
	}
	k.warn(k.cfg)
	var keys *sealed.Keyring
	if k.store, keys, err = engine.Open(ctx, k.cfg, k.log); err != nil {
		return nil, explain("open "+k.cfg.StoreName(), err)
	}
	k.registry = registry.New(k.store, k.log)
	k.registry.Declare(k.cfg.Apps, k.cfg.Clients)
	k.upstream, err = wechat.New(wechat.Options{
		APIURL: k.cfg.WeChat.APIURL, ProxyURL: k.cfg.WeChat.ProxyURL.Reveal(), Timeout: probeTime, Transport: o.transport,
	})
	if err != nil {
		return nil, explain("options", err)
	}
	// What this process gives itself is nobody's to audit.
	if k.audit, err = access.OpenAudit(os.DevNull, false); err != nil {
		return nil, explain("open", err)
	}
	node := keeper.NodeName()
	kept := keeper.New(keeper.Options{
		Store: k.store, Registry: k.registry, Upstream: k.upstream, Life: k.cfg.WeChat.Life,
		TagKey: keys.Derive("etag"), Alone: k.store.Alone(), Node: node, Log: k.log,
	})
	k.follow.begin(func(ctx context.Context) { k.tell("follow the store", k.registry.Run(ctx)) })
	k.follow.begin(func(ctx context.Context) { k.store.Follow(ctx, k.cfg.MasterKeyFile, node, k.log) })
	k.keep.begin(func(ctx context.Context) { k.tell("keep credentials", kept.Run(ctx)) })

	k.Client, err = hufu.New("http://in-this-process", key.Reveal(), hufu.WithTransport(inside{api.New(api.Options{
		Registry: k.registry, Keeper: kept, Guard: access.New(k.registry, k.audit, node, k.log),
		Phantoms: access.NewPhantoms(k.registry, k.cfg.WeChat.Life, keys.DeriveAll(access.PhantomLabel)),
		Draining: context.Background(), Log: k.log,
	})}))
	if err != nil {
		return nil, err
	}
	select {
	case <-k.registry.Loaded():
	case <-time.After(loadWait):
		k.log.Warn("the store has not been read yet; keeping what the options declare")
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		return nil, explain("open "+k.cfg.StoreName(), context.Cause(ctx))
	}
	return k, nil
}

// Declare replaces the Apps of the options, all at once, as when an app is
// added or an AppSecret was changed. What of them stays the same is kept as it
// is. An error says what is wrong with them; nothing has changed then.
func (k *Keeper) Declare(apps ...App) error {
	cfg, err := declare(*k.cfg, apps)
	if err != nil {
		return &hufu.Error{Op: "declare", Detail: err.Error(), Cause: err}
	}
	k.warn(cfg)
	k.registry.Declare(cfg.Apps, cfg.Clients)
	return nil
}

// Close ends all reads with hufu.ErrClosed, lets an issue that is under way come
// to its end, ten seconds at most, and closes the store. It waits for all of
// it. A second Close waits too, and gives the same error.
func (k *Keeper) Close() error {
	k.closing.Do(func() {
		go func() {
			defer close(k.closed)
			k.err = k.end()
		}()
	})
	<-k.closed
	return k.err
}

// String says where the keeper keeps things.
func (k *Keeper) String() string { return "hufu in this process, on " + k.cfg.StoreName() }

// GoString is String.
func (k *Keeper) GoString() string { return k.String() }

// end closes what Open opened, in reverse order.
func (k *Keeper) end() error {
	var errs []error
	if k.Client != nil {
		errs = append(errs, k.Client.Close())
	}
	k.keep.end()
	k.follow.end()
	if k.upstream != nil {
		k.upstream.CloseIdle()
	}
	if k.audit != nil {
		errs = append(errs, k.audit.Close())
	}
	if k.store != nil {
		errs = append(errs, k.store.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("hufu: close: %w", err)
	}
	return nil
}

// tell logs that a part ended by itself.
func (k *Keeper) tell(what string, err error) {
	if err != nil {
		k.log.Error("a part of the keeper ended", "part", what, "err", err)
	}
}

// warn says what is odd about a configuration.
func (k *Keeper) warn(c *config.Config) {
	for _, w := range c.Warnings {
		k.log.Warn("options", "err", w)
	}
}

// explain makes an error one of package hufu's, with what to do.
func explain(op string, err error) error {
	e := &hufu.Error{Op: op, Detail: err.Error(), Cause: err}
	if hinted, ok := errors.AsType[*engine.Error](err); ok {
		e.Hint = hinted.Hint
	}
	if errors.Is(err, bolt.ErrInUse) {
		e.Hint = "one process at a time opens a file; several share a redis://, postgres:// or mysql:// store, or ask a server"
	}
	return e
}

// part is what runs until it is ended.
type part struct {
	ctx     context.Context
	stop    context.CancelFunc
	running sync.WaitGroup
}

func (p *part) begin(f func(context.Context)) {
	if p.ctx == nil {
		p.ctx, p.stop = context.WithCancel(context.Background())
	}
	p.running.Go(func() { f(p.ctx) })
}

func (p *part) end() {
	if p.stop != nil {
		p.stop()
	}
	p.running.Wait()
}
