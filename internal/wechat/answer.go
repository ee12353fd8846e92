package wechat

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"
)

// answer is one JSON object of WeChat's, field by field. The content type is
// not looked at: WeChat sends JSON as text/plain too.
type answer struct{ fields map[string]json.RawMessage }

// parse takes exactly one object. A name that comes twice, even in another
// case, is refused: encoding/json would silently take the last one.
func parse(body []byte) (answer, error) {
	body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	d := json.NewDecoder(bytes.NewReader(body))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return answer{}, errors.New("the answer is not a JSON object" + hint(body))
	}
	a := answer{map[string]json.RawMessage{}}
	for d.More() {
		t, err := d.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return answer{}, errors.New("the answer is broken JSON")
		}
		name = strings.ToLower(name)
		if _, twice := a.fields[name]; twice {
			return answer{}, errors.New("the answer names a field twice")
		}
		var v json.RawMessage
		if err := d.Decode(&v); err != nil {
			return answer{}, errors.New("the answer is broken JSON")
		}
		a.fields[name] = v
	}
	if _, err := d.Token(); err != nil {
		return answer{}, errors.New("the answer is cut off")
	}
	if _, err := d.Token(); err != io.EOF {
		return answer{}, errors.New("the answer has something behind its object")
	}
	return a, nil
}

func hint(body []byte) string {
	switch b := bytes.TrimSpace(body); {
	case len(b) == 0:
		return " (it is empty)"
	case b[0] == '<':
		return " (it looks like HTML: a proxy or a portal answers in WeChat's place)"
	}
	return ""
}

// errcode is the number, 0 where there is none; ok is false where it is there
// and is not a whole JSON number: then nobody knows what was meant.
func (a answer) errcode() (code int, ok bool) {
	raw, there := a.fields["errcode"]
	if !there {
		return 0, true
	}
	code, err := strconv.Atoi(string(raw))
	return code, err == nil
}

// text1 is a field that is a string.
func (a answer) text1(name string) (s string, ok bool) {
	raw, there := a.fields[name]
	if !there || len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	return s, json.Unmarshal(raw, &s) == nil
}

// life reads expires_in. The token was made whatever stands there, so it must
// not be lost over that: what is not a number from one second to a full life
// gives 0, with words, and the caller takes it as the least that is certain.
func (a answer) life(full time.Duration) (life time.Duration, odd string) {
	raw, there := a.fields["expires_in"]
	if !there {
		return 0, "expires_in is missing"
	}
	n, err := strconv.ParseFloat(string(raw), 64)
	switch {
	case err != nil && !errors.Is(err, strconv.ErrRange):
		return 0, "expires_in is not a number"
	case n < 1:
		return 0, "expires_in is below one second"
	case n > full.Seconds():
		return 0, "expires_in is longer than a life (wechat.life)"
	}
	return time.Duration(n * float64(time.Second)), ""
}

// value is a token or ticket: the characters that WeChat uses, and those that
// need no escaping in a query, since that is where it goes.
func (a answer) value(name string) (string, bool) {
	s, ok := a.text1(name)
	if !ok || s == "" || len(s) > 2048 {
		return "", false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("_-!.~*", c) >= 0:
		default:
			return "", false
		}
	}
	return s, true
}
