package wxsim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// answer is what a handler decides: fields in their documented order.
type answer struct {
	errcode int
	fields  []field
	token   *token // in the answer
	issued  bool   // and new
	expires time.Time

	code      string // given to a browser
	userToken string // in the answer

	file *file // in place of fields, where no JSON is meant
	page *page // in place of fields, where a browser is meant
}

type field struct {
	name  string
	value any // json.RawMessage goes out as it is
}

// fate is what becomes of the connection.
type fate int8

const (
	deliver fate = iota
	reset        // broken after the request was sent
	hang         // nothing until the caller gives up
)

// reply is an answer as bytes. ServeHTTP and Transport each put it on their sort of wire.
type reply struct {
	fate        fate
	status      int
	contentType string
	header      http.Header // besides those named here
	encoding    string
	date        time.Time
	body        []byte
	cut         bool               // the connection ends before the body does
	pace        time.Duration      // between two bytes
	done        func(arrived bool) // told once, when all was sent or the caller is gone
}

// render turns an answer into bytes, with the quirks of the wire.
func (s *Sim) render(c *call, a answer) *reply {
	if a.page != nil {
		return &reply{status: a.page.status, contentType: "text/html; charset=utf-8", header: a.page.header, date: s.Now(), body: a.page.body}
	}
	if a.file != nil {
		p := &reply{status: http.StatusOK, contentType: a.file.contentType, date: s.Now(), body: a.file.body}
		p.header = http.Header{"Content-Disposition": {fmt.Sprintf("attachment; filename=%q", a.file.name)}}
		return p
	}
	fields := a.fields
	if s.has(ExtraFields) && s.dice.one(rateExtraField) {
		fields = append(fields[:len(fields):len(fields)], field{"_ext_info", map[string]any{"seq": s.dice.below(1000)}})
	}
	if s.has(KeyOrder) {
		fields = append([]field(nil), fields...)
		s.dice.shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
	}
	usual, other := "application/json; encoding=utf-8", "text/plain"
	if c.route != nil && c.route.sns {
		usual, other = other, usual
	}
	p := &reply{status: http.StatusOK, contentType: usual, date: s.Now(), body: encode(fields)}
	if s.has(ContentTypes) && s.dice.one(rateTextPlain) {
		p.contentType = other
	}
	return p
}

// encode writes fields as one JSON object, in the order given, twice where a name is there twice.
func encode(fields []field) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	b.WriteByte('{')
	for i, f := range fields {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%q:", f.name)
		if raw, ok := f.value.(json.RawMessage); ok {
			b.Write(raw)
			continue
		}
		if err := e.Encode(f.value); err != nil {
			panic(err) // a handler put something into an answer that is no JSON
		}
		b.Truncate(b.Len() - 1) // the encoder's line feed
	}
	b.WriteByte('}')
	return b.Bytes()
}
