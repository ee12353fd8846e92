package hufu_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hufu-project/hufu"
	"github.com/hufu-project/hufu/internal/config"
)

// The promise in figures: thirty minutes of absence, and no read fails.
func TestAServerThatIsAwayForHalfAnHourIsNotNoticed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.connect("shop")
		source := c.Source(appID)
		first := w.token(c)
		time.Sleep(20 * time.Minute)
		w.stop()
		n := 0
		for end := time.Now().Add(30 * time.Minute); time.Now().Before(end); time.Sleep(time.Second) {
			token, err := source.Token()
			if err != nil || token != first || !w.sim.Valid(appID, token) {
				t.Fatalf("read %d: %v", n, err)
			}
			n++
		}
		w.start()
		time.Sleep(20 * time.Second)
		w.renew()
		time.Sleep(time.Second)
		if got := w.token(c); got == first || !w.sim.Valid(appID, got) {
			t.Error("the new value has not arrived")
		}
		t.Logf("%d reads, 0 failed", n)
	})
}

// Once a value is in hand a read waits for nobody, and the server is asked no
// more often than following it takes.
func TestAReadOfALiveValueWaitsForNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.connect("shop")
		w.token(c)
		w.asked.Store(0)
		for range 24 * 60 * 4 {
			began := time.Now()
			if token := w.token(c); !w.sim.Valid(appID, token) {
				t.Fatal("a dead token was given")
			}
			if waited := time.Since(began); waited > 0 {
				t.Fatalf("a read waited %v", waited)
			}
			time.Sleep(15 * time.Second)
		}
		if n := w.asked.Load(); n > 24*60*2+40 { // waits of half a minute, and the renewals
			t.Errorf("the server was asked %d times in a day", n)
		}
		if n := w.sim.Issues(appID); n > 14 {
			t.Errorf("%d issues in a day", n)
		}
	})
}

func TestARenewalArrivesAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.connect("shop")
		first := w.token(c)
		time.Sleep(10 * time.Minute)
		w.renew()
		synctest.Wait()
		second := w.token(c)
		if second == first || !w.sim.Valid(appID, second) {
			t.Error("the old value is still given")
		}
	})
}

// Many who ask at once, before anything is known, cost the server one request.
func TestManyFirstReadersAreOneRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.connect("shop")
		var all sync.WaitGroup
		seen := make([]string, 1000)
		for i := range seen {
			all.Go(func() { seen[i], _ = c.Token(t.Context(), appID) })
		}
		all.Wait()
		if slices.ContainsFunc(seen, func(s string) bool { return !w.sim.Valid(appID, s) }) {
			t.Error("somebody was not given the token")
		}
		if n := w.asked.Load(); n > 2 { // the read, and the wait that follows it
			t.Errorf("%d requests", n)
		}
	})
}

// A goroutine that nobody needs ends: after the life of a value, or at once
// where there is none. Who asks later begins it anew.
func TestAFollowerEndsWhenNobodyAsks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.connect("shop")
		source := c.Source(appID)
		first := w.token(c)
		time.Sleep(2*time.Hour + 2*time.Minute)
		w.asked.Store(0)
		time.Sleep(6 * time.Hour)
		if n := w.asked.Load(); n != 0 {
			t.Errorf("the server was asked %d times for nobody", n)
		}
		for _, read := range []func() (string, error){
			func() (string, error) { return c.Token(t.Context(), appID) }, source.Token,
		} {
			if token, err := read(); err != nil || token == first || !w.sim.Valid(appID, token) {
				t.Errorf("afterwards: %v", err)
			}
		}
		synctest.Wait()
		if n := w.asked.Load(); n > 2 {
			t.Errorf("%d requests to begin anew", n)
		}

		for i := range 100 { // appids out of a stranger's hand
			if _, err := c.Token(t.Context(), fmt.Sprint("wx", i)); !errors.Is(err, hufu.ErrNotFound) {
				t.Errorf("an unknown app: %v", err)
			}
		}
		time.Sleep(time.Second)
		w.asked.Store(0)
		time.Sleep(time.Minute)
		if n := w.asked.Load(); n > 3 {
			t.Errorf("%d requests a minute for apps that do not exist", n)
		}
	})
}

func TestErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.keys["nobody"] = strings.Replace(w.keys["shop"], "hufu_", "hufu_x", 1)
		for _, row := range []struct {
			client, app string
			want        error
			code        string
		}{
			{"nobody", appID, hufu.ErrUnauthorized, "unauthorized"},
			{"stranger", appID, hufu.ErrForbidden, "forbidden"},
			{"elsewhere", appID, hufu.ErrForbidden, "forbidden"},
			{"shop", "wx0", hufu.ErrNotFound, "not_found"},
		} {
			_, err := w.connect(row.client).Token(t.Context(), row.app)
			e, ok := errors.AsType[*hufu.Error](err)
			if !errors.Is(err, row.want) || !ok || e.Code != row.code {
				t.Errorf("%s, %s: %v, want %v", row.client, row.app, err, row.want)
			}
			if ok && (e.Hint == "" || e.RequestID == "") {
				t.Errorf("%s: %+v lacks a hint or a request id", row.client, e)
			}
			w.quiet(err)
		}

		// Nothing live anywhere: the server says why and when.
		w.stop()
		down := w.connect("shop")
		_, err := down.Token(t.Context(), appID)
		if !errors.Is(err, hufu.ErrUnavailable) || !strings.Contains(err.Error(), "http://"+hufuAddr) {
			t.Errorf("no server: %v", err)
		}
		w.quiet(err)
		w.wipe()
		w.must(w.sim.Freeze(appID))
		w.start()
		_, err = w.connect("shop").Token(t.Context(), appID)
		w.quiet(err)
		if e, ok := errors.AsType[*hufu.Error](err); !errors.Is(err, hufu.ErrUnavailable) || !ok || e.Errcode != 40243 || e.RetryAfter == 0 {
			t.Errorf("a frozen app: %#v", err)
		}
		w.must(w.sim.Unfreeze(appID))
		time.Sleep(2 * time.Minute)
		w.token(down) // without anybody's doing
	})
}

// quiet holds an error to holding no secret.
func (w *world) quiet(err error) {
	w.t.Helper()
	e, _ := errors.AsType[*hufu.Error](err)
	for _, key := range w.keys {
		if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, e), key) {
			w.t.Errorf("a client key is in %v", err)
		}
	}
}

// Who waits for a first value can give up, and Close ends all waits.
func TestAWaitEndsWithItsContextAndWithClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.between(hang)
		c := w.connect("shop")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if _, err := c.Token(ctx, appID); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		ended := make(chan error)
		go func() { _, err := c.Source(appID).Token(); ended <- err }()
		synctest.Wait()
		w.must(c.Close())
		if err := <-ended; !errors.Is(err, hufu.ErrClosed) {
			t.Errorf("a wait that Close ended: %v", err)
		}
		for _, again := range []func() error{
			func() error { _, err := c.Token(t.Context(), appID); return err },
			func() error { _, err := c.Report(t.Context(), appID, "x", 40001); return err },
			func() error { _, err := c.Sign(t.Context(), appID, "https://a.example/"); return err },
		} {
			if err := again(); !errors.Is(err, hufu.ErrClosed) {
				t.Errorf("after Close: %v", err)
			}
		}
		w.must(c.Close())
	})
}

// The two sorts of generation are not comparable, and neither are those of a
// restored server: what counts is the tag.
func TestAnotherSortOfGenerationIsNoticed(t *testing.T) {
	t.Parallel()
	t.Run("from phantom to real", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.stop()
			w.declared[0].Tokens = config.Phantom
			w.start()
			w.changes(func() { w.declared[0].Tokens = config.Real })
		})
	})
	t.Run("from phantom to real, while the server runs on", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			phantom := w.connect("phantom")
			before, err := phantom.Get(t.Context(), appID, hufu.AccessToken)
			w.must(err)
			time.Sleep(10 * time.Minute)
			// From here on, who says that it is this client is another.
			w.between(func(real http.Handler) http.Handler {
				return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
					r.Header.Set("Authorization", "Bearer "+w.keys["shop"])
					real.ServeHTTP(rw, r)
				})
			})
			time.Sleep(time.Minute + time.Second)
			after, err := phantom.Get(t.Context(), appID, hufu.AccessToken)
			w.must(err)
			if !before.Phantom || after.Phantom || !w.sim.Valid(appID, after.Value) {
				t.Errorf("%v is still given, not %v", before, after)
			}
		})
	})
	t.Run("from real to phantom", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.changes(func() { w.declared[0].Tokens = config.Phantom })
		})
	})
	t.Run("restored", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.renew()
			time.Sleep(5 * time.Minute)
			w.renew()
			w.changes(func() { w.wipe(); w.must(w.sim.OutsiderForce(appID)) })
		})
	})
}

// changes holds a client to having another value soon after the server was
// changed while it was away.
func (w *world) changes(change func()) {
	w.t.Helper()
	c := w.connect("shop")
	before, err := c.Get(w.t.Context(), appID, hufu.AccessToken)
	w.must(err)
	time.Sleep(10 * time.Minute)
	w.stop()
	change()
	w.start()
	time.Sleep(time.Minute)
	after, err := c.Get(w.t.Context(), appID, hufu.AccessToken)
	w.must(err)
	if after.Value == before.Value || !after.Phantom && !w.sim.Valid(appID, after.Value) {
		w.t.Errorf("%v is still given, not %v", before, after)
	}
}

