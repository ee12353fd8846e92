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

// MarshalText fails: a key is written by LoadOrCreateKey alone.
func (k Key) MarshalText() ([]byte, error) {
	return nil, errors.New("a master key is not marshalled")
}

// A key file is one line, of mode 0600:
//
//	hufu-master-key-1 q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=
const keyPrefix = "hufu-master-key-1 "

// LoadOrCreateKey reads the master key from the file at path. Where there is no
// such file it draws a key and makes the file, but only if mayCreate: the store
// must be known to be empty (see Empty), for a new key opens nothing that is
// there already. It refuses a file that others than its owner may read, and a
// key that is short or not random.
func LoadOrCreateKey(path string, mayCreate bool) (Key, error) {
	k, err := loadKey(path)
	if mayCreate && errors.Is(err, fs.ErrNotExist) {
		k = NewKey()
		if err := k.save(path); err != nil {
			return Key{}, fmt.Errorf("make master key file: %w", err)
		}
		return k, nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w; the store already holds records, or is shared with others: put the key file that belongs to it there", err)
	}
	if err != nil {
		return Key{}, fmt.Errorf("master key file: %w", err)
	}
	return k, nil
}

func loadKey(path string) (Key, error) {
	var k Key
	f, err := os.Open(path)
	if err != nil {
		return k, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return k, err
	case info.IsDir():
		return k, fmt.Errorf("%s is a directory", path)
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		return k, fmt.Errorf("%s may be read by others than its owner (mode %04o); chmod 600 %s", path, info.Mode().Perm(), path)
	}
	text, err := io.ReadAll(io.LimitReader(f, 256)) // more than a key file has
	if err != nil {
		return k, err
	}
	encoded, ok := bytes.CutPrefix(bytes.TrimSpace(text), []byte(keyPrefix))
	if !ok {
		return k, fmt.Errorf("%s is not a master key file: it must be one line that begins with %q", path, keyPrefix)
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

// save makes the file whole or not at all: a store must not be sealed by a key
// of which the disk holds a half.
func (k Key) save(path string) (err error) {
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
	_, err = fmt.Fprintf(f, "%s%s\n", keyPrefix, base64.StdEncoding.EncodeToString(k.bytes[:]))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
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
