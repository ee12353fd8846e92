package gateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hufu-project/hufu/internal/web"
)

// BenchmarkCall compares calls through the gateway with a bare
// httputil.ReverseProxy that has as many kept connections, and with calls that
// go to WeChat directly, to the same WeChat, from the same 64 connections. The
// three take turns, so that whatever else the machine does hits all. throughput
// is the gateway's calls in a second over the proxy's, p99 the quotient of the
// 99th percentiles, each the median of the turns; direct is the gateway's calls
// in a second over those of the direct way, and bare/direct the proxy's.
//
// Client, proxy and WeChat share the machine, so what is compared is the whole
// way of a call; cpu is the time that all of it took the processors, as a
// quotient of gateway and proxy, which says the same on a machine that is busy
// with other things.
func BenchmarkCall(b *testing.B) {
	for name, secure := range map[string]bool{"http": false, "https": true} {
		b.Run(name, func(b *testing.B) {
			w := newWorld(b, options{tls: secure, quiet: true})
			const path = "/cgi-bin/message/custom/send"
			token := w.token()
			answer := http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				out.Header()["Content-Type"] = []string{"application/json; encoding=utf-8"}
				_, _ = io.WriteString(out, `{"errcode":0,"errmsg":"ok","msgid":1234567890123}`)
			})
			// The sockets of the simulator, and nothing else of it.
			w.instead(path, answer)
			base, err := url.Parse(w.wechat)
			must(b, err)
			pool := &http.Transport{MaxIdleConnsPerHost: 512, DisableCompression: true, DialContext: (&net.Dialer{}).DialContext}
			if secure {
				roots := x509.NewCertPool()
				roots.AddCert(w.root)
				pool.TLSClientConfig = &tls.Config{RootCAs: roots}
			}
			b.Cleanup(pool.CloseIdleConnections)
			bare := &httputil.ReverseProxy{
				Transport: pool, BufferPool: &bufferPool{},
				Rewrite: func(r *httputil.ProxyRequest) {
					r.SetURL(base)
					r.Out.URL.RawQuery = "access_token=" + token
				},
			}
			ours := newLoad(b, served(b, w.surface), path, "Authorization: Bearer "+w.keys["one"]+"\r\n")
			its := newLoad(b, served(b, bare), path, "")
			straight := newLoad(b, dialer(base, pool.TLSClientConfig), path+"?access_token="+token, "")
			var throughput, p99, price, direct, bareDirect []float64
			var mine, other time.Duration
			const calls = 20
			ours.turn(calls)
			its.turn(calls)
			straight.turn(calls)
			n := 0
			for b.Loop() {
				start := cpu()
				x, xs := ours.turn(calls)
				between := cpu()
				y, ys := its.turn(calls)
				price = append(price, float64(between-start)/float64(cpu()-between))
				throughput = append(throughput, float64(y)/float64(x))
				p99 = append(p99, float64(xs)/float64(ys))
				z, _ := straight.turn(calls)
				direct = append(direct, float64(z)/float64(x))
				bareDirect = append(bareDirect, float64(z)/float64(y))
				mine, other = mine+x, other+y
				n++
			}
			median := func(list []float64) float64 {
				slices.Sort(list)
				return list[len(list)/2]
			}
			perSecond := func(d time.Duration) float64 { return float64(n*calls*conns) / d.Seconds() }
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(median(throughput), "throughput")
			b.ReportMetric(median(p99), "p99")
			b.ReportMetric(median(price), "cpu")
			b.ReportMetric(median(direct), "direct")
			b.ReportMetric(median(bareDirect), "bare/direct")
			b.ReportMetric(perSecond(mine), "gateway/s")
			b.ReportMetric(perSecond(other), "bare/s")
		})
	}
}

const conns = 64

// served serves a handler as Hufu does, and dials it.
func served(b *testing.B, h http.Handler) func() (net.Conn, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(b, err)
	server := web.NewServer(context.Background(), h, nil, discard())
	go func() { _ = server.Serve(ln) }()
	b.Cleanup(func() { _ = server.Close() })
	return func() (net.Conn, error) { return net.Dial("tcp", ln.Addr().String()) }
}

// dialer dials an address, with TLS where there is a configuration for it.
func dialer(to *url.URL, secure *tls.Config) func() (net.Conn, error) {
	if secure == nil {
		return func() (net.Conn, error) { return net.Dial("tcp", to.Host) }
	}
	secure = secure.Clone()
	secure.NextProtos = nil // HTTP/1.1 is spoken
	return func() (net.Conn, error) { return tls.Dial("tcp", to.Host, secure) }
}

// load is a client that costs little: connections that stay open, and answers
// of which only the length is looked at.
type load struct {
	b       *testing.B
	conns   []net.Conn
	request []byte
	length  int
}

func newLoad(b *testing.B, dial func() (net.Conn, error), path, headers string) *load {
	body := `{"touser":"oFOLLOWER0000000000000000000","msgtype":"text","text":{"content":"你好"}}`
	l := &load{b: b, request: fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: hufu\r\n%sContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, headers, len(body), body)}
	for range conns {
		c, err := dial()
		must(b, err)
		b.Cleanup(func() { _ = c.Close() })
		l.conns = append(l.conns, c)
	}
	if _, err := l.conns[0].Write(l.request); err != nil {
		b.Fatal(err)
	}
	first := make([]byte, 4096)
	n, err := io.ReadAtLeast(l.conns[0], first, 100)
	must(b, err)
	if string(first[:12]) != "HTTP/1.1 200" || first[n-1] != '}' {
		b.Fatalf("%q", first[:n])
	}
	l.length = n
	return l
}

// turn makes n calls on each connection, and tells how long all of them took and
// the 99th percentile of one.
func (l *load) turn(n int) (all, p99 time.Duration) {
	took := make([][]time.Duration, len(l.conns))
	began := time.Now()
	var running sync.WaitGroup
	for i, c := range l.conns {
		running.Go(func() {
			answer := make([]byte, l.length)
			for range n {
				start := time.Now()
				if _, err := c.Write(l.request); err != nil {
					l.b.Error(err)
					return
				}
				if _, err := io.ReadFull(c, answer); err != nil || string(answer[:12]) != "HTTP/1.1 200" || answer[l.length-1] != '}' {
					l.b.Errorf("%q, %v", answer, err)
					return
				}
				took[i] = append(took[i], time.Since(start))
			}
		})
	}
	running.Wait()
	all = time.Since(began)
	each := slices.Concat(took...)
	slices.Sort(each)
	return all, each[len(each)*99/100]
}

// bufferPool is what a tuned ReverseProxy has.
type bufferPool struct{ pool sync.Pool }

func (p *bufferPool) Get() []byte {
	if b, ok := p.pool.Get().(*[32 << 10]byte); ok {
		return b[:]
	}
	return make([]byte, 32<<10)
}

func (p *bufferPool) Put(b []byte) { p.pool.Put((*[32 << 10]byte)(b)) }

// cpu is the CPU time of this process so far.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// trust makes a certificate a root of this process, before it has asked for the
// first time.
func trust(t testing.TB, root *x509.Certificate) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "root.pem")
	must(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Raw}), 0o600))
	t.Setenv("SSL_CERT_FILE", file)
}
