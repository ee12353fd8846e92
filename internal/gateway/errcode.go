package gateway

import (
	"bytes"
	"encoding/json"
	"strconv"
)

var bom = []byte("\xef\xbb\xbf")

// maybeObject reports whether text can be the beginning of a JSON object.
func maybeObject(text []byte) bool {
	text = bytes.TrimLeft(bytes.TrimPrefix(text, bom), " \t\r\n")
	return len(text) == 0 || text[0] == '{' || bytes.HasPrefix(bom, text)
}

// errcodeOf is the number under the key errcode at the top level of a JSON
// object, 0 where there is none. It takes nothing that two programs could read
// in two ways: no errcode that is no whole number, none that stands there twice,
// none in what is not JSON.
func errcodeOf(text []byte) int {
	text = bytes.TrimPrefix(text, bom)
	if !bytes.Contains(text, []byte(`"errcode"`)) || !json.Valid(text) {
		return 0
	}
	code, found := 0, 0
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case '"':
			end := i + 1 + stringLen(text[i+1:])
			if depth == 1 && text[bracket(text)] == '{' && saysErrcode(text[i:end+1]) {
				if number, ok := valueAfter(text[end+1:]); ok {
					found++
					n, err := strconv.Atoi(string(number))
					if err != nil {
						return 0
					}
					code = n
				}
			}
			i = end
		}
	}
	if found != 1 {
		return 0
	}
	return code
}

// saysErrcode reports whether a JSON string is "errcode", with escapes or without.
func saysErrcode(text []byte) bool {
	var s string
	return string(text) == `"errcode"` || bytes.IndexByte(text, '\\') >= 0 && json.Unmarshal(text, &s) == nil && s == "errcode"
}

// bracket is where valid JSON begins.
func bracket(text []byte) int { return len(text) - len(bytes.TrimLeft(text, " \t\r\n")) }

// stringLen is the length of a JSON string whose opening quote is behind.
func stringLen(text []byte) int {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return len(text) // cannot be: the text is valid
}

// valueAfter is what follows a key; ok is false where it was no key but a value.
func valueAfter(text []byte) (value []byte, ok bool) {
	text = bytes.TrimLeft(text, " \t\r\n")
	if len(text) == 0 || text[0] != ':' {
		return nil, false
	}
	text = bytes.TrimLeft(text[1:], " \t\r\n")
	end := bytes.IndexAny(text, ",}] \t\r\n")
	if end < 0 {
		end = len(text)
	}
	return text[:end], true
}
