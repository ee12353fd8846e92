package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hufu-project/hufu/internal/credential"
)

// Header values that never change, shared so that an answer allocates none.
var jsonType = []string{"application/json"}

// buffers holds the bodies of reads. A body is written out whole before its
// buffer comes back.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 1024); return &b }}

// writeCredential answers with a credential:
//
//	{"app":"wx0123456789abcdef","kind":"access_token","value":"91_…","generation":7,
//	 "issued_at":"2026-11-22T08:00:00Z","expires_at":"2026-11-22T10:00:00Z","expires_in":7143,"max_age":60}
//
// Seconds are rounded down. A value that the store has not yet taken has no
// generation. A phantom token says so: "tokens":"phantom".
func writeCredential(w http.ResponseWriter, v credential.Credential) {
	h := w.Header()
	h["Content-Type"] = jsonType
	h["Etag"] = []string{`"` + v.Tag + `"`}
	p := buffers.Get().(*[]byte)
	b := appendCredential((*p)[:0], v)
	_, _ = w.Write(b)
	*p = b
	buffers.Put(p)
}

func appendCredential(b []byte, v credential.Credential) []byte {
	b = append(b, `{"app":`...)
	b = appendString(b, string(v.App))
	b = append(b, `,"kind":`...)
	b = appendString(b, string(v.Kind))
	if !v.Value.Empty() {
		b = append(b, `,"value":`...)
		b = appendString(b, v.Value.Reveal())
	}
	if v.Phantom {
		b = append(b, `,"tokens":"phantom"`...)
	}
	if v.Generation != 0 {
		b = append(b, `,"generation":`...)
		b = strconv.AppendUint(b, v.Generation, 10)
	}
	b = append(b, `,"issued_at":"`...)
	b = v.IssuedAt.UTC().Truncate(time.Second).AppendFormat(b, time.RFC3339)
	b = append(b, `","expires_at":"`...)
	b = v.ExpiresAt.UTC().Truncate(time.Second).AppendFormat(b, time.RFC3339)
	b = append(b, `","expires_in":`...)
	b = strconv.AppendInt(b, seconds(v.Left), 10)
	b = append(b, `,"max_age":`...)
	b = strconv.AppendInt(b, seconds(v.MaxAge), 10)
	return append(b, '}', '\n')
}

// seconds rounds down: nothing may be kept a moment longer than is certain.
func seconds(d time.Duration) int64 { return int64(max(d, 0) / time.Second) }

// appendString appends s as JSON. WeChat's ids and values are plain ASCII;
// anything else goes the long way.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if !plain[s[i]] {
			var long bytes.Buffer
			e := json.NewEncoder(&long)
			e.SetEscapeHTML(false)
			_ = e.Encode(s) // a string: always succeeds
			return append(b, bytes.TrimSuffix(long.Bytes(), []byte("\n"))...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// plain is the bytes that stand for themselves in a JSON text.
var plain = func() (p [256]bool) {
	for c := ' '; c <= '~'; c++ {
		p[c] = c != '"' && c != '\\'
	}
	return p
}()

// notModified answers 304. How long the value may be kept is not the same as
// it was when it was given, so it is said again.
func notModified(w http.ResponseWriter, v credential.Credential) {
	h := w.Header()
	h["Etag"] = []string{`"` + v.Tag + `"`}
	h["Hufu-Max-Age"] = []string{strconv.FormatInt(seconds(v.MaxAge), 10)}
	w.WriteHeader(http.StatusNotModified)
}

// matches reports whether an If-None-Match names the tag; weak or strong is
// the same here. "*" does not match: who has no value must be given one.
func matches(lines []string, tag string) bool {
	for _, line := range lines {
		for part := range strings.SplitSeq(line, ",") {
			part = strings.TrimPrefix(strings.Trim(part, " \t"), "W/")
			if len(part) == len(tag)+2 && part[0] == '"' && part[len(part)-1] == '"' && part[1:len(part)-1] == tag {
				return true
			}
		}
	}
	return false
}

// writeJSON answers with anything else that is ours.
func writeJSON(w http.ResponseWriter, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header()["Content-Type"] = jsonType
	_, _ = w.Write(append(b, '\n'))
	return nil
}
