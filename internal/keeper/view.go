package keeper

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/hufu-project/hufu/internal/credential"
)

// view is what readers see of a credential: made when something changes,
// never changed afterwards, read without a lock. Its moments are this node's
// own, with the monotonic clock in them.
type view struct {
	cred    credential.Credential // Left, Certain and MaxAge are filled in at each read
	until   time.Time             // the value is live before this
	certain time.Time             // and surely works before this
	steady  time.Time             // and an overlap less the drain from any moment on, but not after this
	doubt   time.Time             // in doubt from here on; zero: not
}

// live reports whether there is a value to hand out. It works on nil.
func (v *view) live(now time.Time) bool { return v != nil && now.Before(v.until) }

// read is the credential as it is handed out now.
func (v *view) read(t times, now time.Time, cutOff bool) credential.Credential {
	c := v.cred
	c.Left = max(0, v.until.Sub(now))
	c.Certain = max(0, v.certain.Sub(now))
	if !cutOff {
		c.Certain = max(c.Certain, min(v.steady.Sub(now), t.overlap-t.drain))
	}
	c.MaxAge = t.maxAge
	if v.inDoubt(now) || cutOff {
		c.MaxAge = t.inDoubt
	}
	c.MaxAge = min(c.MaxAge, c.Certain)
	return c
}

func (v *view) inDoubt(now time.Time) bool { return !v.doubt.IsZero() && !now.Before(v.doubt) }

// tag is the entity tag of a value: its generation, so that people can read
// it, and a keyed hash, so that another value never has it, not even after an
// older copy of the store was put back.
func tag(key []byte, generation uint64, value string) string {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(value))
	return strconv.FormatUint(generation, 10) + "-" + hex.EncodeToString(h.Sum(nil)[:4])
}

// look makes the view of a record, with the store's moments turned into ours.
// It is nil where there is nothing live.
func (k *Keeper) look(key credential.Key, p policy, r record, c clock) *view {
	now := c.store(time.Now())
	if !r.live(now) {
		return nil
	}
	certain, steady := p.certain(r, now)
	v := &view{
		cred: credential.Credential{
			Key: key, Value: credential.NewSecret(r.Value), Generation: r.Generation,
			IssuedAt: r.Asked, ExpiresAt: r.Expires, Tag: tag(k.tagKey, r.Generation, r.Value),
		},
		until:   c.local(r.Expires),
		certain: c.local(certain),
	}
	if !steady.IsZero() {
		v.steady = c.local(steady)
	}
	if d := p.doubt(r); !d.IsZero() {
		v.doubt = c.local(d)
	}
	return v
}

// clock holds the store's time against this node's own: what the store said,
// and when we asked it. Asked, not answered: so no end is ever taken to be
// later than it is. It is ahead by at most the time that the answer took.
type clock struct {
	said, asked time.Time
	took        time.Duration
}

// or is the better of two clocks: an answer that was long under way, as that of
// a process that was paused, says less than an older one. A thousandth is more
// than any two clocks drift apart.
func (c clock) or(old clock) clock {
	if age := c.asked.Sub(old.asked); !old.said.IsZero() && c.took > old.took+age/1000 {
		return old
	}
	return c
}

// store is the store's time at a moment of ours.
func (c clock) store(local time.Time) time.Time { return c.said.Add(local.Sub(c.asked)) }

// local is a moment of the store's as ours.
func (c clock) local(store time.Time) time.Time { return c.asked.Add(store.Sub(c.said)) }
