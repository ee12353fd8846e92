package sdktest

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
)

// network connects addresses in memory. Who listens on a port of loopback is
// found there; listen.web is also found at the name that browsers know.
type network struct {
	mu        sync.Mutex
	listeners map[string]*listener
}

func newNetwork() *network { return &network{listeners: map[string]*listener{}} }

// listen has the shape of net.Listen.
func (n *network) listen(_, address string) (net.Listener, error) {
	addr, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, err
	}
	l := &listener{addr: addr, conns: make(chan net.Conn), done: make(chan struct{})}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.listeners[address] = l
	return l, nil
}

// dial has the shape of a net.Dialer's DialContext. TLS is left out.
func (n *network) dial(ctx context.Context, _, address string) (net.Conn, error) {
	if address == strings.TrimPrefix(Web, "https://")+":443" {
		address = "127.0.0.1:8701"
	}
	n.mu.Lock()
	l := n.listeners[address]
	n.mu.Unlock()
	if l == nil {
		return nil, fmt.Errorf("nobody listens at %s: it is not Hufu's", address)
	}
	ours, theirs := net.Pipe()
	select {
	case l.conns <- conn{theirs, l.addr}:
		return ours, nil
	case <-l.done:
		return nil, fmt.Errorf("%s: connection refused", address)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// conn is a connection between addresses of loopback.
type conn struct {
	net.Conn
	addr *net.TCPAddr
}

func (c conn) LocalAddr() net.Addr  { return c.addr }
func (c conn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: c.addr.IP, Port: 50000} }

// listener accepts what is dialled.
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
