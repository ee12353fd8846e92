package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
)

// noise is size bytes of which no two pieces are the same.
func noise(size int) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

func TestMediaGoUpAndComeDownByteForByte(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	for _, size := range []int{0, 1, maxPeek, 19 << 20} {
		want := noise(size)
		var form bytes.Buffer
		m := multipart.NewWriter(&form)
		part, err := m.CreateFormFile("media", "照片.jpg")
		must(t, err)
		_, _ = part.Write(want)
		must(t, m.Close())
		up := w.send(t.Context(), "POST", "/cgi-bin/media/upload?type=image", "one", &form, "Content-Type", m.FormDataContentType())
		var said struct {
			ID string `json:"media_id"`
		}
		if json.Unmarshal([]byte(up.body), &said) != nil || said.ID == "" {
			t.Fatalf("%d bytes: %d %s %v", size, up.status, up.body, up.err)
		}
		down := w.ask("GET", "/cgi-bin/media/get?media_id="+said.ID, "one", "")
		if down.err != nil || !bytes.Equal([]byte(down.body), want) {
			t.Errorf("%d bytes came back as %d, %v", size, len(down.body), down.err)
		}
	}
	if a := w.ask("GET", "/cgi-bin/media/get?media_id=nothing", "one", ""); a.code() != 40007 {
		t.Errorf("%s", a.body)
	}
}

// Not parallel: it counts what the whole process allocates.
func TestLongBodiesPassInLittleMemory(t *testing.T) {
	const size, times = 20 << 20, 4
	w := newWorld(t, options{})
	w.token()
	piece := noise(1 << 20)
	sum := sha256.New()
	for range size / len(piece) {
		sum.Write(piece)
	}
	want := fmt.Sprintf("%x", sum.Sum(nil))
	w.instead("/cgi-bin/media/upload", func(out http.ResponseWriter, r *http.Request) {
		h := sha256.New()
		_, _ = io.Copy(h, r.Body)
		_, _ = fmt.Fprintf(out, "%x", h.Sum(nil))
	})
	w.instead("/cgi-bin/media/get", func(out http.ResponseWriter, _ *http.Request) {
		out.Header().Set("Content-Type", "video/mp4")
		for range size / len(piece) {
			_, _ = out.Write(piece)
		}
	})
	r, err := http.NewRequest("GET", w.url+"/cgi-bin/media/get", nil)
	must(t, err)
	r.Header.Set("X-Hufu-Key", w.keys["one"])
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range times {
		var pieces []io.Reader
		for range size / len(piece) {
			pieces = append(pieces, bytes.NewReader(piece))
		}
		if a := w.send(t.Context(), "POST", "/cgi-bin/media/upload", "one", io.MultiReader(pieces...)); a.body != want {
			t.Errorf("%d %s, want %s", a.status, a.body, want)
		}
		resp, err := w.client.Do(r)
		must(t, err)
		h := sha256.New()
		_, err = io.Copy(h, resp.Body)
		if got := fmt.Sprintf("%x", h.Sum(nil)); got != want || err != nil {
			t.Errorf("%s, %v, want %s", got, err, want)
		}
		resp.Body.Close()
	}
	runtime.ReadMemStats(&after)
	// Two MiB in memory for each body that goes to the disk, as buffers double.
	if used := after.TotalAlloc - before.TotalAlloc; used > times*12<<20 {
		t.Errorf("%d MiB were allocated for %d MiB that passed", used>>20, 2*size*times>>20)
	}
}

// Many bodies of almost 1 MiB at a time must not be a gigabyte.
func TestBodiesAreKeptInSoMuchMemory(t *testing.T) {
	t.Parallel()
	var all room
	take := func(in io.Reader) *body {
		t.Helper()
		b, err := receive(httptest.NewRecorder(), httptest.NewRequest("POST", sendPath, in), 20<<20, time.Now().Add(totalTime), &all)
		must(t, err)
		return b
	}
	check := func(b *body, want []byte, onDisk bool) {
		t.Helper()
		in, err := b.open()
		must(t, err)
		if got, err := io.ReadAll(in); err != nil || !bytes.Equal(got, want) || (b.file != nil) != onDisk {
			t.Errorf("%d bytes of %d, %v; on disk: %v", len(got), len(want), err, b.file != nil)
		}
	}
	long, short := noise(maxInMemory), noise(10)
	var bodies []*body
	for range 2 * maxOfAll / maxInMemory { // nobody knows in advance that they are short
		bodies = append(bodies, take(io.MultiReader(bytes.NewReader(short))))
		check(bodies[len(bodies)-1], short, false)
	}
	for _, b := range bodies {
		b.close()
	}
	bodies = nil
	for range maxOfAll / maxInMemory {
		bodies = append(bodies, take(bytes.NewReader(long)))
		check(bodies[len(bodies)-1], long, false)
	}
	for _, in := range []io.Reader{bytes.NewReader(short), io.MultiReader(bytes.NewReader(short))} { // announced, and not
		b := take(in)
		check(b, short, true)
		b.close()
	}
	bodies[0].close()
	for _, in := range []io.Reader{bytes.NewReader(short), io.MultiReader(bytes.NewReader(short))} {
		b := take(in)
		check(b, short, false)
		b.close()
	}
	longer := take(io.MultiReader(bytes.NewReader(long), bytes.NewReader(short)))
	check(longer, append(long[:len(long):len(long)], short...), true)
	for _, b := range append(bodies[1:], longer) {
		b.close()
	}
	_, err := receive(httptest.NewRecorder(), httptest.NewRequest("POST", sendPath, iotest.ErrReader(io.ErrUnexpectedEOF)), 20<<20, time.Now().Add(totalTime), &all)
	if used := all.used.Load(); err == nil || used != 0 {
		t.Errorf("%v, and %d bytes are taken", err, used)
	}
}

