package wxsim

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// The acts are what people do at the platform's console, and what other parties do behind the
// caller's back. Each fails only if there is no such app or an argument makes no sense.

// ResetSecret replaces the AppSecret. The old one is refused at once, as at WeChat; tokens live on.
func (s *Sim) ResetSecret(appid, secret string) error {
	if secret == "" {
		return fmt.Errorf("wxsim: reset secret of %s: the new one is empty", appid)
	}
	return s.act(appid, "reset secret", func(a *app, _ time.Time) { a.cfg.Secret = secret })
}

// Freeze freezes the AppSecret: 40243 on requests for tokens, after ten minutes (SlowConsole).
func (s *Sim) Freeze(appid string) error {
	return s.slowAct(appid, "freeze", func(a *app) { a.frozen = true })
}

// Unfreeze takes Freeze back, after ten minutes (SlowConsole).
func (s *Sim) Unfreeze(appid string) error {
	return s.slowAct(appid, "unfreeze", func(a *app) { a.frozen = false })
}

// AllowIPs replaces the list of addresses, after ten minutes (SlowConsole). Empty means any.
func (s *Sim) AllowIPs(appid string, list ...string) error {
	allow, err := parsePrefixes(list)
	if err != nil {
		return fmt.Errorf("wxsim: app %s: %w", appid, err)
	}
	list = slices.Clone(list)
	return s.slowAct(appid, "allow ips", func(a *app) { a.cfg.AllowIPs, a.allow = list, allow })
}

// RequireConfirm makes calls from addresses that nobody confirmed answer 89503, or no longer.
func (s *Sim) RequireConfirm(appid string, on bool) error {
	return s.act(appid, "require confirm", func(a *app, _ time.Time) { a.cfg.ConfirmIPs, a.confirm = on, on })
}

// ConfirmIP is the operator's yes to a call from a new address.
func (s *Sim) ConfirmIP(appid, ip string) error {
	return s.standing(appid, ip, func(st *standing, _ time.Time) { *st = standing{confirmed: true} })
}

// DenyIP is the operator's no: the address is blocked for an hour (89507), from the second time on
// for a day (89506); then it is asked about again.
func (s *Sim) DenyIP(appid, ip string) error {
	return s.standing(appid, ip, func(st *standing, now time.Time) {
		st.confirmed = false
		st.denials++
		st.until = now.Add(firstBlock)
		if st.denials > 1 {
			st.until = now.Add(secondBlock)
		}
	})
}

func (s *Sim) standing(appid, ip string, change func(*standing, time.Time)) error {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return fmt.Errorf("wxsim: app %s: %w", appid, err)
	}
	addr = addr.Unmap()
	return s.act(appid, "judge ip", func(a *app, now time.Time) {
		if a.addresses == nil {
			a.addresses = make(map[netip.Addr]*standing)
		}
		if a.addresses[addr] == nil {
			a.addresses[addr] = &standing{}
		}
		change(a.addresses[addr], now)
	})
}

// Punish refuses the app tokens with this errcode, such as 48004, 50002, 50004, 50007 or 61024;
// 0 takes it back.
func (s *Sim) Punish(appid string, errcode int) error {
	if _, known := refusals[errcode]; errcode != 0 && !known {
		return fmt.Errorf("wxsim: punish %s: errcode %d is not one that the simulator knows", appid, errcode)
	}
	return s.act(appid, "punish", func(a *app, _ time.Time) { a.punished = errcode })
}

// Outsider is another party that fetched a classic token: the caller's is replaced, and dies after
// the overlap. It takes from the quota.
func (s *Sim) Outsider(appid string) error {
	return s.meddle(appid, "outsider", func(a *app, now time.Time) {
		a.usage.roll(now)
		a.usage.take(pathToken, 0)
		s.rotate(a, Classic, now)
	})
}

// OutsiderForce is another party that forced a new stable token. It takes from the quota.
func (s *Sim) OutsiderForce(appid string) error {
	return s.meddle(appid, "outsider force", func(a *app, now time.Time) {
		a.usage.roll(now)
		a.usage.take(pathStable, 0)
		a.usage.forced++
		a.lines[Stable].forced = now
		s.rotate(a, Stable, now)
	})
}

// Revoke ends every live token of the app: 40001 from now on. The stable line goes on handing out
// its dead token until it is forced, or until the token's last overlap.
func (s *Sim) Revoke(appid string) error {
	return s.meddle(appid, "revoke", func(a *app, now time.Time) {
		for l := range a.lines {
			for _, t := range a.lines[l].kept {
				t.revoked = t.revoked || t.alive(now)
				t.end(now)
			}
		}
	})
}

// Expire ends every live token of the app as if its time had come: 42001 from now on, and the
// stable line gives a new one when asked.
func (s *Sim) Expire(appid string) error {
	return s.meddle(appid, "expire", func(a *app, now time.Time) {
		for l := range a.lines {
			for _, t := range a.lines[l].kept {
				t.end(now)
				t.expires = t.ends
			}
		}
	})
}

// Excuse tells the judge that the next requests for a token, one on each line, have a reason that
// WeChat cannot see, such as an operator's order or a caller that lost its store.
func (s *Sim) Excuse(appid string) error {
	return s.meddle(appid, "excuse", func(a *app, _ time.Time) {
		for l := range a.caller {
			k := &a.caller[l]
			k.hand, k.unanswered, k.refused, k.excused = nil, 0, nil, true
		}
		a.excuseTickets()
	})
}

// consoleDelay is how long the platform takes to act on what the console was told.
const consoleDelay = 10 * time.Minute

// slowAct is an act that takes effect later.
func (s *Sim) slowAct(appid, name string, apply func(*app)) error {
	return s.act(appid, name, func(a *app, now time.Time) {
		if !s.has(SlowConsole) {
			apply(a)
			return
		}
		a.pending = append(a.pending, change{at: now.Add(consoleDelay), apply: apply})
	})
}

// act is something a person did at the console. Whoever was refused may try again at once, for the
// person may have told the caller so.
func (s *Sim) act(appid, name string, do func(*app, time.Time)) error {
	return s.meddle(appid, name, func(a *app, now time.Time) {
		for l := range a.caller {
			a.caller[l].refused = nil
		}
		a.excuseTickets()
		do(a, now)
	})
}

func (s *Sim) meddle(appid, name string, do func(*app, time.Time)) error {
	a := s.app(appid)
	if a == nil {
		return fmt.Errorf("wxsim: %s: no app %q", name, appid)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	now := s.Now()
	a.settle(now)
	do(a, now)
	return nil
}
