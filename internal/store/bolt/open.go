package bolt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/hufu-project/hufu/internal/store"
)

// openFile is os.OpenFile; a test hands in one whose file then breaks.
type openFile func(path string, flag int, mode fs.FileMode) (*os.File, error)

// Open opens the store in the file at path and makes the file, with mode 0600,
// where there is none; its folder must exist. It reads the whole file once,
// about a microsecond per record. Where another process holds the file it
// waits a second and then says so.
func Open(path string) (*Store, error) {
	s, err := open(path, os.OpenFile)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, explain(path, err))
	}
	return s, nil
}

func open(path string, file openFile) (_ *Store, err error) {
	db, err := openDB(path, file)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = db.Close()
		}
	}()
	if err := prepare(db, path); err != nil {
		return nil, err
	}
	s := &Store{
		path:        path,
		open:        file,
		db:          db,
		incarnation: newIncarnation(),
		writes:      make(chan *write),
		closed:      make(chan struct{}),
		watchers:    store.NewWatchers(),
	}
	newest, err := s.newest()
	if err != nil {
		return nil, err
	}
	s.clock = newClock(newest)
	s.running.Go(s.run)
	return s, nil
}

func openDB(path string, file openFile) (db *bbolt.DB, err error) {
	defer survive(&err)()
	return bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second, OpenFile: file})
}

// errForeign and errCut say what is wrong with a file; explain adds the way out.
var (
	// ErrInUse: another process has the file open.
	ErrInUse = errors.New("another hufu is running with this file; stop it, or give this one a store of its own")

	errForeign = errors.New("the file is not a Hufu store")
	errCut     = errors.New("the file is shorter than it says")
)

// prepare makes the bucket in a new file and refuses a file that holds
// anything else or has lost its end.
func prepare(db *bbolt.DB, path string) (err error) {
	defer survive(&err)()
	var made bool
	err = db.View(func(tx *bbolt.Tx) error {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if info.Size() < tx.Size() {
			return errCut
		}
		made = tx.Bucket(bucket) != nil
		if first, _ := tx.Cursor().First(); !made && first != nil {
			return errForeign
		}
		return nil
	})
	if err != nil || made {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket(bucket)
		return err
	})
	if err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// newest is the latest date at which a record of the file was written.
func (s *Store) newest() (time.Time, error) {
	var latest time.Time
	err := s.view(func(b *bbolt.Bucket) error {
		return b.ForEach(func(key, raw []byte) error {
			if r, err := layout(raw).record(string(key)); err == nil && r.Written.After(latest) {
				latest = r.Written
			}
			return nil
		})
	})
	return latest, err
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

// explain adds to an error of opening what a person can do about it.
func explain(path string, err error) error {
	dir := filepath.Dir(path)
	hint := ""
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return ErrInUse
	case errors.Is(err, syscall.EISDIR):
		hint = fmt.Sprintf("name a file in it, such as %s", filepath.Join(path, "hufu.db"))
	case errors.Is(err, fs.ErrNotExist):
		hint = fmt.Sprintf("make the folder %s first", dir)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		hint = fmt.Sprintf("the user that runs hufu must be able to write the file and its folder %s", dir)
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrVersionMismatch), errors.Is(err, errForeign):
		return fmt.Errorf("%w; name another file, or move this one away and a new one is made", errForeign)
	case errors.Is(err, errCut), errors.Is(err, errBroken), errors.Is(err, bolterrors.ErrChecksum):
		hint = "the file is damaged: put back a copy of it, or move it away and a new one is made"
	default:
		return err
	}
	return fmt.Errorf("%w; %s", err, hint)
}
