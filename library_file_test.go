package hufu_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hufu-project/hufu"
)

// A program that starts while the server is away has what its predecessor left,
// for as long as that lives; and it asks first where the server is there.
func TestAFileCarriesTheValueAcrossARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		file := hufu.WithFile(filepath.Join(w.dir, "client"))
		c := w.connect("shop", file)
		first := w.token(c)
		w.must(c.Close())
		time.Sleep(10 * time.Minute)

		w.renew()
		c = w.connect("shop", file)
		second := w.token(c)
		if second == first || !w.sim.Valid(appID, second) {
			t.Error("the first read after a restart gave what was superseded")
		}
		w.must(c.Close())
		w.stop()

		c = w.connect("shop", file)
		if token := w.token(c); token != second {
			t.Error("another value was given")
		}
		w.must(c.Close())

		// A server that accepts connections and says nothing.
		w.start()
		w.between(hang)
		c = w.connect("shop", file)
		began := time.Now()
		if token := w.token(c); token != second || time.Since(began) > time.Second {
			t.Errorf("after %v another value was given", time.Since(began))
		}
		w.must(c.Close())

		w.stop()
		time.Sleep(2 * time.Hour)
		if _, err := w.connect("shop", file).Token(t.Context(), appID); !errors.Is(err, hufu.ErrUnavailable) {
			t.Errorf("what is over was given: %v", err)
		}
	})
}

// What a client of another sort, key or server has left is not given.
func TestAFileIsForOneKeyAndOneServer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		path := filepath.Join(w.dir, "client")
		c := w.connect("shop", hufu.WithFile(path))
		first := w.token(c)
		w.must(c.Close())
		sealed, err := os.ReadFile(path)
		w.must(err)
		if bytes.Contains(sealed, []byte(first)) || bytes.Contains(sealed, []byte(appID)) {
			t.Error("the file can be read")
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
		if left, _ := filepath.Glob(path + ".*"); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}

		w.stop()
		for name, other := range map[string]func() (*hufu.Client, error){
			"another key": func() (*hufu.Client, error) {
				return hufu.New("http://"+hufuAddr, w.keys["operator"], hufu.WithTransport(w.transport()), hufu.WithFile(path))
			},
			"another server": func() (*hufu.Client, error) {
				return hufu.New("http://hufu2.test", w.keys["shop"], hufu.WithTransport(w.transport()), hufu.WithFile(path))
			},
		} {
			c, err := other()
			w.must(err)
			if _, err := c.Token(t.Context(), appID); !errors.Is(err, hufu.ErrUnavailable) {
				t.Errorf("%s: %v", name, err)
			}
			w.must(c.Close())
		}
		if token := w.token(w.connect("shop", hufu.WithFile(path))); token != first {
			t.Error("who may not read it has changed it")
		}
	})
}

// A damaged file counts as empty, whatever the damage, and is made anew.
func TestADamagedFileCountsAsEmpty(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		path := filepath.Join(w.dir, "client")
		c := w.connect("shop", hufu.WithFile(path))
		w.token(c)
		w.must(c.Close())
		whole, err := os.ReadFile(path)
		w.must(err)
		for i := 0; i <= len(whole); i += 7 {
			for _, damaged := range [][]byte{whole[:min(i, len(whole)-1)], flip(whole, min(i, len(whole)-1))} {
				w.must(os.WriteFile(path, damaged, 0o600))
				c := w.connect("shop", hufu.WithFile(path))
				w.token(c)
				w.must(c.Close())
				if now, err := os.ReadFile(path); err != nil || len(now) != len(whole) {
					t.Fatalf("the file was not made anew: %d bytes, %v", len(now), err)
				}
			}
		}
	})
}

func flip(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 1
	return b
}

// A clock that was put back does not make a value live again.
func TestAClockThatWasPutBackIsNotBelieved(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "client")
	key := ""
	synctest.Test(t, func(t *testing.T) { // a day later
		time.Sleep(24 * time.Hour)
		w := newWorld(t)
		key = w.keys["shop"]
		c := w.connect("shop", hufu.WithFile(path))
		w.token(c)
		w.must(c.Close())
	})
	for _, row := range []struct {
		name string
		at   time.Duration
		live bool
	}{{"put back", 0, false}, {"as it was", 24*time.Hour + time.Minute, true}, {"put forward", 48 * time.Hour, false}} {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(row.at)
			w := newWorld(t)
			w.stop()
			c, err := hufu.New("http://"+hufuAddr, key, hufu.WithTransport(w.transport()), hufu.WithFile(path))
			w.must(err)
			defer c.Close()
			if _, err := c.Token(t.Context(), appID); (err == nil) != row.live {
				t.Errorf("%s: %v", row.name, err)
			}
		})
	}
}

func TestNewRefusesWhatCannotBe(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, make := range map[string]func() (*hufu.Client, error){
		"no scheme":  func() (*hufu.Client, error) { return hufu.New("127.0.0.1:8700", "hufu_x") },
		"another":    func() (*hufu.Client, error) { return hufu.New("redis://127.0.0.1", "hufu_x") },
		"a query":    func() (*hufu.Client, error) { return hufu.New("http://127.0.0.1:8700?x=1", "hufu_x") },
		"a user":     func() (*hufu.Client, error) { return hufu.New("http://a:b@127.0.0.1:8700", "hufu_x") },
		"no key":     func() (*hufu.Client, error) { return hufu.New("http://127.0.0.1:8700", "") },
		"a line end": func() (*hufu.Client, error) { return hufu.New("http://127.0.0.1:8700", "hufu_x\n") },
		"no folder": func() (*hufu.Client, error) {
			return hufu.New("http://127.0.0.1:8700", "hufu_x", hufu.WithFile(filepath.Join(dir, "no", "file")))
		},
		"no file at all": func() (*hufu.Client, error) { return hufu.New("http://127.0.0.1:8700", "hufu_x", hufu.WithFile(dir)) },
	} {
		if _, err := make(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	c, err := hufu.New("http://127.0.0.1:8700/", "hufu_x")
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
}

// Close says that what was to outlive the process will not.
func TestCloseTellsThatTheFileWasNotWritten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		dir := filepath.Join(w.dir, "gone")
		w.must(os.Mkdir(dir, 0o700))
		c := w.connect("shop", hufu.WithFile(filepath.Join(dir, "client")))
		w.must(os.Remove(dir))
		w.token(c)
		if err := c.Close(); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("Close: %v", err)
		}
	})
}
