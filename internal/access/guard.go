package access

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
)

// Act is something that only an operator may do.
type Act struct {
	// Name is the act in the audit record: "renew", "put_client".
	Name string
	// Key is what it is done to, or the App in it; empty for a client.
	Key credential.Key
	// Client is the client it is done to, and Apps are all apps that this
	// client may use, before and after.
	Client string
	Apps   []credential.App
	// Granted is that client as it will be, for the record; nil where nothing
	// is granted.
	Granted *config.Client
}

// Do lets an operator act. It looks whether the caller may, records the act,
// each time, waits for the record, and then calls do; that do failed is
// recorded as well. What is wrong with the act itself is told only to who may
// act; then nothing is recorded, for nothing is done. Errors: ErrForbidden,
// credential.ErrNotFound for an app that the caller may not use, wrong,
// ErrUnrecorded, and what do returns.
func (g *Guard) Do(c Caller, act Act, wrong error, do func() error) error {
	if err := g.mayDo(c, act); err != nil {
		return err
	}
	if wrong != nil {
		return wrong
	}
	r := recordOf(act.Name, act.Key)
	r.Decision, r.Target, r.Granted = allowed, act.Client, grantOf(act.Granted)
	if err := g.audit.append(g.line(c, r)).wait(); err != nil {
		if err := g.lost(err); err != nil {
			return err
		}
	}
	g.log.LogAttrs(context.Background(), slog.LevelInfo, "operator's act", slog.String("act", act.Name), slog.String("client", c.Client.Name),
		slog.String("app", string(r.App)), slog.String("target", r.Target), slog.String("request", c.Request.String()))
	err := do()
	if err != nil {
		r.Decision, r.Reason = broken, err.Error()
		if err := g.audit.append(g.line(c, r)).wait(); err != nil {
			g.unrecorded.Add(1)
			g.log.Error("the audit record of a failure is lost", "err", err)
		}
	}
	return err
}

// mayDo refuses, and records it, what the caller may not do.
func (g *Guard) mayDo(c Caller, act Act) error {
	r := recordOf(act.Name, act.Key)
	r.Target = plain(act.Client)
	switch {
	case !c.Client.Allow.Has(config.Admin):
		return g.forbid(c, r, config.Admin)
	case act.Key.App != "" && !c.Client.MayUse(act.Key.App),
		r.App != act.Key.App, r.Kind != act.Key.Kind, r.Target != act.Client:
		return g.hide(c, r)
	case !c.Client.Covers(act.Apps):
		r.Reason = "a client of more apps than its own"
		g.deny(c, r)
		return &Refusal{
			Err: ErrForbidden, Reason: fmt.Sprintf("client %s may manage only clients of the apps that it may use itself", c.Client.Name),
			Hint: `to manage all clients it needs apps: ["*"]`,
		}
	}
	return nil
}

// Hand hands a credential out: it looks whether the caller may have it, lets
// get bring it, looks again, since get may have waited, and records the hand-out
// before it returns. Once per client key and value the record is written and
// waited for; after that Hand costs no allocation and no system call, and
// reports again. What may not be had is not asked for. Whatever get brings, a
// client that is given phantom tokens gets nothing else: this is the one gate
// through which values leave. Errors: credential.ErrNotFound, ErrForbidden,
// ErrUnrecorded, what get returns, ErrUnauthorized for a client or a key that
// is gone by then, and *credential.Unavailable for a client that was given the
// other sort of tokens when it asked.
func (g *Guard) Hand(c Caller, key credential.Key, get func() (credential.Credential, error)) (v credential.Credential, again bool, err error) {
	if !May(c, key) {
		return v, false, g.refuse(c, key)
	}
	v, err = get()
	c, gone := g.again(c)
	switch {
	case gone != nil:
		err = gone
	case !May(c, key):
		err = g.refuse(c, key)
	case errors.Is(err, credential.ErrNotFound):
		err = g.hide(c, recordOf(string(actionFor(key.Kind)), key))
	case err == nil && v.Phantom != GivenPhantoms(c, key):
		err = &credential.Unavailable{Key: key, Reason: "which tokens this client is given has just been changed", RetryAfter: time.Second}
	}
	if err != nil {
		return credential.Credential{}, false, err
	}
	h := g.handed(handOut{c.Client.Name, c.KeyID, key, ""})
	if tag := h.tag.Load(); tag != nil && *tag == v.Tag {
		return v, true, nil
	}
	r := recordOf(string(actionFor(key.Kind)), key)
	r.Generation, r.Tag = v.Generation, v.Tag
	if v.Phantom {
		r.Tokens = config.Phantom
	}
	if err := g.first(c, h, r); err != nil {
		return credential.Credential{}, false, err
	}
	return v, false, nil
}

// May reports whether a caller may be given a credential, if there is one, or
// a phantom token in its place. It records nothing: it is for leaving a value
// out, never for handing one out.
func May(c Caller, key credential.Key) bool {
	return c.Client.MayUse(key.App) && c.Client.Allow.Has(actionFor(key.Kind))
}

// GivenPhantoms reports whether a caller is given phantom tokens in place of a
// credential. It says nothing about whether it may have any.
func GivenPhantoms(c Caller, key credential.Key) bool {
	return key.Kind == credential.AccessToken && c.Client.Tokens != config.Real
}

