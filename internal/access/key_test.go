package access

import (
	"crypto/sha256"
	"hash/crc32"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestKeyCarriesAChecksum(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 1000 {
		secret, sum := NewKey()
		key := secret.Reveal()
		if !wellFormed(key) || len(key) != keyLen || !strings.HasPrefix(key, keyPrefix) {
			t.Fatalf("NewKey gave %q", key)
		}
		if sum != sha256.Sum256([]byte(key)) || hashKey(key) != sum {
			t.Fatalf("the hash of %q is another", key)
		}
		if strings.Trim(key[len(keyPrefix):], base62) != "" {
			t.Fatalf("%q holds more than letters and digits", key)
		}
		if seen[key] {
			t.Fatalf("%q came twice", key)
		}
		seen[key] = true
	}
}

func TestChecksumIsCRC32(t *testing.T) {
	t.Parallel()
	want := crc32.ChecksumIEEE([]byte("hufu_123456789"))
	var got uint32
	for _, c := range checksum("hufu_123456789") {
		got = got*62 + uint32(strings.IndexByte(base62, c))
	}
	if got != want {
		t.Errorf("checksum is %08x, want %08x", got, want)
	}
}

// TestOneWrongLetterIsNoticed, and one that is missing, or two that changed
// places: before anything is looked up.
func TestOneWrongLetterIsNoticed(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		secret, _ := NewKey()
		key := []byte(secret.Reveal())
		i := rapid.IntRange(0, len(key)-2).Draw(t, "i")
		switch rapid.IntRange(0, 2).Draw(t, "how") {
		case 0:
			if c := rapid.Byte().Draw(t, "c"); c != key[i] {
				key[i] = c
				break
			}
			return
		case 1:
			key = append(key[:i], key[i+1:]...)
		case 2:
			if key[i] == key[i+1] {
				return
			}
			key[i], key[i+1] = key[i+1], key[i]
		}
		if wellFormed(string(key)) {
			t.Fatalf("%q passes for a key", key)
		}
	})
}

func FuzzKey(f *testing.F) {
	secret, _ := NewKey()
	for _, s := range []string{"", "hufu_", secret.Reveal(), secret.Reveal() + "x", strings.Repeat("hufu_", 99)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !wellFormed(s) {
			return
		}
		if len(s) > maxKey || len(s) < minKey || !strings.HasPrefix(s, keyPrefix) {
			t.Errorf("%q passes for a key", s)
		}
	})
}
