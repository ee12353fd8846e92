package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	// MaxBody is the largest body that any surface of ours reads whole.
	MaxBody = 64 << 10
	// bodyTime is how long a body may take to arrive.
	bodyTime = 10 * time.Second
	// maxDepth is deeper than anything we take.
	maxDepth = 8
)

// Body reads a request's body, at most MaxBody bytes of it and within ten
// seconds. The error is a Problem.
func Body(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	// A recorder in a test has no deadline to set; a connection always has.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	switch {
	case err == nil:
		return body, nil
	case errors.As(err, new(*http.MaxBytesError)):
		return nil, TooLarge(fmt.Sprintf("the body is longer than %d bytes", MaxBody), "")
	}
	return nil, badRequest("the body broke off", "")
}

// Decode reads a JSON object from the request's body into v, which points to a
// struct. It takes no key that v does not have in exactly that spelling, no key
// twice, nothing deeper than eight levels and nothing after the object; so no
// two programs can read two things in one body. An empty body is an error.
// The error is a Problem and quotes nothing of the body.
func Decode(w http.ResponseWriter, r *http.Request, v any) error {
	body, err := Body(w, r)
	if err != nil {
		return err
	}
	if err := CheckJSON(body); err != nil {
		return badRequest("the body is not what is expected here: "+err.Error(), "send one JSON object with the keys of the API's documentation")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return badRequest("the body is not what is expected here: "+mismatch(err), "send one JSON object with the keys of the API's documentation")
	}
	return nil
}

// mismatch says what json did not like without the value.
func mismatch(err error) string {
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && e.Field != "" {
		return fmt.Sprintf("%s is of the wrong type", e.Field)
	}
	return "a key is unknown here, or a value is of the wrong type"
}

// CheckJSON reports what is wrong with a JSON object beyond its syntax: keys
// that come twice or differ from one another, or from ours, only in case (which
// encoding/json would take for the same), depth, and anything after it.
func CheckJSON(body []byte) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return errors.New("it is not a JSON object")
	}
	if err := checkObject(d, 1); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something follows the JSON object")
	}
	return nil
}

var errSyntax = errors.New("it is not valid JSON")

// checkObject reads to the end of an object whose brace is behind d.
func checkObject(d *json.Decoder, depth int) error {
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		key, ok := t.(string)
		switch {
		case err != nil || !ok:
			return errSyntax
		case !plainKey(key):
			return errors.New("a key is not in lower case")
		case seen[key]:
			return errors.New("a key stands in it twice")
		}
		seen[key] = true
		if err := checkValue(d, depth); err != nil {
			return err
		}
	}
	return closes(d, '}')
}

func checkValue(d *json.Decoder, depth int) error {
	t, err := d.Token()
	if err != nil {
		return errSyntax
	}
	open, ok := t.(json.Delim)
	if !ok {
		return nil
	}
	if depth++; depth > maxDepth {
		return errors.New("it is nested too deeply")
	}
	if open == '{' {
		return checkObject(d, depth)
	}
	for d.More() {
		if err := checkValue(d, depth); err != nil {
			return err
		}
	}
	return closes(d, ']')
}

func closes(d *json.Decoder, with json.Delim) error {
	if t, err := d.Token(); err != nil || t != with {
		return errSyntax
	}
	return nil
}

// plainKey: all keys of ours are lower case ASCII, so a key that only folds to
// one of them (VALUE, or the long s) is a stranger.
func plainKey(key string) bool {
	for i := range len(key) {
		if c := key[i]; !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '_') {
			return false
		}
	}
	return true
}
