package local

import (
	"bytes"
	"context"
	"io"
	"net/http"
)

// inside carries requests to a handler in this process, where package hufu's
// client believes a network. Nothing leaves the process, and the client need
// not know.
type inside struct{ handler http.Handler }

// RoundTrip has the request answered, in the caller's goroutine.
func (i inside) RoundTrip(r *http.Request) (*http.Response, error) {
	in := r.Clone(r.Context())
	in.RequestURI, in.RemoteAddr = r.URL.RequestURI(), "127.0.0.1:0"
	if in.Body == nil {
		in.Body = http.NoBody
	}
	defer in.Body.Close()
	a := &answer{header: http.Header{}, status: http.StatusOK}
	i.handler.ServeHTTP(a, in)
	if r.Context().Err() != nil {
		return nil, context.Cause(r.Context()) // who asked has gone
	}
	return &http.Response{
		Status: http.StatusText(a.status), StatusCode: a.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: a.header, Body: io.NopCloser(&a.body), ContentLength: int64(a.body.Len()), Request: r,
	}, nil
}

// answer is an http.ResponseWriter that keeps what is written.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(status int)      { a.status = status }
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }
