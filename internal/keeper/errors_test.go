package keeper

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/wxsim"
)

// What a person must put right: asked again at most once a minute, said in
// words, and over as soon as it is put right.
func TestBlockedIsAskedSlowlyAndHealsWhenPutRight(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		ill  func(*world) error
		well func(*world) error
		code int
		ip   string
	}{
		{
			"wrong secret", func(w *world) error { return w.sim.ResetSecret(testApp, "ffffffffffffffffffffffffffffffff") },
			func(w *world) error { return w.sim.ResetSecret(testApp, testSecret) }, 40125, "",
		},
		{
			"address not allowed", func(w *world) error { return w.sim.AllowIPs(testApp, "203.0.113.1") },
			func(w *world) error { return w.sim.AllowIPs(testApp, "127.0.0.0/8") }, 40164, "127.0.0.1",
		},
		{
			"frozen", func(w *world) error { return w.sim.Freeze(testApp) },
			func(w *world) error { return w.sim.Unfreeze(testApp) }, 40243, "",
		},
		{
			"account frozen", func(w *world) error { return w.sim.Punish(testApp, 50007) },
			func(w *world) error { return w.sim.Punish(testApp, 0) }, 50007, "",
		},
	} {
		for _, source := range bothSources {
			t.Run(row.name+"/"+source, func(t *testing.T) {
				t.Parallel()
				bubble(t, func(t *testing.T) {
					w := newWorld(t, worldOptions{source: source})
					if err := row.ill(w); err != nil {
						t.Fatal(err)
					}
					n := w.node()
					_, err := n.Get(t.Context(), testKey)
					var u *credential.Unavailable
					if !errors.As(err, &u) || u.Code != row.code || !u.Blocked || u.IP != row.ip || u.RetryAfter < time.Second {
						t.Fatalf("got %+v", err)
					}
					if s, _ := n.Status(testKey); s.State != Blocked || s.Failure == nil || s.Failure.Code != row.code {
						t.Errorf("status %+v", s)
					}
					before := time.Now()
					if _, err := n.Get(t.Context(), testKey); err == nil || time.Since(before) > 0 {
						t.Errorf("a second read waited %v for what cannot come", time.Since(before))
					}
					time.Sleep(2 * time.Hour)
					if asked := len(w.sim.History()); asked > 35 {
						t.Errorf("asked %d times in two hours", asked)
					}
					if err := row.well(w); err != nil {
						t.Fatal(err)
					}
					time.Sleep(31 * time.Minute)
					w.get(n)
					w.quiet()
				})
			})
		}
	}
}

func TestAnOperatorsRenewalPassesOverABlock(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{})
		if err := w.sim.AllowIPs(testApp, "203.0.113.1"); err != nil {
			t.Fatal(err)
		}
		n := w.node()
		_, _ = n.Get(t.Context(), testKey)
		time.Sleep(90 * time.Second)
		if err := w.sim.AllowIPs(testApp); err != nil {
			t.Fatal(err)
		}
		c, err := n.Renew(t.Context(), testKey, false)
		if err != nil || c.Generation != 1 {
			t.Errorf("generation %d, %v", c.Generation, err)
		}
	})
}

// Old and new secret during a change: the one that works is found at once.
func TestTheOtherSecretIsTriedBeforeGivingUp(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{app: func(a *config.App) {
			a.Secrets = []credential.Secret{credential.NewSecret("ffffffffffffffffffffffffffffffff"), credential.NewSecret(testSecret)}
		}})
		n := w.node()
		w.get(n)
		if asked := len(w.sim.History()); asked != 2 {
			t.Errorf("asked %d times, want once for each secret", asked)
		}
	})
}

// A new secret in the configuration is used at once, without a restart.
func TestANewSecretIsTriedAtOnce(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{})
		const next = "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"
		if err := w.sim.ResetSecret(testApp, next); err != nil {
			t.Fatal(err)
		}
		n := w.node()
		_, _ = n.Get(t.Context(), testKey)
		time.Sleep(10 * time.Minute)
		w.apps[0].Secrets = []credential.Secret{credential.NewSecret(next)}
		n.Registry.Declare(w.apps, nil)
		synctest.Wait()
		w.get(n)
		w.quiet()
	})
}

// After 45009 nothing until midnight in Beijing; the value in hand is kept to
// its end.
func TestQuotaSpentIsQuietUntilMidnightInBeijing(t *testing.T) {
	t.Parallel()
	for _, source := range bothSources {
		bubble(t, func(t *testing.T) {
			w := newWorld(t, worldOptions{source: source}) // the bubble begins at 8 o'clock in Beijing
			n := w.node()
			w.get(n)
			clear := w.sim.Fail(wxsim.Fault{Path: "/cgi-bin/", Mode: wxsim.Errcode, Errcode: 45009})
			time.Sleep(4 * time.Hour)
			asked := len(w.sim.History())
			if asked != 2 {
				t.Errorf("%s: asked %d times, want the issue and one refusal", source, asked)
			}
			var u *credential.Unavailable
			if _, err := n.Get(t.Context(), testKey); !errors.As(err, &u) || u.Code != 45009 || u.RetryAfter < 11*time.Hour {
				t.Errorf("%s: %v", source, err)
			}
			clear()
			time.Sleep(12*time.Hour + 3*time.Minute)
			w.get(n)
			w.quiet()
		})
	}
}

