package sealed

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/hufu-project/hufu/internal/store"
)

// fixed is a key for golden values: the bytes 0 to 31.
func fixed() Key {
	var k Key
	for i := range k.bytes {
		k.bytes[i] = byte(i)
	}
	return k
}

// What one release has derived or sealed all later ones must derive and open.
func TestDerivationsAndEnvelopeStayAsTheyAre(t *testing.T) {
	t.Parallel()
	r := NewKeyring(fixed())
	if got := fixed().ID(); got != "3a966457" {
		t.Errorf("id %s", got)
	}
	if got := hex.EncodeToString(r.Derive("etag")); got != "2c4711bc6285fd7dfea9277e86b11e0de4b617dbe06f8be1d3b77429112cefe6" {
		t.Errorf("etag key %s", got)
	}
	sealed, _ := hex.DecodeString("013a966457791536f4e388b3388defe12780db1ad259a7a21a4e5a7014e19c1a4b5806e46877")
	if value, err := r.open("cred/wx1", sealed); err != nil || string(value) != "value" {
		t.Errorf("open: %q, %v", value, err)
	}
}

func TestSubkeysAreUnrelated(t *testing.T) {
	t.Parallel()
	a, b := NewKey(), NewKey()
	both, one := NewKeyring(a, b), NewKeyring(b)
	if !bytes.Equal(both.DeriveAll("x")[1], one.Derive("x")) || !bytes.Equal(both.DeriveAll("x")[0], both.Derive("x")) {
		t.Error("DeriveAll does not give the subkeys of each key, the primary's first")
	}
	seen := map[string]string{}
	for name, subkey := range map[string][]byte{
		"a, x": both.Derive("x"), "a, y": both.Derive("y"), "b, x": one.Derive("x"), "a, key id": both.Derive("key id"),
		"a's values": a.derive("store values"), "a's id": a.derive("key id"), "a, none": both.Derive(""), "a": a.bytes[:],
	} {
		if len(subkey) != keyLen {
			t.Errorf("%s: %d bytes", name, len(subkey))
		}
		if other, again := seen[string(subkey)]; again {
			t.Errorf("%s and %s are the same", name, other)
		}
		seen[string(subkey)] = name
	}
}

func TestKeyIsNeverPrinted(t *testing.T) {
	t.Parallel()
	k := fixed()
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "key", k, "pointer", &k)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "key", k, "pointer", &k)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%q", "%d"} {
		fmt.Fprintf(&log, verb+verb+"\n", k, &k)
	}
	fmt.Fprintln(&log, k)
	for _, line := range strings.Split(strings.TrimSpace(log.String()), "\n") {
		for _, secret := range []string{"010203", "1 2 3", "0x1, 0x2", "AQID", "\\x01\\x02", "\x01\x02"} {
			if strings.Contains(line, secret) {
				t.Errorf("this shows the key: %s", line)
			}
		}
	}
	if text, err := k.MarshalText(); err == nil {
		t.Errorf("marshalled as %s", text)
	}
}

func FuzzEnvelope(f *testing.F) {
	r, stranger := NewKeyring(fixed()), NewKeyring(NewKey())
	f.Add("cred/wx1/access_token", []byte("value"), uint(0), "cred/wx2/access_token")
	f.Add("", []byte(nil), uint(300), "a")
	f.Fuzz(func(t *testing.T, key string, value []byte, bit uint, other string) {
		refused := func(what string, r *Keyring, key string, sealed []byte) {
			got, err := r.open(key, sealed)
			if err == nil || got != nil || !errors.Is(err, store.ErrUnreadable) {
				t.Errorf("%s: opened as %q, %v", what, got, err)
			}
		}
		sealed := r.seal(key, value)
		if got, err := r.open(key, sealed); err != nil || !bytes.Equal(got, value) {
			t.Fatalf("sealed and opened: %q, %v", got, err)
		}
		refused("garbage", r, key, value)
		refused("another key", stranger, key, sealed)
		if other != key {
			refused("another record", r, other, sealed)
		}
		refused("cut", r, key, sealed[:bit%uint(len(sealed))])
		refused("longer", r, key, append(bytes.Clone(sealed), 0))
		sealed[bit/8%uint(len(sealed))] ^= 1 << (bit % 8)
		refused("a bit flipped", r, key, sealed)
	})
}

func BenchmarkSealOpen(b *testing.B) {
	r, value := NewKeyring(NewKey()), make([]byte, 600)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.open("cred/wx1/access_token", r.seal("cred/wx1/access_token", value)); err != nil {
			b.Fatal(err)
		}
	}
}
