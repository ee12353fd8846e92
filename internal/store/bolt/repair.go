package bolt

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
)

// repairEvery is how often a store that ran out of space tries again.
const repairEvery = time.Second

// full reports whether a commit failed for want of space. What it left in the
// file is read again once there is space. After any other failure, a sync that
// the disk refused above all, nobody knows what a later sync would mean: then
// only a restart helps.
func full(err error) bool {
	// By its text as well: where a file cannot grow, bbolt keeps no more.
	return slices.ContainsFunc([]error{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG}, func(space error) bool {
		return errors.Is(err, space) || strings.Contains(err.Error(), space.Error())
	})
}

// repair opens the file anew, makes sure that it can be written, and takes the
// store back into service. It is the writer's, so no write is under way.
func (s *Store) repair() error {
	s.file.Lock()
	defer s.file.Unlock()
	if err := s.db.Close(); err != nil {
		return err
	}
	db, err := openDB(s.path, s.open)
	if err != nil {
		return err
	}
	if err := errors.Join(prepare(db, s.path), tryWrite(db)); err != nil {
		return errors.Join(err, db.Close())
	}
	// Writes may be lost, and their numbers be given again: never their
	// versions.
	s.db, s.incarnation = db, newIncarnation()
	s.broken.Store(nil)
	return nil
}

// tryWrite commits a transaction that changes nothing that anybody reads.
func tryWrite(db *bbolt.DB) (err error) {
	defer survive(&err)()
	return db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.Bucket(bucket).NextSequence()
		return err
	})
}

func newIncarnation() uint32 {
	var draw [4]byte
	_, _ = rand.Read(draw[:]) // never fails: crypto/rand ends the program instead
	return binary.BigEndian.Uint32(draw[:])
}

// brokenError says what is the matter, and what helps.
func (s *Store) brokenError(cause error) error {
	if full(cause) {
		return fmt.Errorf("store %s: there is no space left; it goes on by itself once there is: %w", s.path, cause)
	}
	return fmt.Errorf("store %s: an earlier write failed and what is on the disk is unknown; restart hufu when the disk is well: %w", s.path, cause)
}
