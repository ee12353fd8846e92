package keeper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hufu-project/hufu/internal/store"
	"github.com/hufu-project/hufu/wxsim"
)

// A forced issue whose answer is lost ends the live stable value.
func TestALostAnswerToAForcedIssueIsDoubtToo(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{source: "stable"})
		n := w.node()
		w.get(n)
		time.Sleep(20 * time.Minute)
		w.sim.Fail(wxsim.Fault{Path: "/cgi-bin/", Mode: wxsim.LostAnswer, Count: 1, After: true})
		_, err := n.Renew(t.Context(), testKey, false)
		t.Log("renew:", err)
		r := w.reader()
		r.caches = true
		var firstDead time.Time
		begin := time.Now()
		dead := 0
		for time.Since(begin) < 2*time.Hour {
			c, err := n.Get(t.Context(), testKey)
			if err == nil && !w.sim.Valid(testApp, c.Value.Reveal()) {
				if firstDead.IsZero() {
					firstDead = time.Now()
				}
				dead++
			}
			time.Sleep(10 * time.Second)
		}
		if dead > 0 {
			t.Errorf("dead values handed out %d times at 10 s, first %v after the renew", dead, firstDead.Sub(begin))
		}
	})
}

// Nothing live lifts the pause, but nobody wakes at the expiry.
func TestTheEndOfAValueIsNotWaitedOutByAPause(t *testing.T) {
	t.Parallel()
	for _, source := range bothSources {
		t.Run(source, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, worldOptions{source: source})
				n := w.node()
				c := w.get(n)
				clear := w.sim.Fail(wxsim.Fault{Path: "/cgi-bin/", Mode: wxsim.SystemBusy})
				time.Sleep(time.Until(c.ExpiresAt) - time.Second)
				synctest.Wait()
				clear()
				time.Sleep(time.Second)
				end := time.Now()
				for {
					if _, err := n.Get(t.Context(), testKey); err == nil {
						break
					}
					time.Sleep(time.Second)
				}
				if d := time.Since(end); d > 12*time.Second {
					t.Errorf("WeChat was back before the expiry; nothing live for %v after it", d)
				}
			})
		})
	}
}

// An unsaved value found dead is served for ever.
func TestAnUnsavedValueThatDiesIsReplaced(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{source: "classic"})
		var armed atomic.Bool
		n := w.node(func(_ *Options, l *link) {
			l.at = func(s string) bool {
				if s == "after issue" && armed.CompareAndSwap(true, false) {
					l.cut.Store(true)
				}
				return false
			}
		})
		first := w.get(n)
		armed.Store(true)
		for {
			c, err := n.Get(t.Context(), testKey)
			if err != nil {
				t.Fatal(err)
			}
			if c.Value != first.Value {
				if c.Generation != 0 {
					t.Fatal(c.Generation)
				}
				break
			}
			time.Sleep(time.Second)
		}
		time.Sleep(70 * time.Second)
		_ = w.sim.Revoke(testApp)
		c, err := n.Get(t.Context(), testKey)
		if err != nil {
			t.Fatal(err)
		}
		got, err := n.Report(t.Context(), testKey, Claim{Value: c.Value, Errcode: 40001})
		t.Log("away: ", got.Generation, err, "valid", err == nil && w.sim.Valid(testApp, got.Value.Reveal()))
		n.link.cut.Store(false)
		for i := range 30 {
			time.Sleep(time.Minute)
			c, err := n.Get(t.Context(), testKey)
			if err != nil {
				continue
			}
			got, err := n.Report(t.Context(), testKey, Claim{Value: c.Value, Errcode: 40001})
			if err == nil && w.sim.Valid(testApp, got.Value.Reveal()) {
				t.Log("healed after", i+1, "min")
				return
			}
		}
		t.Error("half an hour after the store is back the dead value is still served, whatever is reported")
	})
}

type same struct {
	http.RoundTripper
	body  atomic.Pointer[string]
	calls atomic.Int64
}

func (s *same) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := s.RoundTripper.RoundTrip(r)
	if err != nil || !strings.HasSuffix(r.URL.Path, "/token") {
		return resp, err
	}
	s.calls.Add(1)
	b, _ := io.ReadAll(resp.Body)
	str := string(b)
	if old := s.body.Load(); old != nil {
		str = *old
	} else {
		s.body.Store(&str)
	}
	resp.Body = io.NopCloser(strings.NewReader(str))
	resp.ContentLength = int64(len(str))
	return resp, nil
}

