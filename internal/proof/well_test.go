package proof

import (
	"context"
	"time"

	"github.com/hufu-project/hufu/internal/credential"
)

// before is a value that WeChat made before this one, if it is known.
func (j *judge) before(key credential.Key, c credential.Secret) credential.Secret {
	j.mu.Lock()
	defer j.mu.Unlock()
	a := j.account(storeKey(string(key.App), string(key.Kind)))
	is := a.values[c.Reveal()]
	if is == nil {
		return credential.Secret{}
	}
	for text, v := range a.values {
		if v.mint == is.mint-1 && v.path == is.path {
			return credential.NewSecret(text)
		}
	}
	return credential.Secret{}
}

// prompt reports whether a report of this value at this node, now, must bring a
// live one: nothing else is wrong, and there is something left to spend.
func (j *judge) prompt(p *process, key credential.Key, c credential.Credential) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if key.Kind != credential.AccessToken || j.w.shape.profile != "outsider" || c.Generation == 0 {
		return false
	}
	a := j.account(storeKey(string(key.App), string(key.Kind)))
	now := time.Now()
	every := overlap
	if j.w.shape.quota < 2000 {
		every = 24 * time.Hour / 15
	}
	left := a.rec.Bucket.Left + float64(now.Sub(j.truth(a.rec.Bucket.At)))/float64(every)
	n := len(a.forced)
	return p.steady(now.Add(-time.Minute)) && (a.rec.Bucket.At.IsZero() || left > 2.5) &&
		(n == 0 || now.Sub(a.forced[n-1]) > forceSpacing+5*time.Second && n < maxForced-2) &&
		now.Sub(a.meddled) > 10*time.Second
}

// well demands that all is well: at every node a live value, the same, without
// a doubt, and nothing open in the store.
func (j *judge) well() {
	w := j.w
	for _, key := range w.keys() {
		var first credential.Credential
		for i, s := range w.slots {
			p := s.process()
			if !w.running() {
				return
			}
			j.mu.Lock()
			a := j.account(storeKey(string(key.App), string(key.Kind)))
			r, spent := a.rec, j.dry(key.App)
			j.mu.Unlock()
			if spent || w.shape.quota < 2000 {
				break
			}
			if p == nil {
				j.fail("V1 all is well when the faults have ended", "nothing runs at %d", s.number)
				return
			}
			asked := time.Now()
			c, err := p.Keeper.Get(context.Background(), key)
			switch {
			case err != nil && key.Kind == credential.AccessToken:
				j.fail("V1 all is well when the faults have ended", "%s has nothing for %s: %v", p.name, key, err)
			case err == nil && time.Since(asked) > 0:
				j.fail("V1 all is well when the faults have ended", "%s took %v", p.name, time.Since(asked))
			case key.Kind == credential.AccessToken && !w.valid(string(key.App), string(key.Kind), c.Value.Reveal()):
				j.fail("V1 all is well when the faults have ended", "%s has generation %d of %s, and it is dead", p.name, c.Generation, key)
			case err == nil && i > 0 && (first.Value != c.Value || first.Generation != c.Generation):
				j.fail("V1 all is well when the faults have ended", "%s has generation %d of %s, another has %d", p.name, c.Generation, key, first.Generation)
			}
			if key.Kind != credential.AccessToken { // its bucket may be empty for longer
				first = c
				continue
			}
			if a, open := r.intent(); open && j.truth(a.At).Before(asked.Add(-heals)) || r.Orders > 0 || r.Dead {
				j.fail("V2 nothing stays unresolved", "%s: %d attempts, %d orders, dead %v", key, len(r.Attempts), r.Orders, r.Dead)
			}
			first = c
		}
	}
}

func (p *process) count(what, about string) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts[what+" "+about]
}

// dry reports whether the day's quota of an app is spent. The caller holds j.mu.
func (j *judge) dry(app credential.App) bool {
	for _, a := range j.accounts {
		for _, until := range a.dry {
			if a.key.App == app && time.Now().Before(until) {
				return true
			}
		}
	}
	return false
}
