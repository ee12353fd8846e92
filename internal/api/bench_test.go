package api_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/hufu-project/hufu/internal/web"
)

// BenchmarkRead compares the read of a token through the whole handler chain
// with a bare net/http handler that writes the same bytes under the same
// headers. Both take turns, so that whatever else the machine does hits both;
// what is printed is the median ratio of the turns and its quartiles.
//
// conn is CPU time per request, client and server together in one process,
// over keep-alive connections; handler is the handler alone.
func BenchmarkRead(b *testing.B) {
	w := newWorld(b, options{})
	first := w.ask("GET", path(shop), "real", "")
	if first.status != 200 {
		b.Fatal(first)
	}
	bare := bareHandler(first)

	b.Run("handler", func(b *testing.B) {
		r := httptest.NewRequest("GET", path(shop), nil)
		r.Header.Set("Authorization", "Bearer "+w.keys["real"])
		out := &sink{header: http.Header{}}
		turn := func(h http.Handler, n int) time.Duration {
			start := cpu()
			for range n {
				clear(out.header)
				h.ServeHTTP(out, r)
			}
			return cpu() - start
		}
		compare[http.Handler](b, 2000, turn, w.surface, bare)
		for name, h := range map[string]http.Handler{"chain": w.surface, "bare": bare} {
			b.ReportMetric(testing.AllocsPerRun(1000, func() { clear(out.header); h.ServeHTTP(out, r) }), name+"-allocs")
		}
	})
	b.Run("conn", func(b *testing.B) {
		chain, plain := newLoad(b, w, w.surface), newLoad(b, w, bare)
		turn := func(l *load, n int) time.Duration {
			start := cpu()
			for range n / conns {
				l.round()
			}
			return cpu() - start
		}
		compare(b, 250*conns, turn, chain, plain)
	})
}

// compare lets two take turns of n until b has had enough.
func compare[T any](b *testing.B, n int, turn func(T, int) time.Duration, ours, bare T) {
	turn(ours, n)
	turn(bare, n)
	var ratios []float64
	var mine, its time.Duration
	for b.Loop() {
		x, y := turn(ours, n), turn(bare, n)
		ratios = append(ratios, float64(x)/float64(y))
		mine, its = mine+x, its+y
	}
	slices.Sort(ratios)
	at := func(q float64) float64 { return ratios[int(q*float64(len(ratios)-1))] }
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(at(0.5), "ratio")
	b.ReportMetric(at(0.25), "ratio-q1")
	b.ReportMetric(at(0.75), "ratio-q3")
	b.ReportMetric(float64(mine.Nanoseconds())/float64(n*len(ratios)), "chain-ns/req")
	b.ReportMetric(float64(its.Nanoseconds())/float64(n*len(ratios)), "bare-ns/req")
}

func bareHandler(like answer) http.Handler {
	body := []byte(like.body)
	headers := http.Header{}
	for _, name := range []string{"Content-Type", "Cache-Control", "X-Content-Type-Options", "Etag"} {
		headers[name] = like.header[name]
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h["Content-Type"] = headers["Content-Type"]
		h["Cache-Control"] = headers["Cache-Control"]
		h["X-Content-Type-Options"] = headers["X-Content-Type-Options"]
		h["Etag"] = headers["Etag"]
		_, _ = w.Write(body)
	})
}

// sink is a ResponseWriter that can be used again.
type sink struct{ header http.Header }

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) Write(b []byte) (int, error) { return len(b), nil }
func (s *sink) WriteHeader(int)             {}

// load is a client that costs little: some connections that stay open, on each
// of which one request is written, and then on each the answer is read.
type load struct {
	b       *testing.B
	conns   []net.Conn
	request []byte
	answer  []byte // they are all of one length
}

const conns = 16

func newLoad(b *testing.B, w *world, h http.Handler) *load {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(b, err)
	server := web.NewServer(context.Background(), h, nil, discard())
	go func() { _ = server.Serve(ln) }()
	b.Cleanup(func() { _ = server.Close() })
	l := &load{b: b}
	for range conns {
		c, err := net.Dial("tcp", ln.Addr().String())
		must(b, err)
		b.Cleanup(func() { _ = c.Close() })
		l.conns = append(l.conns, c)
	}
	l.request = fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: hufu\r\nAuthorization: Bearer %s\r\nUser-Agent: bench\r\nAccept: application/json\r\n\r\n", path(shop), w.keys["real"])
	if _, err := l.conns[0].Write(l.request); err != nil {
		b.Fatal(err)
	}
	first := make([]byte, 4096)
	n, err := io.ReadAtLeast(l.conns[0], first, 300)
	must(b, err)
	l.answer = make([]byte, n)
	return l
}

// round makes one request on each connection.
func (l *load) round() {
	for _, c := range l.conns {
		if _, err := c.Write(l.request); err != nil {
			l.b.Fatal(err)
		}
	}
	for _, c := range l.conns {
		if _, err := io.ReadFull(c, l.answer); err != nil {
			l.b.Fatal(err)
		}
		if string(l.answer[:12]) != "HTTP/1.1 200" || l.answer[len(l.answer)-1] != '\n' {
			l.b.Fatalf("%q", l.answer)
		}
	}
}

// cpu is the CPU time of this process so far.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
