package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/web"
)

// maxInMemory is how much of a body is kept in memory; a longer one is in a
// file without a name. maxOfAll is how much of all bodies together is kept in
// memory; what comes when that is used up is in a file, however short.
const (
	maxInMemory = 1 << 20
	maxOfAll    = 64 << 20
)

// room is what bodies use of maxOfAll.
type room struct{ used atomic.Int64 }

func (m *room) take(n int64) bool {
	if m.used.Add(n) <= maxOfAll {
		return true
	}
	m.used.Add(-n)
	return false
}

// body is what a program sent, whole, so that it can be sent on twice. nil is a
// call without one.
type body struct {
	size   int64
	memory []byte
	file   *os.File

	room  *room
	taken int64 // of the room
}

// receive takes a body of at most limit bytes in, until end at the latest. WeChat
// sees nothing of a call whose body breaks off. The error is a Problem, or of the
// disk.
func receive(w http.ResponseWriter, r *http.Request, limit config.Size, end time.Time, all *room) (_ *body, err error) {
	b := &body{room: all}
	if r.Body == nil || r.Body == http.NoBody {
		return b, nil
	}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	// A recorder in a test has no deadline to set; a connection always has.
	control := http.NewResponseController(w)
	in := http.MaxBytesReader(w, &patient{ReadCloser: r.Body, control: control, end: end}, int64(limit))
	announced := r.ContentLength
	if announced < 0 {
		announced = maxInMemory
	}
	if announced <= maxInMemory && all.take(announced) {
		b.taken = announced
		var memory bytes.Buffer
		// What is announced may never come.
		memory.Grow(int(min(announced, 64<<10)) + bytes.MinRead)
		_, err = memory.ReadFrom(io.LimitReader(in, maxInMemory+1))
		b.memory, b.size = memory.Bytes(), int64(memory.Len())
	}
	if err == nil && (b.taken == 0 || b.size > maxInMemory) {
		err = b.spill(in)
	}
	switch {
	case err == nil:
		// What came in chunks has taken room for the longest there may be.
		if rest := b.taken - int64(cap(b.memory)); rest > 0 {
			all.used.Add(-rest)
			b.taken -= rest
		}
		// What is left of the deadline must not end the wait for the answer.
		_ = control.SetReadDeadline(time.Time{})
		return b, nil
	case errors.As(err, new(*http.MaxBytesError)):
		return nil, tooLong(limit)
	case errors.As(err, new(*os.PathError)):
		return nil, fmt.Errorf("keep the body of a call: %w", err)
	}
	return nil, web.BadRequest("the body broke off", "")
}

func tooLong(limit config.Size) error {
	return web.TooLarge(fmt.Sprintf("the body is longer than %s", limit), "gateway.max_body is the bound")
}

// spill moves the body to a file, with what is still to come.
func (b *body) spill(rest io.Reader) error {
	f, err := os.CreateTemp("", "hufu-body-*")
	if err != nil {
		return err
	}
	b.file = f
	// From here on nobody finds it, and it goes with the process.
	if err := os.Remove(f.Name()); err != nil {
		return err
	}
	if _, err := f.Write(b.memory); err != nil {
		return err
	}
	b.memory = nil
	b.leave()
	n, err := io.Copy(f, rest)
	b.size += n
	return err
}

// open gives the body from its beginning; each time the same.
func (b *body) open() (io.ReadCloser, error) {
	if b.file != nil {
		return io.NopCloser(io.NewSectionReader(b.file, 0, b.size)), nil
	}
	return io.NopCloser(bytes.NewReader(b.memory)), nil
}

func (b *body) close() {
	if b == nil {
		return
	}
	b.leave()
	if b.file != nil {
		_ = b.file.Close()
	}
}

// leave gives back what the body took of the room.
func (b *body) leave() {
	if b.room != nil {
		b.room.used.Add(-b.taken)
		b.taken = 0
	}
}

// patient lets a program be silent for idleTime between two pieces, more or less,
// but not drip for ever.
type patient struct {
	io.ReadCloser
	control  *http.ResponseController
	set, end time.Time
}

func (p *patient) Read(b []byte) (int, error) {
	if now := time.Now(); now.Sub(p.set) > time.Second {
		p.set = now
		by := now.Add(idleTime)
		if by.After(p.end) {
			by = p.end
		}
		_ = p.control.SetReadDeadline(by)
	}
	return p.ReadCloser.Read(b)
}
