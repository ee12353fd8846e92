// Package access knows who calls, what they may, and what was handed to whom:
// a permission and its audit record are one call, so that no handler can do
// one without the other.
package access

import (
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/registry"
)

// The ways in which access is refused. A *Refusal carries one of them and the
// words for it. What a client may not know of is credential.ErrNotFound.
var (
	ErrUnauthorized = errors.New("no valid client key")
	ErrForbidden    = errors.New("not allowed")
	ErrLimited      = errors.New("too many requests")
	ErrUnrecorded   = errors.New("the audit record cannot be written")
)

// Refusal says in words why access is refused. Its texts hold no secret.
type Refusal struct {
	Err    error // one of the above
	Reason string
	Hint   string
	// IP is the address that the client may not call from, where that is it.
	IP netip.Addr
	// RetryAfter is when it is worth asking again, where that changes anything.
	RetryAfter time.Duration
}

// Error gives the reason.
func (r *Refusal) Error() string { return r.Reason }

// Unwrap gives Err.
func (r *Refusal) Unwrap() error { return r.Err }

// Caller is who calls: a client, by which of its keys, from where.
type Caller struct {
	Client  *registry.Client
	KeyID   KeyID
	IP      netip.Addr
	Request Request
}

// KeyID is the first four bytes of a client key's SHA-256: enough to tell the
// keys of a client apart in the audit record.
type KeyID [4]byte

// String gives eight hexadecimal digits.
func (k KeyID) String() string { return hex.EncodeToString(k[:]) }

// hasKey reports whether one of the client's keys has that id.
func hasKey(c *registry.Client, id KeyID) bool {
	return slices.ContainsFunc(c.KeySHA256, func(sum config.KeyHash) bool { return KeyID(sum[:4]) == id })
}

// Guard lets callers in. Its methods are safe for concurrent use.
type Guard struct {
	registry *registry.Registry
	audit    *Audit
	node     string
	log      *slog.Logger
	wrong    *limiter
	paces    *paces

	mu    sync.RWMutex // guards the map, not what it points to
	hands map[handOut]*handed
	sweep int // the size at which the map is looked through

	unrecorded, denied, limited, signed atomic.Uint64
}

// New makes a guard that records in audit under the name of this node.
func New(reg *registry.Registry, audit *Audit, node string, log *slog.Logger) *Guard {
	return &Guard{registry: reg, audit: audit, node: node, log: log, wrong: newLimiter(), paces: newPaces(), hands: map[handOut]*handed{}}
}

// Counts is what a guard counted since the start.
type Counts struct {
	Denied     uint64 // refused callers and requests, Limited left out
	Limited    uint64 // wrong keys above the pace of their address
	Unrecorded uint64 // records that the audit sink did not take
	Signed     uint64 // pages that were let be signed
}

// Counts returns the counters.
func (g *Guard) Counts() Counts {
	return Counts{Denied: g.denied.Load(), Limited: g.limited.Load(), Unrecorded: g.unrecorded.Load(), Signed: g.signed.Load()}
}

// Authenticate finds the client that has a key and may call from ip. It reads
// memory only, except that a denial is recorded. It is one request of the
// client's and counts against limits.rate. Errors: ErrUnauthorized, ErrLimited
// (the Caller tells whether a client asks too often, or somebody without a valid
// key), and ErrForbidden with Refusal.IP.
func (g *Guard) Authenticate(key string, ip netip.Addr, q Request) (Caller, error) {
	caller := Caller{IP: ip, Request: q}
	if !wellFormed(key) {
		return caller, g.strange(caller, "no client key, or not one of ours")
	}
	sum := hashKey(key)
	caller.KeyID = KeyID(sum[:])
	client, ok := g.registry.ClientByKey(sum)
	if !ok {
		return caller, g.strange(caller, "unknown client key")
	}
	caller.Client = client
	return caller, g.admit(caller)
}

// admit lets the client of a caller in, from where it may call and as often as it
// may.
func (g *Guard) admit(c Caller) error {
	if err := g.placed(c); err != nil {
		return err
	}
	return g.paces.take(c.Client)
}

// placed refuses a caller whose client may not call from where it is.
func (g *Guard) placed(c Caller) error {
	if c.Client.MayCallFrom(c.IP) {
		return nil
	}
	err := &Refusal{
		Err: ErrForbidden, IP: c.IP,
		Reason: fmt.Sprintf("client %s may not call from %s", c.Client.Name, c.IP),
		Hint:   "add the address to from of this client; behind a proxy of yours, add the proxy to trusted_proxies",
	}
	g.deny(c, record{Action: "authenticate", Reason: err.Reason})
	return err
}

// latest is a caller with its client as it is now; ok is false where the
// client, or the key that it showed, is gone.
func (g *Guard) latest(c Caller) (_ Caller, ok bool) {
	now, ok := g.registry.Client(c.Client.Name)
	if now == c.Client { // nothing has changed: clients are replaced, never altered
		return c, true
	}
	if !ok || !hasKey(now, c.KeyID) {
		return c, false
	}
	c.Client = now
	return c, true
}

// again lets a caller in once more, after something that took its time. Errors
// as of Authenticate.
func (g *Guard) again(c Caller) (Caller, error) {
	now, ok := g.latest(c)
	if !ok {
		g.deny(c, record{Action: "authenticate", Reason: "the client key was withdrawn during the request"})
		return c, ErrUnauthorized
	}
	return now, g.placed(now)
}

// strange refuses somebody whose key says nothing.
func (g *Guard) strange(caller Caller, reason string) error {
	if wait := g.wrong.take(caller.IP); wait > 0 {
		g.limited.Add(1)
		return &Refusal{
			Err: ErrLimited, Reason: "too many wrong client keys from this address",
			Hint: "some program here has an old or a wrong key; a right key is let in all the same", RetryAfter: wait,
		}
	}
	g.deny(caller, record{Action: "authenticate", Reason: reason})
	return ErrUnauthorized
}