// A relay (another Hufu) in WeChat's place that gives the same classic value.
func TestAClassicLineThatRepeatsIsNotHurried(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{source: "classic"})
		var s *same
		n := w.node(func(_ *Options, l *link) { s = &same{RoundTripper: l.rt}; l.rt = s })
		c := w.get(n)
		for s.calls.Load() < 2 {
			time.Sleep(time.Second)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		_ = c
		if got := s.calls.Load(); got > 2 {
			t.Errorf("%d classic issues within a minute, spacing is %v", got-1, n.spacing)
		}
	})
}

// A record of a later format is not written.
func TestARecordOfALaterVersionIsNotWritten(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"report", "renew", "renew, of another shape"} {
		t.Run(how, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, worldOptions{source: "classic"})
				n := w.node()
				c := w.get(n)
				time.Sleep(10 * time.Minute)
				rec, err := w.st.Get(t.Context(), storeKey(testKey))
				if err != nil {
					t.Fatal(err)
				}
				var m map[string]any
				_ = json.Unmarshal(rec.Value, &m)
				m["v"], m["tomorrow"] = 2, "kept"
				if how != "report" && how != "renew" {
					m["value"] = map[string]any{"not": "a text"}
				}
				b, _ := json.Marshal(m)
				rec.Value = b
				if _, err := w.st.Put(t.Context(), rec); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				switch how {
				case "report":
					_ = w.sim.Revoke(testApp)
					_, _ = n.Report(t.Context(), testKey, Claim{Value: c.Value, Errcode: 40001})
				default:
					if _, err = n.Renew(t.Context(), testKey, false); err == nil || !strings.Contains(err.Error(), "newer Hufu") {
						t.Errorf("a renewal over it: %v", err)
					}
				}
				if how != "report" && w.get(n).Value != c.Value {
					t.Error("what was in hand is not served any more")
				}
				time.Sleep(time.Minute)
				rec, _ = w.st.Get(t.Context(), storeKey(testKey))
				if !strings.Contains(string(rec.Value), "tomorrow") {
					t.Errorf("a record of format 2 was rewritten by a node that knows format 1: v=%s", rec.Value[:8])
				}
			})
		})
	}
}

// spin counts the puts and can make the record unreadable from outside.
type spin struct {
	store.Store
	puts atomic.Int64
	bad  atomic.Bool
}

func (s *spin) Get(ctx context.Context, key string) (store.Record, error) {
	r, err := s.Store.Get(ctx, key)
	if err == nil && s.bad.Load() {
		r.Value = nil
		return r, fmt.Errorf("x: %w", store.ErrUnreadable)
	}
	return r, err
}

func (s *spin) Put(ctx context.Context, r store.Record) (store.Record, error) {
	if s.puts.Add(1) > 20000 {
		return store.Record{}, errors.New("stop")
	}
	return s.Store.Put(ctx, r)
}

// The record becomes unreadable (another master key) while an issue is out.
func TestARecordThatBecomesUnreadableStopsTheWriter(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{source: "classic"})
		var s *spin
		var armed atomic.Bool
		n := w.node(func(o *Options, l *link) {
			s = &spin{Store: l.Store}
			l.Store = s
			l.at = func(st string) bool {
				if st == "after issue" && armed.CompareAndSwap(true, false) {
					r, err := w.st.Get(context.Background(), storeKey(testKey))
					if err == nil {
						_, err = w.st.Put(context.Background(), r) // another node's write
					}
					if err != nil {
						panic(err)
					}
					s.bad.Store(true)
				}
				return false
			}
		})
		w.get(n)
		armed.Store(true)
		before := s.puts.Load()
		time.Sleep(100 * time.Minute)
		if p := s.puts.Load() - before; p > 200 {
			t.Errorf("%d puts", p)
		}
	})
}

// late is a store whose answers to one node are slow; see TestAReadThatIsNotTakenIsMadeAgain.
type late struct {
	store.Store
	gets atomic.Int64 // ns
	put  func(store.Record) (store.Record, error)
}

func (s *late) Get(ctx context.Context, key string) (store.Record, error) {
	r, err := s.Store.Get(ctx, key)
	time.Sleep(time.Duration(s.gets.Load()))
	return r, err
}

func (s *late) Put(_ context.Context, r store.Record) (store.Record, error) { return s.put(r) }

