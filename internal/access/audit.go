package access

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	// auditWait is how long a record may take to be written. A sink that is
	// stuck fails, it does not hang who asks.
	auditWait = 2 * time.Second
	// auditBacklog bounds what waits for a slow sink.
	auditBacklog = 1 << 20
)

var (
	errStuck  = errors.New("the audit sink does not take what is written to it")
	errClosed = errors.New("the audit sink is closed")
)

// Audit appends records to a file or to standard output, one JSON object in a
// line. Records that arrive together are written and synced together. All
// methods are safe for concurrent use.
type Audit struct {
	path     string // empty: standard output
	required bool
	running  sync.WaitGroup
	wake     chan struct{}

	mu      sync.Mutex
	closed  bool
	next    *batch    // what the writer takes next
	writing time.Time // when the write under way began; zero: none
	out     *os.File
	old     *os.File // replaced by Reopen, for the writer to close
}

// batch is records that are written with one call; err is valid once done is
// closed.
type batch struct {
	lines []byte
	done  chan struct{}
	err   error
}

// OpenAudit opens the sink: the file at path, made with mode 0600 where there
// is none, or standard output where path is empty. With required, what is
// written to a regular file is synced before it counts as written.
func OpenAudit(path string, required bool) (*Audit, error) {
	a := &Audit{path: path, required: required, out: os.Stdout, wake: make(chan struct{}, 1), next: newBatch()}
	if path != "" {
		out, err := openSink(path)
		if err != nil {
			return nil, err
		}
		a.out = out
	}
	a.running.Go(a.run)
	return a, nil
}

func openSink(path string) (*os.File, error) {
	// Without O_NONBLOCK a named pipe that nobody reads would hold up the start.
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the audit file: %w", err)
	}
	return f, nil
}

// Reopen opens the file anew, after something moved it away; standard output
// stays as it is. Where that fails the old file stays in use.
func (a *Audit) Reopen() error {
	if a.path == "" {
		return nil
	}
	f, err := openSink(a.path)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return errors.Join(errClosed, f.Close())
	}
	// The writer may be using the first of several old files: it closes that
	// one, and what came in between was never used.
	if a.old == nil {
		a.old = a.out
	} else {
		_ = a.out.Close()
	}
	a.out = f
	return nil
}

// Close writes what is waiting and ends the writer, within auditWait. Later
// records fail. A second Close does nothing.
func (a *Audit) Close() error {
	a.mu.Lock()
	if a.closed {
		a.mu.Unlock()
		return nil
	}
	a.closed = true
	last := a.next
	close(a.wake)
	a.mu.Unlock()
	if err := last.wait(); err != nil {
		return err
	}
	a.running.Wait()
	return nil
}

// append puts a record into the next batch and returns that batch.
func (a *Audit) append(line []byte) *batch {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.closed:
		return failed(errClosed)
	case len(a.next.lines)+len(line) > auditBacklog,
		!a.writing.IsZero() && time.Since(a.writing) > auditWait:
		return failed(errStuck)
	}
	a.next.lines = append(a.next.lines, line...)
	select {
	case a.wake <- struct{}{}:
	default:
	}
	return a.next
}

func newBatch() *batch { return &batch{done: make(chan struct{})} }

func failed(err error) *batch {
	b := newBatch()
	b.err = err
	close(b.done)
	return b
}

// wait returns once the batch is written, or has failed, or auditWait is over.
func (b *batch) wait() error {
	late := time.NewTimer(auditWait)
	defer late.Stop()
	select {
	case <-b.done:
		return b.err
	case <-late.C:
		return errStuck
	}
}

// run writes one batch after the other. It is the only one to write, so that a
// stuck write holds up no lock.
func (a *Audit) run() {
	torn := false // the last write broke off, maybe inside a line
	for open := true; open; {
		_, open = <-a.wake
		a.mu.Lock()
		b, out, old := a.next, a.out, a.old
		a.next, a.old, a.writing = newBatch(), nil, time.Now()
		a.mu.Unlock()

		if old != nil {
			_ = old.Close()
			torn = false
		}
		if b.err = a.write(out, b.lines, torn); b.err != nil {
			torn = true
		} else if len(b.lines) > 0 {
			torn = false
		}
		a.mu.Lock()
		a.writing = time.Time{}
		a.mu.Unlock()
		close(b.done)
		if !open && a.path != "" {
			_ = out.Close()
		}
	}
}

func (a *Audit) write(out *os.File, lines []byte, torn bool) error {
	if len(lines) == 0 {
		return nil
	}
	if torn {
		lines = append([]byte{'\n'}, lines...)
	}
	if _, err := out.Write(lines); err != nil {
		return fmt.Errorf("write the audit record: %w", err)
	}
	if !a.required {
		return nil
	}
	if info, err := out.Stat(); err != nil || !info.Mode().IsRegular() {
		return err
	}
	if err := out.Sync(); err != nil {
		return fmt.Errorf("sync the audit file: %w", err)
	}
	return nil
}
