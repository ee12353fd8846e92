package web

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hufu-project/hufu/internal/access"
)

// framed is a row of testdata/framing.jsonl: bytes on the wire (each rune of
// raw up to U+00FF is one byte, {c*n} is c n times), the statuses that may come
// back first (0: none), and how many requests a handler may see at most.
type framed struct {
	ID     string `json:"id"`
	Raw    string `json:"raw"`
	Status []int  `json:"status"`
	Most   int    `json:"most"`
	Why    string `json:"why"`
}

var times = regexp.MustCompile(`\{(.)\*(\d+)\}`)

func (f framed) bytes() []byte {
	raw := times.ReplaceAllStringFunc(f.Raw, func(s string) string {
		m := times.FindStringSubmatch(s)
		n, _ := strconv.Atoi(m[2])
		return strings.Repeat(m[1], n)
	})
	var b []byte
	for _, r := range raw {
		if r > 0xff {
			b = append(b, string(r)...)
		} else {
			b = append(b, byte(r))
		}
	}
	return b
}

func TestFraming(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/framing.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(data) {
		var row framed
		if err := json.Unmarshal(line, &row); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		t.Run(row.ID, func(t *testing.T) {
			t.Parallel()
			var seen atomic.Int64
			s := NewSurface(discard())
			s.Handle("", "/p", func(w http.ResponseWriter, r *http.Request, _ access.Request) error {
				seen.Add(1)
				key, p := ClientKey(r)
				switch {
				case p != nil:
					return p
				case r.Method == http.MethodGet && key != "K":
					return access.ErrUnauthorized
				case r.Method == http.MethodPost:
					if _, err := Body(w, r); err != nil {
						return err
					}
				}
				return ok(w, nil, access.Request{})
			})
			s.Handle("", "/smuggled", func(http.ResponseWriter, *http.Request, access.Request) error {
				t.Error("a smuggled request was served")
				return NotFound()
			})
			addr := serve(t, s)
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			go func() {
				_, _ = c.Write(row.bytes())
				_ = c.(*net.TCPConn).CloseWrite()
			}()
			status := 0
			in := bufio.NewReader(c)
			if first, err := in.ReadString('\n'); err == nil {
				status, _ = strconv.Atoi(strings.Fields(first)[1])
			}
			_, _ = io.Copy(io.Discard, in)
			if !slices.Contains(row.Status, status) {
				t.Errorf("%s: %d, want %v", row.Why, status, row.Status)
			}
			if row.Most > 0 && seen.Load() > int64(row.Most) {
				t.Errorf("%s: %d requests were seen", row.Why, seen.Load())
			}
			if s.Panics() > 0 {
				t.Errorf("%s: a panic", row.Why)
			}
		})
	}
}

// serve serves h on loopback until the test ends.
func serve(t testing.TB, h http.Handler) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := NewServer(context.Background(), h, nil, discard())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(ln)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return ln.Addr().String()
}

// pipes is a listener of connections without a network, for synctest.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func newPipes() pipes { return pipes{make(chan net.Conn), make(chan struct{})} }

func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}
func (p pipes) Close() error   { close(p.closed); return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p pipes) dial() net.Conn {
	ours, theirs := net.Pipe()
	p.conns <- theirs
	return ours
}

// bubble serves h in a bubble of its own time.
func bubble(t *testing.T, h http.Handler, test func(t *testing.T, server *http.Server, p pipes)) {
	synctest.Test(t, func(t *testing.T) {
		server, p := NewServer(context.Background(), h, nil, discard()), newPipes()
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = server.Serve(p)
		}()
		synctest.Wait()
		test(t, server, p)
		_ = server.Close()
		<-done
	})
}

func TestSlowHeadersAreCutOff(t *testing.T) {
	t.Parallel()
	bubble(t, NewSurface(discard()), func(t *testing.T, _ *http.Server, p pipes) {
		c := p.dial()
		start := time.Now()
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost:")
		_, _ = io.Copy(io.Discard, c)
		if took := time.Since(start); took > headerTime+time.Second {
			t.Errorf("half a header held a connection for %v", took)
		}
	})
}