// A program that reads slowly, or sends slowly, has its call all the same.
func TestASlowProgramIsServed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	body, in := io.Pipe()
	go func() {
		for _, c := range message {
			_, _ = io.WriteString(in, string(c))
			time.Sleep(2 * time.Millisecond)
		}
		in.Close()
	}()
	if a := w.send(t.Context(), "POST", sendPath, "one", body); a.code() != 0 || len(w.sim.Messages(shop)) != 1 || w.sim.Messages(shop)[0] != message {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// drip is an answer that never ends, a byte a second.
type drip struct {
	ctx  context.Context
	read atomic.Int64
}

func (d *drip) Read(b []byte) (int, error) {
	select {
	case <-time.After(time.Second):
		b[0] = 'x'
		d.read.Add(1)
		return 1, nil
	case <-d.ctx.Done():
		return 0, context.Cause(d.ctx)
	}
}

func (*drip) Close() error { return nil }

func TestAnEndlessAnswerEnds(t *testing.T) {
	t.Parallel()
	for _, begin := range []string{"", "{"} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			c := &call{w: httptest.NewRecorder(), r: httptest.NewRequest("GET", "/cgi-bin/media/get", nil), began: began}
			c.config = config.Gateway{Timeout: 10 * time.Second}
			c.ctx, c.clock = newClock(t.Context())
			defer c.clock.stop()
			endless := io.MultiReader(strings.NewReader(begin), &drip{ctx: c.ctx})
			a := c.peek(&http.Response{StatusCode: 200, ContentLength: -1, Body: io.NopCloser(endless)}, credential.Secret{})
			defer func() {
				if v := recover(); v != http.ErrAbortHandler || c.result != failed {
					t.Errorf("%v, %s", v, c.result)
				}
				if took := time.Since(began); took > totalTime+idleTime {
					t.Errorf("it took %v", took)
				}
			}()
			_ = c.relay(a)
			t.Error("it ended well")
		})
	}
}

func TestWeChatMayBeSilentForSoLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, c := newClock(t.Context())
		defer c.stop()
		c.allow(10 * time.Second)
		time.Sleep(9 * time.Second)
		c.allow(10 * time.Second)
		time.Sleep(9 * time.Second)
		c.rest()
		time.Sleep(time.Hour)
		if ctx.Err() != nil || c.over() {
			t.Error("over too soon")
		}
		c.allow(time.Second)
		time.Sleep(2 * time.Second)
		if ctx.Err() == nil || !c.over() {
			t.Error("not over")
		}
	})
}

// watched is a writer that knows the deadlines of its connection.
type watched struct {
	*httptest.ResponseRecorder
	read  []time.Time
	write time.Time
}

func (w *watched) SetReadDeadline(t time.Time) error {
	w.read = append(w.read, t)
	return nil
}

func (w *watched) SetWriteDeadline(t time.Time) error {
	w.write = t
	return nil
}

func (w *watched) Write(b []byte) (int, error) {
	if time.Now().After(w.write) {
		return 0, os.ErrDeadlineExceeded
	}
	return w.ResponseRecorder.Write(b)
}

// A long body may be long on its way to WeChat, and so may be a second one.
func TestAnAnswerThatComesLateIsStillTaken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &watched{ResponseRecorder: httptest.NewRecorder()}
		c := &call{w: w, r: httptest.NewRequest("POST", sendPath, strings.NewReader(message))}
		c.ctx, c.clock = newClock(t.Context())
		defer c.clock.stop()
		a := c.peek(&http.Response{StatusCode: 200, ContentLength: -1, Body: io.NopCloser(strings.NewReader("{}"))}, credential.Secret{})
		time.Sleep(8 * time.Minute)
		if err := c.relay(a); err != nil || w.Body.String() != "{}" {
			t.Errorf("%v %q", err, w.Body)
		}
	})
}

// dripped is a body that comes byte by byte.
type dripped struct{ *watched }

func (d dripped) Read(b []byte) (int, error) {
	if by := d.read[len(d.read)-1]; time.Now().Add(20 * time.Second).After(by) {
		time.Sleep(time.Until(by))
		return 0, os.ErrDeadlineExceeded
	}
	time.Sleep(20 * time.Second)
	b[0] = 'x'
	return 1, nil
}

func TestABodyThatDripsEndsWithItsCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &watched{ResponseRecorder: httptest.NewRecorder()}
		began := time.Now()
		_, err := receive(w, httptest.NewRequest("POST", sendPath, dripped{w}), 1<<20, began.Add(totalTime), &room{})
		if took := time.Since(began); err == nil || took != totalTime {
			t.Errorf("%v after %v", err, took)
		}
	})
}

// Or else the wait for WeChat's answer would end with it, as if the program had
// gone.
func TestTheDeadlineOfABodyEndsWithIt(t *testing.T) {
	t.Parallel()
	w := &watched{ResponseRecorder: httptest.NewRecorder()}
	b, err := receive(w, httptest.NewRequest("POST", sendPath, strings.NewReader(message)), 1<<20, time.Now().Add(totalTime), &room{})
	must(t, err)
	b.close()
	if n := len(w.read); n < 2 || w.read[0].IsZero() || !w.read[n-1].IsZero() {
		t.Errorf("%v", w.read)
	}
}