// A client whose key was withdrawn stops giving out the value when the time is
// over for which the server had let it keep it.
func TestAWithdrawnKeyEndsReadsWithinMaxAge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.connect("shop")
		w.token(c)
		time.Sleep(10 * time.Minute)
		w.stop()
		kept := w.declared
		w.declared = w.declared[1:]
		w.start()
		began := time.Now()
		for {
			_, err := c.Token(t.Context(), appID)
			if errors.Is(err, hufu.ErrUnauthorized) {
				break
			}
			w.must(err)
			if time.Since(began) > 61*time.Second {
				t.Fatal("the value is still given")
			}
			time.Sleep(time.Second)
		}
		w.stop() // an absence does not make it live again
		time.Sleep(time.Minute)
		if _, err := c.Token(t.Context(), appID); err == nil {
			t.Error("the value is given again")
		}
		w.declared = kept
		w.start()
		time.Sleep(10 * time.Second)
		w.token(c)

		// Refused for a moment only: nobody notices, and it lives to its end.
		w.stop()
		w.declared = kept[1:]
		w.start()
		time.Sleep(20 * time.Second)
		w.stop()
		w.declared = kept
		w.start()
		time.Sleep(20 * time.Second)
		w.stop()
		time.Sleep(20 * time.Minute)
		w.token(c)
	})
}

// What is handed out prints without the value.
func TestNothingPrintsAValue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.connect("shop")
		got, err := c.Get(t.Context(), appID, hufu.AccessToken)
		w.must(err)
		j, err := got.MarshalJSON()
		w.must(err)
		for _, said := range []string{
			fmt.Sprint(got, &got), fmt.Sprintf("%v %+v %#v %s %q", got, got, got, got, got), string(j), got.LogValue().String(),
			fmt.Sprintf("%v %+v %#v %s", c, c, c, c), fmt.Sprintf("%v %+v %#v", c.Source(appID), c.Source(appID), c.Source(appID)),
			fmt.Sprintf("%v %+v %#v", c.Transport(appID, nil), c.Transport(appID, nil), c.Transport(appID, nil)),
		} {
			if strings.Contains(said, got.Value) || strings.Contains(said, w.keys["shop"]) {
				t.Errorf("%s", said)
			}
		}
	})
}

// Readers, reporters and Close at once, for the race detector.
func TestEverythingAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.connect("shop", hufu.WithFile(w.dir+"/client"))
		source := c.Source(appID)
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() {
				for range 200 {
					token, err := source.Token()
					if i%10 == 0 && err == nil {
						_, err = c.Report(t.Context(), appID, token, 40001)
					}
					if i%10 == 1 {
						_, _ = c.Token(t.Context(), "wx0")
					}
					if err != nil && !errors.Is(err, hufu.ErrClosed) {
						t.Error(err)
					}
					time.Sleep(100 * time.Millisecond)
				}
			})
		}
		time.Sleep(5 * time.Second)
		w.renew()
		time.Sleep(10 * time.Second)
		w.must(c.Close())
		all.Wait()
	})
}

// A warm read costs little more than the atomic load that it is. The race
// detector's own cost would be measured, so make bench runs this without it.
func TestAWarmReadCostsALoad(t *testing.T) {
	if info, ok := debug.ReadBuildInfo(); ok && slices.ContainsFunc(info.Settings, func(s debug.BuildSetting) bool { return s.Key == "-race" && s.Value == "true" }) {
		t.Skip("the race detector's own cost would be measured")
	}
	c := warm(t)
	source, least := c.Source(appID), newPointer()
	measure := func(s tokens) float64 {
		began := time.Now()
		for range 100 {
			readMany(s)
		}
		return float64(time.Since(began).Nanoseconds()) / (100 * batch)
	}
	// Each turn is compared with what came right before it: others use this
	// machine too, and its speed changes under our hands.
	var loads, reads, named []float64
	for range 201 {
		load, read := measure(least), measure(source)
		loads, reads, named = append(loads, read/load), append(reads, read), append(named, measure(byName{c}))
	}
	t.Logf("a read through a source costs %.2f loads, %.1f ns; Client.Token takes %.1f ns", middle(loads), middle(reads), middle(named))
	if middle(loads) > 1.5 {
		t.Error("a read through a source costs more than 1.5 loads")
	}
}

// middle is the median.
func middle(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}

func TestAWarmReadAllocatesNothing(t *testing.T) {
	c := warm(t)
	source := c.Source(appID)
	if n := testing.AllocsPerRun(1000, func() { _, _ = source.Token() }); n != 0 {
		t.Errorf("a read of the source allocates %v times", n)
	}
	if n := testing.AllocsPerRun(1000, func() { _, _ = c.Token(context.Background(), appID) }); n != 0 {
		t.Errorf("a read allocates %v times", n)
	}
}