func TestSlowBodiesAreCutOff(t *testing.T) {
	t.Parallel()
	s := NewSurface(discard())
	s.Handle("POST", "/p", func(w http.ResponseWriter, r *http.Request, _ access.Request) error {
		_, err := Body(w, r)
		return err
	})
	bubble(t, s, func(t *testing.T, _ *http.Server, p pipes) {
		c := p.dial()
		start := time.Now()
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			_, _ = io.WriteString(c, "POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n")
			for range 100 {
				time.Sleep(time.Second)
				if _, err := io.WriteString(c, "x"); err != nil {
					return
				}
			}
		}()
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || resp.StatusCode != 400 {
			t.Errorf("%v, %v", resp, err)
		}
		_, _ = io.Copy(io.Discard, c)
		if took := time.Since(start); took > bodyTime+time.Second {
			t.Errorf("a slow body held a connection for %v", took)
		}
		<-sent
	})
}

// Whoever is refused is refused in time, and let go of, though no handler reads
// the body: net/http waits for its end.
func TestBodiesThatNobodyReadsAreCutOff(t *testing.T) {
	t.Parallel()
	s := NewSurface(discard())
	s.Handle("POST", "/long", func(w http.ResponseWriter, _ *http.Request, _ access.Request) error {
		_, _ = w.Write(make([]byte, 10<<10)) // more than waits for the handler's end
		return nil
	})
	for _, path := range []string{"/nothing", "/long"} {
		for _, body := range []string{"Content-Length: 100\r\n\r\nx", "Transfer-Encoding: chunked\r\n\r\n5\r\nx"} {
			bubble(t, s, func(t *testing.T, _ *http.Server, p pipes) {
				c := p.dial()
				start := time.Now()
				_, _ = io.WriteString(c, "POST "+path+" HTTP/1.1\r\nHost: h\r\n"+body)
				in := bufio.NewReader(c)
				if _, err := http.ReadResponse(in, nil); err != nil {
					t.Errorf("%s %q: %v", path, body, err)
				}
				_, _ = io.Copy(io.Discard, in)
				if took := time.Since(start); took > bodyTime+time.Second {
					t.Errorf("%s %q held a connection for %v", path, body, took)
				}
			})
		}
	}
}

// TestSlowReadersAreCutOff, and what is late is late for them alone.
func TestSlowReadersAreCutOff(t *testing.T) {
	t.Parallel()
	s := NewSurface(discard())
	s.Handle("GET", "/p", ok)
	bubble(t, s, func(t *testing.T, _ *http.Server, p pipes) {
		slow := p.dial()
		start := time.Now()
		_, _ = io.WriteString(slow, "GET /p HTTP/1.1\r\nHost: h\r\n\r\n")
		// Nobody reads; meanwhile others are served.
		fast := p.dial()
		for range 10 {
			_, _ = io.WriteString(fast, "GET /p HTTP/1.1\r\nHost: h\r\n\r\n")
			if resp, err := http.ReadResponse(bufio.NewReader(fast), nil); err != nil || resp.StatusCode != 200 {
				t.Fatalf("%v, %v", resp, err)
			}
		}
		if took := time.Since(start); took > 0 {
			t.Errorf("others waited %v for a slow reader", took)
		}
		time.Sleep(answerTime + time.Second)
		if _, err := bufio.NewReader(slow).ReadString('\n'); err == nil {
			t.Error("a reader that read nothing is still served")
		}
	})
}

func TestIdleConnectionsAreClosed(t *testing.T) {
	t.Parallel()
	s := NewSurface(discard())
	s.Handle("GET", "/p", ok)
	bubble(t, s, func(t *testing.T, _ *http.Server, p pipes) {
		c := p.dial()
		in := bufio.NewReader(c)
		_, _ = io.WriteString(c, "GET /p HTTP/1.1\r\nHost: h\r\n\r\n")
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		start := time.Now()
		_, err = in.ReadByte()
		if took := time.Since(start); err == nil || took != idleTime {
			t.Errorf("an idle connection lived %v, %v", took, err)
		}
	})
}

