package bolt

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/hufu-project/hufu/internal/store"
)

// layout is how a record lies under its key in the bucket "records". All
// numbers are big-endian.
//
//	offset  bytes
//	     0      1  format, 1
//	     1      4  CRC-32C of the key and of everything from offset 5 on
//	     5      8  number of the write, from the bucket's sequence
//	    13      4  incarnation: drawn at random whenever the file is opened
//	    17      8  Written, nanoseconds since 1970
//	    25      8  Expires, nanoseconds since 1970; 0 is never
//	    33         the value
//
// A version is the number and the incarnation. The number alone would repeat
// once an older copy of the file is put back.
type layout []byte

const (
	format    = 1
	headerLen = 33
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errDamaged is what is wrong with a record that does not add up.
var errDamaged = errors.New("its bytes are damaged")

// newLayout leaves room for the header before value, which it copies.
func newLayout(value []byte) layout {
	l := make(layout, headerLen+len(value))
	copy(l[headerLen:], value)
	return l
}

// fill writes the header, the checksum last.
func (l layout) fill(key string, number uint64, incarnation uint32, written, expires time.Time) {
	l[0] = format
	binary.BigEndian.PutUint64(l[5:], number)
	binary.BigEndian.PutUint32(l[13:], incarnation)
	binary.BigEndian.PutUint64(l[17:], uint64(written.UnixNano()))
	var end int64
	if !expires.IsZero() {
		end = expires.UnixNano()
	}
	binary.BigEndian.PutUint64(l[25:], uint64(end))
	binary.BigEndian.PutUint32(l[1:], l.sum(key))
}

func (l layout) sum(key string) uint32 {
	return crc32.Update(crc32.Checksum([]byte(key), castagnoli), castagnoli, l[5:])
}

// record reads everything but the value, which the caller copies if it needs
// it. Bytes that do not add up give a record without dates whose version is
// made of the bytes as they are, so that a compare-and-swap still works.
func (l layout) record(key string) (store.Record, error) {
	var problem error
	switch {
	case len(l) < headerLen:
		problem = errDamaged
	case l[0] != format:
		problem = fmt.Errorf("its format is %d, and this hufu reads format %d", l[0], format)
	case l.sum(key) != binary.BigEndian.Uint32(l[1:]):
		problem = errDamaged
	}
	if problem != nil {
		r := store.Record{Key: key, Version: fmt.Sprintf("unreadable-%d-%08x", len(l), crc32.Checksum(l, castagnoli))}
		return r, fmt.Errorf("%w: %s: %w", store.ErrUnreadable, key, problem)
	}
	r := store.Record{
		Key:     key,
		Version: hex.EncodeToString(l[5:13]) + "-" + hex.EncodeToString(l[13:17]),
		Written: l.time(17),
	}
	if binary.BigEndian.Uint64(l[25:]) != 0 {
		r.Expires = l.time(25)
	}
	return r, nil
}

func (l layout) time(offset int) time.Time {
	return time.Unix(0, int64(binary.BigEndian.Uint64(l[offset:]))).UTC()
}

// live reports whether r has not expired at now.
func live(r store.Record, now time.Time) bool {
	return r.Expires.IsZero() || now.Before(r.Expires)
}

// maxKey is far above what we use, and below bbolt's own 32768.
const maxKey = 4096
