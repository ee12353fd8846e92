package access

import (
	"crypto/rand"
	"crypto/sha256"
	"hash/crc32"

	"github.com/hufu-project/hufu/internal/credential"
)

// A client key:
//
//	hufu_ 7Qm2ZxR9aVtLw0YcN5sKdE3uJhBgT4fPiO8r1X kC0mQz   (without the blanks)
//	      38 letters and digits, drawn           checksum
//
// The 38 letters and digits carry 226 bits. The last six are the CRC32 of all
// before them, so that a scanner of leaked secrets can tell a key from a word,
// and a key that lost a character is refused before anything is looked up.
const (
	keyPrefix = "hufu_"
	keyDrawn  = 38
	keySum    = 6
	keyLen    = len(keyPrefix) + keyDrawn + keySum
	minKey    = len(keyPrefix) + 22 + keySum
	maxKey    = 128
	base62    = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// NewKey draws a client key and returns it with its SHA-256, which is all that
// a configuration file or the store ever holds of it.
func NewKey() (credential.Secret, [32]byte) {
	key := make([]byte, 0, keyLen)
	key = append(key, keyPrefix...)
	var draw [64]byte
	for len(key) < len(keyPrefix)+keyDrawn {
		_, _ = rand.Read(draw[:]) // never fails: crypto/rand ends the program instead
		for _, b := range draw {
			// 248 is four times 62: what lies above would favour some letters.
			if b < 248 && len(key) < len(keyPrefix)+keyDrawn {
				key = append(key, base62[b%62])
			}
		}
	}
	sum := checksum(string(key))
	key = append(key, sum[:]...)
	return credential.NewSecret(string(key)), sha256.Sum256(key)
}

// wellFormed reports whether key could have come from NewKey, or from the
// NewKey of another version: any length that fits a header, any letters.
func wellFormed(key string) bool {
	if len(key) < minKey || len(key) > maxKey || key[:len(keyPrefix)] != keyPrefix {
		return false
	}
	body := len(key) - keySum
	sum := checksum(key[:body])
	return key[body:] == string(sum[:])
}

// checksum writes the CRC32 (IEEE) of s in six digits of base 62, most
// significant first. It goes byte by byte: the package's own functions take
// no string, and a copy would be the read path's only allocation in here.
func checksum(s string) (sum [keySum]byte) {
	crc := ^uint32(0)
	for i := range len(s) {
		crc = crc32.IEEETable[byte(crc)^s[i]] ^ crc>>8
	}
	crc = ^crc
	for i := keySum - 1; i >= 0; i-- {
		sum[i] = base62[crc%62]
		crc /= 62
	}
	return sum
}

// hashKey is the SHA-256 of a well-formed key.
func hashKey(key string) [32]byte {
	var b [maxKey]byte // on the stack, unlike a conversion
	return sha256.Sum256(b[:copy(b[:], key)])
}
