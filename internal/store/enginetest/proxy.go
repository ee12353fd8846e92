package enginetest

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Proxy is a network between a store and its server that fails when told to.
type Proxy struct {
	// Addr is where it listens, on loopback.
	Addr string

	mode   atomic.Int32
	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	target [2]string // network and address
}

// What a Proxy does with what passes.
const (
	Pass        = iota // it passes
	LoseAnswers        // what the server says next ends the connection instead
	LoseCalls          // what the client says next ends the connection instead
	Hold               // nothing passes, and nobody is told
	HoldAnswers        // the server hears all, and the client nothing any more
)

// NewProxy stands before the server until the test ends.
func NewProxy(t testing.TB, s *Server) *Proxy {
	t.Helper()
	return NewProxyTo(t, "unix", s.Socket)
}

// NewProxyTo stands before any server, at an address as net.Dial takes it.
func NewProxyTo(t testing.TB, network, address string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Addr: l.Addr().String(), conns: map[net.Conn]struct{}{}, target: [2]string{network, address}}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			p.mu.Lock()
			target := p.target
			p.mu.Unlock()
			far, err := net.Dial(target[0], target[1])
			if err != nil {
				_ = near.Close()
				continue
			}
			p.keep(near, far)
			all.Go(func() { p.carry(far, near, LoseCalls) })
			all.Go(func() { p.carry(near, far, LoseAnswers) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.Set(Pass)
		p.Cut()
		all.Wait()
	})
	return p
}

// Set says what is done from now on.
func (p *Proxy) Set(mode int) { p.mode.Store(int32(mode)) }

// To leads new connections to another server.
func (p *Proxy) To(s *Server) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = [2]string{"unix", s.Socket}
}

// Cut ends all connections.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}

func (p *Proxy) keep(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		p.conns[c] = struct{}{}
	}
}

func (p *Proxy) carry(to, from net.Conn, lose int32) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 1<<16)
	for {
		n, err := from.Read(buf)
		for mode := p.mode.Load(); mode == Hold || mode == HoldAnswers && lose == LoseAnswers; mode = p.mode.Load() {
			time.Sleep(time.Millisecond)
		}
		if err != nil || p.mode.Load() == lose {
			return
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}
