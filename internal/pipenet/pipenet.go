// Package pipenet is a network in memory, for tests: a bubble of testing/synctest
// takes a real socket for something that may happen at any time, and its clock
// stands still.
package pipenet

import (
	"context"
	"net"
	"sync"
	"syscall"
)

// Network is where addresses of TCP are, none of them a real one. The zero value
// is ready, and safe for concurrent use.
type Network struct {
	mu        sync.Mutex
	listeners map[string]*listener
}

// Listen has the shape of net.Listen. The address is taken as it stands, so name
// the port. Who listens later takes the place of who listened before.
func (n *Network) Listen(_, address string) (net.Listener, error) {
	addr, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, err
	}
	l := &listener{addr: addr, conns: make(chan net.Conn), done: make(chan struct{})}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listeners == nil {
		n.listeners = map[string]*listener{}
	}
	n.listeners[address] = l
	return l, nil
}

// Dial has the shape of a net.Dialer's DialContext. Where nobody listens it is
// refused at once; where somebody does it waits until the connection is accepted.
func (n *Network) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	refused := &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	n.mu.Lock()
	l := n.listeners[address]
	n.mu.Unlock()
	if l == nil {
		return nil, refused
	}
	refused.Addr = l.addr
	ours, theirs := net.Pipe()
	select {
	case l.conns <- conn{theirs, l.addr}:
		return ours, nil
	case <-l.done:
		return nil, refused
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// conn is the listener's end of a connection from the same host.
type conn struct {
	net.Conn
	addr *net.TCPAddr
}

func (c conn) LocalAddr() net.Addr  { return c.addr }
func (c conn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: c.addr.IP, Port: 50000} }

type listener struct {
	addr  *net.TCPAddr
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *listener) Addr() net.Addr { return l.addr }