// Only where the app says so does it cross over to the other source.
func TestFallbackCrossesOverOnlyWhenAllowed(t *testing.T) {
	t.Parallel()
	for _, allowed := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t, worldOptions{app: func(a *config.App) {
				if allowed {
					a.Fallback = config.Classic
				}
			}})
			n := w.node()
			w.get(n)
			clear := w.sim.Fail(wxsim.Fault{Path: "/cgi-bin/stable_token", Mode: wxsim.Errcode, Errcode: 45009})
			r := w.reader()
			r.during(6*time.Hour, time.Minute, n)
			if (r.failures == 0) != allowed {
				t.Errorf("allowed %v: %d of %d reads failed", allowed, r.failures, r.reads)
			}
			if crossed := w.sim.Asked(testApp, wxsim.Classic) > 0; crossed != allowed {
				t.Errorf("allowed %v, crossed over %v", allowed, crossed)
			}
			clear()
			time.Sleep(24 * time.Hour)
			w.get(n)
			if s, _ := n.Status(testKey); s.Source != config.Stable {
				t.Errorf("still on %s a day later", s.Source)
			}
			w.quiet()
		})
	}
}

func TestAChangeOfSourceKeepsServing(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{source: config.Classic})
		n := w.node()
		w.get(n)
		r := w.reader()
		r.during(time.Hour, time.Minute, n)
		w.apps[0].Source = config.Stable
		n.Registry.Declare(w.apps, nil)
		r.during(4*time.Hour, time.Minute, n)
		if s, _ := n.Status(testKey); s.Source != config.Stable || r.failures > 0 {
			t.Errorf("source %s, %d failures", s.Source, r.failures)
		}
		w.quiet()
	})
}

// A leak: two new values, as far apart as WeChat wants, and the old one is
// dead for good.
func TestALeakedValueIsDeadAfterTwoRenewals(t *testing.T) {
	t.Parallel()
	for _, source := range bothSources {
		bubble(t, func(t *testing.T) {
			w := newWorld(t, worldOptions{source: source})
			n := w.node()
			leaked := w.get(n)
			time.Sleep(20 * time.Minute)
			c, err := n.Renew(t.Context(), testKey, true)
			if err != nil || c.Generation != 2 {
				t.Fatal(source, c.Generation, err)
			}
			time.Sleep(4*time.Minute + time.Second)
			if w.sim.Valid(testApp, leaked.Value.Reveal()) {
				t.Errorf("%s: the leaked value still works", source)
			}
			if got := w.get(n); got.Generation != 3 {
				t.Errorf("%s: generation %d, want 3", source, got.Generation)
			}
			for _, v := range w.sim.Violations() {
				if v.Rule != wxsim.AskedAgain { // an operator's order
					t.Errorf("%s: %+v", source, v)
				}
			}
		})
	}
}

func TestRenewalsTooCloseTogetherAreRefusedInWords(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{source: "classic"})
		n := w.node()
		w.get(n)
		_, err := n.Renew(t.Context(), testKey, false)
		var u *credential.Unavailable
		if !errors.As(err, &u) || u.RetryAfter < 3*time.Minute || w.sim.Issues(testApp) != 1 {
			t.Errorf("%v, %d issues", err, w.sim.Issues(testApp))
		}
	})
}

// expires_in from one second on is believed for expiry and never for pacing;
// what makes no sense does not lose the token.
func TestOddLivesNeitherLoseTheValueNorSetThePace(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"missing", "0", "-5", "1", "299", "null", `"7200"`, "86400000", "[]"} {
		for _, source := range bothSources {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, worldOptions{source: source})
				w.sim.Fail(wxsim.Fault{Path: "/cgi-bin/", Mode: wxsim.OddExpiresIn, Value: value})
				n := w.node()
				w.get(n)
				time.Sleep(24 * time.Hour)
				asked := w.sim.Asked(testApp, wxsim.Classic) + w.sim.Asked(testApp, wxsim.Stable)
				if asked > 400 {
					t.Errorf("%s, expires_in %s: asked %d times in a day", source, value, asked)
				}
			})
		}
	}
}

// WeChat's own text for 45009 says: use the stable line. Whoever does gets a
// value at once.
func TestASpentQuotaEndsWithTheSource(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{source: config.Classic})
		w.sim.Fail(wxsim.Fault{Path: "/cgi-bin/token", Mode: wxsim.Errcode, Errcode: 45009})
		n := w.node()
		if _, err := n.Get(t.Context(), testKey); err == nil {
			t.Fatal("a value in spite of 45009")
		}
		time.Sleep(time.Minute)
		w.apps[0].Source = config.Stable
		n.Registry.Declare(w.apps, nil)
		synctest.Wait()
		w.get(n)
		w.quiet()
	})
}

// Once the AppSecret is right, nobody is told any more that it was wrong.
func TestABlockIsNotShownOnceItsCauseIsGone(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{source: config.Classic})
		n := w.node()
		w.get(n)
		time.Sleep(10 * time.Minute)
		const next = "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"
		if err := w.sim.ResetSecret(testApp, next); err != nil {
			t.Fatal(err)
		}
		_, _ = n.Renew(t.Context(), testKey, false)
		if s, _ := n.Status(testKey); s.State != Fresh || s.Failure == nil {
			t.Errorf("a live value and a refusal: %s, %+v", s.State, s.Failure)
		}
		w.apps[0].Secrets = []credential.Secret{credential.NewSecret(next)}
		n.Registry.Declare(w.apps, nil)
		synctest.Wait()
		if s, _ := n.Status(testKey); s.State != Fresh || s.Failure != nil {
			t.Errorf("the secret is right: %s, %+v", s.State, s.Failure)
		}
	})
}
