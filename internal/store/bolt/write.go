package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"github.com/hufu-project/hufu/internal/store"
)

// write is one Put or Delete on its way through the writer.
type write struct {
	key, version string
	record       layout        // nil: delete
	life         time.Duration // 0: for ever
	answer       chan struct{} // closed when the rest is filled in
	written      store.Record
	err          error
}

// Put returns when the record is on the disk. The Value of the record it
// returns is the caller's own.
func (s *Store) Put(ctx context.Context, r store.Record) (store.Record, error) {
	life, err := r.Life()
	if err != nil {
		return r, err
	}
	w := &write{key: r.Key, version: r.Version, record: newLayout(r.Value), life: life}
	if err := s.write(ctx, w); err != nil {
		return r, err
	}
	w.written.Value = r.Value
	return w.written, nil
}

// Delete returns when the record is gone from the disk.
func (s *Store) Delete(ctx context.Context, key, version string) error {
	return s.write(ctx, &write{key: key, version: version})
}

// write hands w to the writer and waits. Until the writer has taken it nothing
// can have been written.
func (s *Store) write(ctx context.Context, w *write) error {
	if err := errors.Join(store.CheckKey(w.key, maxKey), s.usable(ctx)); err != nil {
		return err
	}
	w.answer = make(chan struct{})
	select {
	case s.writes <- w:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.closed:
		return errClosed
	}
	return w.wait(ctx)
}

// wait is for a write that the writer has taken: it will be done, or not,
// whether anybody waits or not.
func (w *write) wait(ctx context.Context) error {
	select {
	case <-w.answer:
		return w.err
	case <-ctx.Done():
		return fmt.Errorf("%w: %s: %w", store.ErrUnsure, w.key, ctx.Err())
	}
}

// batchSize bounds one commit.
const batchSize = 256

// run is the writer. A lone write is committed at once; writes that come while
// a commit is under way share the next one.
func (s *Store) run() {
	var again <-chan time.Time // set while there is no space
	for {
		select {
		case <-s.closed:
			return
		case w := <-s.writes:
			s.commit(s.gather(w))
		case <-again:
			if s.repair() == nil {
				s.watchers.Changed("")
			}
			again = nil
		}
		if cause := s.broken.Load(); cause != nil && again == nil && full(*cause) {
			again = time.After(repairEvery)
		}
	}
}

func (s *Store) gather(w *write) []*write {
	batch := []*write{w}
	for len(batch) < batchSize {
		select {
		case w := <-s.writes:
			batch = append(batch, w)
		default:
			return batch
		}
	}
	return batch
}

// commit answers every write of the batch, after the watchers were told.
func (s *Store) commit(batch []*write) {
	err := s.usable(context.Background())
	if err == nil {
		if cause := s.transact(batch); cause != nil {
			s.broken.Store(&cause)
			s.watchers.Changed("")
			err = fmt.Errorf("%w: %w", store.ErrUnsure, cause)
		}
	}
	for _, w := range batch {
		if err != nil {
			w.err = err
		} else if w.err == nil {
			s.watchers.Changed(w.key)
		}
		close(w.answer)
	}
}

// transact fails only if the batch as a whole did; then nobody knows whether
// it is on the disk.
func (s *Store) transact(batch []*write) (err error) {
	defer survive(&err)()
	tx, err := s.db.Begin(true)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after a commit
	b := tx.Bucket(bucket)
	now := s.clock.now()
	changed := 0
	for _, w := range batch {
		if w.err = s.apply(b, w, now); w.err == nil {
			changed++
		}
	}
	if changed == 0 {
		return nil
	}
	if err := s.sweep(b, now, sweepPerWrite*changed); err != nil {
		return err
	}
	return tx.Commit()
}

// apply does w inside the transaction, or nothing at all if it says why not.
func (s *Store) apply(b *bbolt.Bucket, w *write, now time.Time) error {
	key := []byte(w.key)
	there, version := false, ""
	if raw := b.Get(key); raw != nil {
		r, err := layout(raw).record(w.key)
		if there = err != nil || live(r, now); there {
			version = r.Version
		}
	}
	switch {
	case w.record == nil && !there:
		return store.ErrNotFound
	case w.version != version:
		return store.ErrConflict
	case w.record == nil:
		return b.Delete(key)
	}
	number, err := b.NextSequence()
	if err != nil {
		return err
	}
	var expires time.Time
	if w.life > 0 {
		expires = now.Add(w.life)
	}
	w.record.fill(w.key, number, s.incarnation, now, expires)
	w.written, err = w.record.record(w.key)
	w.written.Now = now
	if err != nil {
		return err
	}
	return b.Put(key, w.record)
}

// sweepPerWrite is how many records the sweep looks at for each write. As a
// write leaves at most one record behind and the sweep looks at more than one,
// it comes round before the expired can outnumber the living for long.
const sweepPerWrite = 8

// sweep goes on from where it was last, round and round, and takes expired
// records out of the file.
func (s *Store) sweep(b *bbolt.Bucket, now time.Time, count int) error {
	var expired [][]byte
	c := b.Cursor()
	k, raw := c.Seek(s.swept)
	for ; k != nil && count > 0; k, raw = c.Next() {
		if r, err := layout(raw).record(string(k)); err == nil && !live(r, now) {
			expired = append(expired, bytes.Clone(k))
		}
		count--
	}
	s.swept = bytes.Clone(k) // nil at the end: from the beginning again
	for _, key := range expired {
		if err := b.Delete(key); err != nil {
			return err
		}
	}
	return nil
}