// A read that is dropped because it was asked for before a write of ours
// was answered may hold another node's later write, whose notice is used up.
func TestAReadThatIsNotTakenIsMadeAgain(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{source: "stable"})
		other := w.apps[0]
		other.AppID = "wxfedcba9876543210"
		w.apps = append(w.apps, other)
		ctx := context.Background()
		// A record of a later format is left alone, so nothing is written for it.
		busy, err := w.st.Put(ctx, store.Record{Key: "cred/wxfedcba9876543210/access_token", Value: []byte(`{"v":2}`)})
		if err != nil {
			t.Fatal(err)
		}
		n := w.node(func(_ *Options, l *link) {
			s, puts := &late{Store: l.Store}, 0
			s.put = func(r store.Record) (store.Record, error) {
				if puts++; puts != 2 {
					return s.Store.Put(ctx, r)
				}
				// The commit. The node is busy reading something else ...
				time.Sleep(10 * time.Millisecond)
				s.gets.Store(int64(900 * time.Millisecond))
				for range 2 {
					if busy, err = w.st.Put(ctx, busy); err != nil {
						t.Error(err)
					}
					time.Sleep(10 * time.Millisecond)
				}
				got, err := s.Store.Put(ctx, r)
				time.Sleep(300 * time.Millisecond)
				// ... another node writes a newer value ...
				rec, _ := decode(got.Value)
				rec.Generation, rec.Value = rec.Generation+1, "newer"
				b, _ := rec.encode()
				if _, err := w.st.Put(ctx, store.Record{Key: r.Key, Version: got.Version, Value: b, Now: got.Now, Expires: got.Expires}); err != nil {
					t.Error(err)
				}
				time.Sleep(1900 * time.Millisecond) // ... and only then comes our answer.
				return got, err
			}
			l.Store = s
		})
		time.Sleep(time.Minute)
		if c, err := n.Get(ctx, testKey); err != nil || c.Generation != 2 {
			t.Errorf("a minute after generation 2 was committed: generation %d, %v", c.Generation, err)
		}
	})
}

// Attempts grow.
func TestAttemptsDoNotPileUp(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{source: "classic"})
		n := w.node()
		w.get(n)
		w.sim.Fail(wxsim.Fault{Path: "/cgi-bin/", Mode: wxsim.SystemBusy})
		time.Sleep(7 * 24 * time.Hour)
		rec, _ := w.st.Get(t.Context(), storeKey(testKey))
		t.Logf("a week of -1: %d attempts, %d bytes", len(n.record().Attempts), len(rec.Value))
		if len(n.record().Attempts) > 20 {
			t.Error("grows")
		}
	})
}

// The record vanishes (store wiped).
func TestALostRecordIsWrittenBack(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{source: "classic"})
		a, b := w.node(), w.node()
		w.get(a)
		w.get(b)
		time.Sleep(100 * time.Minute)
		g := w.get(a).Generation
		w.sim.Fail(wxsim.Fault{Path: "/cgi-bin/", Mode: wxsim.Outage})
		rec, _ := w.st.Get(t.Context(), storeKey(testKey))
		if err := w.st.Delete(t.Context(), rec.Key, rec.Version); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		c, err := a.Get(t.Context(), testKey)
		t.Log("generation before", g, "after", c.Generation, err)
		if err != nil {
			t.Error("a live value was in memory")
		}
	})
}

// Status before the store was read.
func TestStatusBeforeTheFirstReadKnowsNothing(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{source: "classic"})
		n := w.node(func(_ *Options, l *link) { l.cut.Store(true) })
		synctest.Wait()
		s, _ := n.Status(testKey)
		if !s.NextAt.IsZero() {
			t.Error("NextAt", s.NextAt)
		}
	})
}

// Renew with upstream unreachable says why.
func TestARenewalThatFailsSaysWhy(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{source: "stable"})
		n := w.node()
		w.get(n)
		time.Sleep(10 * time.Minute)
		w.sim.Fail(wxsim.Fault{Path: "/cgi-bin/", Mode: wxsim.Outage})
		_, err := n.Renew(t.Context(), testKey, true)
		if err == nil || !strings.Contains(err.Error(), "reach") {
			t.Error(err)
		}
	})
}

// A store that hangs after an issue at an empty start.
type hang struct {
	store.Store
	on atomic.Bool
}

func (s *hang) Put(ctx context.Context, r store.Record) (store.Record, error) {
	if s.on.Load() {
		<-ctx.Done()
		return store.Record{}, store.ErrUnsure
	}
	return s.Store.Put(ctx, r)
}

func TestAStoreThatHangsKeepsNoValueFromReaders(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{source: "stable"})
		n := w.node(func(_ *Options, l *link) {
			s := &hang{Store: l.Store}
			l.Store = s
			l.at = func(st string) bool {
				if st == "after issue" {
					s.on.Store(true)
				}
				return false
			}
		})
		begin := time.Now()
		for {
			if _, err := n.Get(t.Context(), testKey); err == nil {
				break
			}
			time.Sleep(time.Second)
		}
		if d := time.Since(begin); d > 6*time.Second {
			t.Errorf("the value was known to this node and given to nobody for %v", d)
		}
	})
}
