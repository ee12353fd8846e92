package gateway

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/hufu-project/hufu/internal/credential"
)

// maxPeek is how much of an answer is read before it is decided whether it is
// an error. Errors of WeChat's have some hundred bytes; what is longer is none.
const maxPeek = 16 << 10

// answer is an answer of WeChat's, of which the beginning is read.
type answer struct {
	resp    *http.Response
	token   credential.Secret // that was sent
	begin   []byte            // of the body
	whole   bool              // begin is all of it
	broken  error             // what begin ended with, if that was not the end of the body
	errcode int               // at the top level, if the body is a JSON object and short
	buffer  *[]byte
}

// buffers are for the beginnings of answers, and for what passes through.
var buffers = sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}

// peek reads the beginning of an answer: all of it where it is short and could
// be a JSON object, whatever its content type says, since WeChat sends JSON as
// text/plain and errors in the place of pictures. Else only enough to see that.
func (c *call) peek(resp *http.Response, token credential.Secret) *answer {
	a := &answer{resp: resp, token: token, buffer: buffers.Get().(*[]byte)}
	buf := (*a.buffer)[:maxPeek]
	n := 0
	for n < len(buf) && a.broken == nil {
		if n > 0 { // the head of the answer has not used up its time
			c.clock.allow(idleTime)
		}
		var m int
		m, a.broken = resp.Body.Read(buf[n:])
		n += m
		if resp.ContentLength > maxPeek || !maybeObject(buf[:n]) {
			break
		}
		// Most answers say how long they are: then there is no need to wait for
		// the end, which net/http may tell separately.
		if int64(n) == resp.ContentLength {
			a.broken = io.EOF
		}
	}
	a.begin = buf[:n]
	if a.broken == io.EOF {
		a.whole, a.broken = true, nil
	}
	if a.whole && resp.StatusCode == http.StatusOK {
		a.errcode = errcodeOf(a.begin)
	}
	return a
}

// relay passes an answer on. An answer that breaks off breaks off for the
// program too.
func (c *call) relay(a *answer) error {
	defer a.resp.Body.Close()
	defer buffers.Put(a.buffer)
	c.errcode = a.errcode
	h := c.w.Header()
	incoming(h, a.resp.Header, a.token.Reveal())
	if a.resp.ContentLength >= 0 && h["Content-Length"] == nil {
		h["Content-Length"] = []string{strconv.FormatInt(a.resp.ContentLength, 10)}
	}
	if h["Content-Type"] == nil {
		h["Content-Type"] = nil // or else net/http guesses
	}
	if c.r.Header["X-Hufu-Debug"] != nil {
		h["X-Hufu-Heal"] = []string{strconv.Itoa(c.heals)}
		h["X-Hufu-Path"] = []string{c.pattern}
	}
	token := []byte(a.token.Reveal())
	mask(a.begin, token)
	held := 0
	if !a.whole {
		held = begun(a.begin, token)
	}
	control := http.NewResponseController(c.w)
	_ = control.SetWriteDeadline(time.Now().Add(idleTime))
	c.w.WriteHeader(a.resp.StatusCode)
	_, err := c.w.Write(a.begin[:len(a.begin)-held])
	if err == nil && !a.whole {
		err = c.stream(a, control, token, held)
	}
	switch {
	case err == nil:
		c.result = passed
		return nil
	case c.r.Context().Err() == nil && !isWrite(err):
		c.result = failed
	}
	// What has come is shown first: some programs send a call again whose
	// connection ends before the answer begins.
	_ = control.Flush()
	panic(http.ErrAbortHandler) // the one way to break an answer off
}

// stream passes on what follows the beginning of an answer, piece by piece as it
// comes. The last bytes of the beginning, held of them, may be those of a token.
func (c *call) stream(a *answer, control *http.ResponseController, token []byte, held int) error {
	if a.broken != nil {
		return a.broken
	}
	buf := *a.buffer
	copy(buf, a.begin[len(a.begin)-held:])
	for {
		if err := control.Flush(); err != nil {
			return writeError{err}
		}
		c.clock.allow(idleTime)
		n, err := a.resp.Body.Read(buf[held:])
		c.clock.rest() // the program has a deadline of its own
		text := buf[:held+n]
		mask(text, token)
		if held = begun(text, token); err == io.EOF {
			held = 0
		}
		ready := text[:len(text)-held]
		if len(ready) > 0 {
			_ = control.SetWriteDeadline(time.Now().Add(idleTime))
			if _, err := c.w.Write(ready); err != nil {
				return writeError{err}
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		copy(buf, text[len(ready):])
	}
}

// writeError is that the program takes no more.
type writeError struct{ error }

func isWrite(err error) bool {
	_, ok := err.(writeError)
	return ok
}

// mask makes a token unreadable that WeChat quotes in an answer, as its calls
// for debugging do, or that something between us quotes with the address.
func mask(text, token []byte) {
	if len(token) == 0 {
		return
	}
	for {
		at := bytes.Index(text, token)
		if at < 0 {
			return
		}
		for i := range token {
			text[at+i] = '*'
		}
		text = text[at+len(token):]
	}
}

// begun is how many bytes at the end of text may be the beginning of a token
// whose rest is still to come.
func begun(text, token []byte) int {
	for n := min(len(text), len(token)-1); n > 0; n-- {
		if bytes.HasPrefix(token, text[len(text)-n:]) {
			return n
		}
	}
	return 0
}
