package redis

import (
	"crypto/sha1" //nolint:gosec // names bytes that nobody chose
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hufu-project/hufu/internal/store"
)

// A record is one string under its own key: a line, and then the value.
//
//	1 1763810000123-0-9f3c51d2a0b1c2d3 1763810000123456 1763817200123456\n<value>
//	format, version, Written, Expires
//
// The times are microseconds since 1970, an Expires of 0 is never. A version
// is the id of the stream's entry that tells of the write, and a random part:
// ids repeat once Redis has lost its last writes.
const format = "1"

// parse gives the record that is under key. Bytes that do not add up give one
// without dates whose version is made of the bytes as they are, so that a
// compare-and-swap still works; the scripts do the same. Those of a later
// format have no version.
func parse(key, raw string, now time.Time) (store.Record, error) {
	r := store.Record{Key: key, Now: now}
	head, value, _ := strings.Cut(raw, "\n")
	f := strings.Split(head, " ")
	if len(f) == 4 && f[0] == format {
		written, err1 := strconv.ParseInt(f[2], 10, 64)
		expires, err2 := strconv.ParseInt(f[3], 10, 64)
		if err1 == nil && err2 == nil && len(head) < len(raw) {
			r.Version, r.Written, r.Value = f[1], micro(written), []byte(value)
			if expires != 0 {
				r.Expires = micro(expires)
			}
			return r, nil
		}
	}
	sum := sha1.Sum([]byte(raw))
	r.Version = "unreadable-" + hex.EncodeToString(sum[:])
	if other, ok := otherFormat(f[0]); ok {
		r.Version = ""
		return r, fmt.Errorf("%w: %s: its format is %s, and this hufu reads format %s: %w", store.ErrUnreadable, key, other, format, store.ErrLater)
	}
	return r, fmt.Errorf("%w: %s: its bytes are damaged", store.ErrUnreadable, key)
}

func otherFormat(first string) (string, bool) {
	n, err := strconv.Atoi(first)
	return first, err == nil && n > 1 && n < 100
}

func micro(n int64) time.Time { return time.UnixMicro(n).UTC() }

// live reports whether r has not expired.
func live(r store.Record) bool { return r.Expires.IsZero() || r.Now.Before(r.Expires) }