// Still reports whether a caller that was let in would be let in now and may be
// given the same sort of value of an app that is there. It records nothing: it
// is for ending a wait.
func (g *Guard) Still(c Caller, key credential.Key) bool {
	now, ok := g.latest(c)
	if _, exists := g.registry.App(key.App); !exists {
		return false
	}
	return ok && now.Client.MayCallFrom(c.IP) && May(now, key) && GivenPhantoms(now, key) == GivenPhantoms(c, key)
}

// refuse says why not, and records it.
func (g *Guard) refuse(c Caller, key credential.Key) error {
	action := actionFor(key.Kind)
	r := recordOf(string(action), key)
	if !c.Client.MayUse(key.App) {
		return g.hide(c, r)
	}
	return g.forbid(c, r, action)
}

// actionFor is what a client must be allowed to be given a kind.
func actionFor(kind credential.Kind) config.Action {
	if kind == credential.AccessToken {
		return config.Token
	}
	return config.Ticket
}

// handOut is what is recorded once per value: a client that is made anew under
// its old name, or shows another of its keys, may be somebody else. The pattern
// is that of calls with the value, or of hosts that it signs for; empty where the
// value itself is handed out.
type handOut struct {
	client  string
	id      KeyID
	key     credential.Key
	pattern string
}

// minSweep is how many hand-outs are kept without looking whether they can
// come again.
const minSweep = 64

// handed is the last value of a hand-out that was recorded, by its tag, and
// the next one while its record is being written.
type handed struct {
	tag atomic.Pointer[string]

	mu    sync.Mutex // never held across the write
	next  string
	batch *batch
}

func (g *Guard) handed(k handOut) *handed {
	g.mu.RLock()
	h := g.hands[k]
	g.mu.RUnlock()
	if h != nil {
		return h
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if h = g.hands[k]; h == nil {
		if len(g.hands) >= g.sweep {
			maps.DeleteFunc(g.hands, func(old handOut, _ *handed) bool { return !g.lasts(old) })
			g.sweep = max(minSweep, 2*len(g.hands))
		}
		h = &handed{}
		g.hands[k] = h
	}
	return h
}

// lasts reports whether there may be such a hand-out again.
func (g *Guard) lasts(k handOut) bool {
	client, ok := g.registry.Client(k.client)
	if _, exists := g.registry.App(k.key.App); !exists {
		return false
	}
	if !ok || !hasKey(client, k.id) {
		return false
	}
	if k.pattern != "" && actionFor(k.key.Kind) == config.Token {
		return client.MayUse(k.key.App) && client.Allow.Has(config.Call) &&
			(len(client.Paths) == 0 || slices.Contains(client.Paths, k.pattern))
	}
	return May(Caller{Client: client}, k.key)
}

// first records a value, the one of the record's Tag, that this client is given
// for the first time. Callers that come together wait for one record.
func (g *Guard) first(c Caller, h *handed, r record) error {
	h.mu.Lock()
	if tag := h.tag.Load(); tag != nil && *tag == r.Tag {
		h.mu.Unlock()
		return nil
	}
	if h.batch == nil || h.next != r.Tag {
		r.Decision = allowed
		h.next, h.batch = r.Tag, g.audit.append(g.line(c, r))
	}
	b := h.batch
	h.mu.Unlock()

	err, tag := b.wait(), r.Tag
	h.mu.Lock()
	defer h.mu.Unlock()
	mine := h.batch == b
	if mine {
		h.batch = nil
	}
	switch {
	case err == nil && mine:
		h.tag.Store(&tag)
	case err != nil && g.audit.required:
		return g.lost(err)
	case err != nil && mine:
		// Not required: said once per value, not at every read.
		h.tag.Store(&tag)
		return g.lost(err)
	}
	return nil
}

// lost counts a record that could not be written, and refuses what it stood
// for where records are required.
func (g *Guard) lost(err error) error {
	g.unrecorded.Add(1)
	if g.audit.required {
		return fmt.Errorf("%w: %w", ErrUnrecorded, err)
	}
	g.log.Error("an audit record is lost; it is not required, so the request goes on", "err", err)
	return nil
}

// deny records a denial. Where that does not work it stays a denial.
func (g *Guard) deny(c Caller, r record) {
	g.denied.Add(1)
	r.Decision = denied
	if err := g.audit.append(g.line(c, r)).wait(); err != nil {
		g.unrecorded.Add(1)
		g.log.Error("the audit record of a denial is lost", "err", err)
	}
}

// hide is the one answer for what there is not and what the caller may not
// know of; both are recorded, so both take as long.
func (g *Guard) hide(c Caller, r record) error {
	r.Reason = "not granted, or not there"
	g.deny(c, r)
	return credential.ErrNotFound
}

func (g *Guard) forbid(c Caller, r record, needs config.Action) error {
	r.Reason = "not on the allow list: " + string(needs)
	g.deny(c, r)
	return &Refusal{
		Err: ErrForbidden, Reason: fmt.Sprintf("client %s may not %s", c.Client.Name, inWords(needs)),
		Hint: fmt.Sprintf("add %s to allow of this client", needs),
	}
}

func inWords(a config.Action) string {
	switch a {
	case config.Token:
		return "be given tokens"
	case config.Ticket:
		return "be given tickets"
	case config.Call:
		return "call WeChat's API"
	case config.Login:
		return "log users in"
	}
	return "manage Hufu"
}