// TestExtendedAnswerOutlivesTheLimit, and an ordinary one does not.
func TestExtendedAnswerOutlivesTheLimit(t *testing.T) {
	t.Parallel()
	s := NewSurface(discard())
	wait := func(w http.ResponseWriter, r *http.Request) error {
		select {
		case <-time.After(time.Minute):
			return ok(w, r, access.Request{})
		case <-r.Context().Done():
			return r.Context().Err()
		}
	}
	s.Handle("GET", "/long", func(w http.ResponseWriter, r *http.Request, _ access.Request) error {
		Extend(w, time.Minute)
		return wait(w, r)
	})
	s.Handle("GET", "/short", func(w http.ResponseWriter, r *http.Request, _ access.Request) error { return wait(w, r) })
	bubble(t, s, func(t *testing.T, _ *http.Server, p pipes) {
		for path, want := range map[string]bool{"/long": true, "/short": false} {
			c := p.dial()
			_, _ = io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: h\r\n\r\n")
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if got := err == nil && resp.StatusCode == 200; got != want {
				t.Errorf("%s: %v, %v", path, resp, err)
			}
		}
	})
}

func TestDrainLetsRequestsEndAndCutsTheRest(t *testing.T) {
	t.Parallel()
	s := NewSurface(discard())
	s.Handle("GET", "/short", func(w http.ResponseWriter, r *http.Request, q access.Request) error {
		time.Sleep(time.Second)
		return ok(w, r, q)
	})
	s.Handle("GET", "/endless", func(_ http.ResponseWriter, r *http.Request, _ access.Request) error {
		<-r.Context().Done()
		return r.Context().Err()
	})
	s.Handle("GET", "/p", ok)
	const grace = 5 * time.Second
	for _, path := range []string{"/short", "/endless"} {
		bubble(t, s, func(t *testing.T, server *http.Server, p pipes) {
			idle, busy := p.dial(), p.dial()
			_, _ = io.WriteString(idle, "GET /p HTTP/1.1\r\nHost: h\r\n\r\n")
			if resp, err := http.ReadResponse(bufio.NewReader(idle), nil); err != nil || resp.StatusCode != 200 {
				t.Fatalf("%v, %v", resp, err)
			}
			status := make(chan int, 1)
			go func() {
				_, _ = io.WriteString(busy, "GET "+path+" HTTP/1.1\r\nHost: h\r\n\r\n")
				resp, err := http.ReadResponse(bufio.NewReader(busy), nil)
				if err != nil {
					status <- 0
					return
				}
				status <- resp.StatusCode
			}()
			synctest.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), grace)
			defer cancel()
			start := time.Now()
			err := Drain(ctx, server)
			took := time.Since(start)
			got := <-status
			if path == "/short" && (err != nil || got != 200 || took > 2*time.Second) {
				t.Errorf("a short request ended with %d; Drain took %v: %v", got, took, err)
			}
			if path == "/endless" && (!errors.Is(err, context.DeadlineExceeded) || got != 0 || took != grace) {
				t.Errorf("an endless request ended with %d; Drain took %v: %v", got, took, err)
			}
			if _, err := idle.Read(make([]byte, 1)); err == nil {
				t.Error("an idle connection is still open")
			}
		})
	}
}

func TestNoConnectionIsLoggedForBadTLS(t *testing.T) {
	t.Parallel()
	for line, level := range map[string]string{
		"http: TLS handshake error from 203.0.113.9:1: EOF\n":        "DEBUG",
		"http: Accept error: too many open files; retrying in 5ms\n": "WARN",
	} {
		var log strings.Builder
		if _, err := (serverLog{logger(&log)}).Write([]byte(line)); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(log.String(), "level="+level) {
			t.Errorf("%q is logged as %q", line, &log)
		}
	}
}

func logger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
