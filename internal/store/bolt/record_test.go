package bolt

import (
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"github.com/hufu-project/hufu/internal/store"
)

// A file written by any release must be readable by all later ones.
func TestLayoutIsAsDrawn(t *testing.T) {
	t.Parallel()
	l := newLayout([]byte("value"))
	l.fill("a/b", 0x2a1, 0x9f3c51d2, time.Unix(1795334400, 0), time.Unix(1795341600, 5))
	const want = "01" + "b4dec8a2" + "00000000000002a1" + "9f3c51d2" + "18ea4f1fed0a0000" + "18ea55ac4e7b4005" + "76616c7565"
	if got := hex.EncodeToString(l); got != want {
		t.Errorf("layout\n%s, want\n%s", got, want)
	}
	r, err := l.record("a/b")
	if err != nil || r.Version != "00000000000002a1-9f3c51d2" || r.Written.Unix() != 1795334400 || r.Expires.UnixNano() != 1795341600000000005 {
		t.Errorf("record %+v, %v", r, err)
	}
}

func FuzzLayout(f *testing.F) {
	good := newLayout([]byte("value"))
	good.fill("a", 1, 2, time.Unix(3, 0), time.Unix(4, 0))
	f.Add("a", []byte(good), 40)
	f.Add("a", []byte{}, 0)
	f.Fuzz(func(t *testing.T, key string, raw []byte, bit int) {
		r, err := layout(raw).record(key)
		if r.Key != key || r.Version == "" {
			t.Errorf("a record without its key or a version: %+v", r)
		}
		if err != nil {
			if !errors.Is(err, store.ErrUnreadable) {
				t.Errorf("%v", err)
			}
			return
		}
		if bit = max(bit, 0) % (8 * len(raw)); bit >= 0 {
			raw[bit/8] ^= 1 << (bit % 8)
			if _, err := layout(raw).record(key); err == nil {
				t.Errorf("bit %d makes no difference", bit)
			}
		}
	})
}
