package sealed

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
)

// Key is a master key: 32 random bytes. It prints as its ID, which says nothing
// about it.
type Key struct{ bytes [keyLen]byte }

const keyLen = 32

// NewKey draws a key.
func NewKey() Key {
	var k Key
	_, _ = rand.Read(k.bytes[:]) // never fails: crypto/rand ends the program instead
	return k
}

// ID is the key's name, 8 hexadecimal digits. Every sealed value carries the
// name of the key that opens it.
func (k Key) ID() string { return fmt.Sprintf("%x", k.id()) }

// String is "master key <ID>".
func (k Key) String() string { return "master key " + k.ID() }

// Format keeps every verb of fmt from the bytes.
func (k Key) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(k.String())) }

// LogValue keeps slog from the bytes.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalText fails: keys are written to a key file alone.
func (k Key) MarshalText() ([]byte, error) {
	return nil, errors.New("a master key is not marshalled")
}

// A key file has one line for each key, the newest first, and mode 0600:
//
//	hufu-master-key-1 q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=
const (
	keyPrefix = "hufu-master-key-1 "
	mostKeys  = 8
)

// LoadOrCreateKeys reads the master keys from the file at path, the newest
// first. Where there is no such file it draws a key and makes the file, but
// only if mayCreate: the store must be known to be empty (see Empty), for a new
// key opens nothing that is there already. It refuses a file that others than
// its owner may read, and a key that is short or not random.
func LoadOrCreateKeys(path string, mayCreate bool) ([]Key, error) {
	keys, err := LoadKeys(path)
	if mayCreate && errors.Is(err, fs.ErrNotExist) {
		keys = []Key{NewKey()}
		if err := SaveKeys(path, keys); err != nil {
			return nil, fmt.Errorf("make master key file: %w", err)
		}
		return keys, nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w; the store already holds records, or is shared with others: put the key file that belongs to it there", err)
	}
	return keys, err
}

// LoadKeys is LoadOrCreateKeys for a file that must be there.
func LoadKeys(path string) ([]Key, error) {
	keys, err := readKeys(path)
	if err != nil {
		return nil, fmt.Errorf("master key file: %w", err)
	}
	return keys, nil
}

func readKeys(path string) ([]Key, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, fmt.Errorf("%s is a directory", path)
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("%s may be read by others than its owner (mode %04o); chmod 600 %s", path, info.Mode().Perm(), path)
	}
	text, err := io.ReadAll(io.LimitReader(f, 1024)) // more than a key file has
	if err != nil {
		return nil, err
	}
	var keys []Key
	for line := range bytes.Lines(bytes.TrimSpace(text)) {
		k, err := parseKey(path, bytes.TrimSpace(line))
		switch {
		case err != nil:
			return nil, err
		case slices.Contains(keys, k):
			return nil, fmt.Errorf("%s holds %s twice", path, k)
		case len(keys) == mostKeys:
			return nil, fmt.Errorf("%s holds more than %d keys; take out those that are not needed any more", path, mostKeys)
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, notKeys(path)
	}
	return keys, nil
}

func notKeys(path string) error {
	return fmt.Errorf("%s is not a master key file: each line must begin with %q", path, keyPrefix)
}

func parseKey(path string, line []byte) (k Key, err error) {
	encoded, ok := bytes.CutPrefix(line, []byte(keyPrefix))
	if !ok {
		return k, notKeys(path)
	}
	// What the decoder has to say could quote the key.
	raw, err := base64.StdEncoding.DecodeString(string(encoded))
	if err != nil || len(raw) != keyLen {
		return k, fmt.Errorf("%s is not a master key file: after %q there must be %d bytes in base64", path, keyPrefix, keyLen)
	}
	if !varied(raw) {
		return k, fmt.Errorf("%s holds a key that is not random; hufu makes a good one when it first opens an empty store", path)
	}
	copy(k.bytes[:], raw)
	return k, nil
}

// varied tells a drawn key from zeros and from a pattern typed by hand: fewer
// than 8 different bytes among 32 random ones never happens.
func varied(raw []byte) bool {
	different := map[byte]bool{}
	for _, b := range raw {
		different[b] = true
	}
	return len(different) >= 8
}

// SaveKeys writes a key file, whole or not at all: a store must not be sealed by
// a key of which the disk holds a half. A file that is there already keeps its
// owner.
func SaveKeys(path string, keys []Key) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".hufu-key-*") // of mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	for _, k := range keys {
		_, wrong := fmt.Fprintf(f, "%s%s\n", keyPrefix, base64.StdEncoding.EncodeToString(k.bytes[:]))
		err = errors.Join(err, wrong)
	}
	if err = errors.Join(err, keepOwner(f, path), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes the entry of a new file in its folder durable.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // a folder cannot be synced there
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
