package wxsim

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"strconv"
	"syscall"
)

// write puts a reply on a real connection. A fate that breaks it is told to net/http by a panic
// that net/http knows.
func (p *reply) write(w http.ResponseWriter, r *http.Request) {
	switch p.fate {
	case hang:
		panic(http.ErrAbortHandler)
	case reset:
		breakConnection(w)
		return
	}
	h := w.Header()
	maps.Copy(h, p.header)
	if p.contentType != "" {
		h.Set("Content-Type", p.contentType)
	}
	if p.encoding != "" {
		h.Set("Content-Encoding", p.encoding)
	}
	h.Set("Date", p.date.UTC().Format(http.TimeFormat))
	h.Set("Content-Length", strconv.Itoa(len(p.body)))
	w.WriteHeader(p.status)
	switch {
	case p.cut:
		w.Write(p.body[:len(p.body)/2])
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case p.pace > 0:
		arrived := true
		for i := 0; i < len(p.body) && arrived; i++ {
			w.Write(p.body[i : i+1])
			http.NewResponseController(w).Flush()
			arrived = i+1 == len(p.body) || sleep(r.Context(), p.pace)
		}
		p.done(arrived)
	default:
		w.Write(p.body) // whoever is gone does not hear it; nothing to do about that
	}
}

// breakConnection ends a connection so that the caller sees a reset.
func breakConnection(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // HTTP/2, or a recorder
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	conn.Close()
}

// Transport is the way to the API inside one process: no sockets and no goroutines. Its errors
// are those of net/http.Transport, its httptrace hooks tell what was sent, and it waits no longer
// than the request's context. The zero value of RemoteAddr is 127.0.0.1.
type Transport struct {
	Sim *Sim

	// RemoteAddr is where the platform sees the caller, an address with or without a port.
	RemoteAddr string
}

// Transport returns a way to the API that comes from 127.0.0.1. Set its RemoteAddr before its
// first use for another address.
func (s *Sim) Transport() *Transport { return &Transport{Sim: s} }

var _ http.RoundTripper = (*Transport)(nil)

// RoundTrip answers a request as http.RoundTripper demands; any host and scheme will do.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	if r.Body != nil {
		defer r.Body.Close()
	}
	if r.URL == nil {
		return nil, errors.New("wxsim: request without URL")
	}
	trace := httptrace.ContextClientTrace(ctx)
	if trace == nil {
		trace = &httptrace.ClientTrace{}
	}
	if trace.GetConn != nil {
		trace.GetConn(r.URL.Host)
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	in := r.WithContext(ctx) // a copy, since RoundTrip must not change a request
	in.RemoteAddr = t.RemoteAddr
	c := t.Sim.open(in)
	if c.fault != nil && c.fault.Mode == Outage {
		err := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
		if trace.ConnectDone != nil {
			trace.ConnectDone("tcp", r.URL.Host, err)
		}
		return nil, err
	}
	if trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{})
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err // the caller thought better of it before a byte was sent
	}
	if trace.WroteHeaders != nil {
		trace.WroteHeaders()
	}
	if trace.WroteRequest != nil {
		trace.WroteRequest(httptrace.WroteRequestInfo{})
	}
	p := t.Sim.handle(ctx, c)
	switch p.fate {
	case hang:
		return nil, context.Cause(ctx)
	case reset:
		return nil, &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
	}
	if trace.GotFirstResponseByte != nil {
		trace.GotFirstResponseByte()
	}
	return p.response(r), nil
}

// response is a reply as net/http's transport would hand it over, decompressed if the caller did
// not say that it does so itself.
func (p *reply) response(r *http.Request) *http.Response {
	resp := &http.Response{
		Status:     strconv.Itoa(p.status) + " " + http.StatusText(p.status),
		StatusCode: p.status,
		Proto:      "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        http.Header{"Date": {p.date.UTC().Format(http.TimeFormat)}},
		ContentLength: int64(len(p.body)),
		Request:       r,
	}
	maps.Copy(resp.Header, p.header)
	if p.contentType != "" {
		resp.Header.Set("Content-Type", p.contentType)
	}
	resp.Header.Set("Content-Length", strconv.Itoa(len(p.body)))
	b := &wireBody{ctx: r.Context(), reply: p, rest: p.body}
	if p.cut {
		b.rest = p.body[:len(p.body)/2]
	}
	if r.Method == http.MethodHead {
		b.rest, b.reply = nil, &reply{}
	}
	resp.Body = b
	if p.encoding == "" {
		return resp
	}
	if r.Header.Get("Accept-Encoding") != "" {
		resp.Header.Set("Content-Encoding", p.encoding)
		return resp
	}
	resp.Header.Del("Content-Length")
	resp.ContentLength, resp.Uncompressed = -1, true
	z, err := gzip.NewReader(bytes.NewReader(p.body))
	if err != nil {
		panic(err) // we compressed it
	}
	resp.Body = io.NopCloser(z)
	return resp
}

// wireBody is the rest of an answer that is still on the wire.
type wireBody struct {
	ctx   context.Context // of the request, as net/http has it
	reply *reply
	rest  []byte
	slept bool
}

func (b *wireBody) Read(buf []byte) (int, error) {
	if err := context.Cause(b.ctx); err != nil {
		b.finish(false)
		return 0, err
	}
	if len(b.rest) == 0 {
		if b.reply.cut {
			return 0, io.ErrUnexpectedEOF
		}
		b.finish(true)
		return 0, io.EOF
	}
	if b.reply.pace > 0 && len(buf) > 0 {
		if b.slept && !sleep(b.ctx, b.reply.pace) {
			b.finish(false)
			return 0, context.Cause(b.ctx)
		}
		b.slept = true
		buf = buf[:1]
	}
	n := copy(buf, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// Close gives up on the rest.
func (b *wireBody) Close() error {
	b.finish(len(b.rest) == 0)
	b.rest = nil
	return nil
}

func (b *wireBody) finish(arrived bool) {
	if done := b.reply.done; done != nil {
		b.reply.done = nil
		done(arrived)
	}
}
