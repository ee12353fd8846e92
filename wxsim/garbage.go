package wxsim

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// oddFields spoils the fields of a token answer: access_token or ticket, and expires_in, in this order.
func oddFields(f *Fault, fields []field) []field {
	value, told := fields[0], fields[1]
	raw := func(name, v string) field { return field{name, json.RawMessage(v)} }
	switch f.Mode {
	case OddExpiresIn:
		forms := []string{
			fmt.Sprintf(`"%d"`, told.value), fmt.Sprintf("%d.0", told.value), "missing", "0", "-1",
			"86400000", "null", "99999999999999999999", "1", "true", "{}",
		}
		form := f.Value
		if form == "" {
			form = forms[f.use%len(forms)]
		}
		if form == "missing" {
			return []field{value}
		}
		return []field{value, raw("expires_in", form)}
	case WrongTypes:
		forms := []string{"null", "7200", "{}", `[""]`, "true", `""`}
		return []field{raw(value.name, forms[f.use%len(forms)]), told}
	default:
		other := field{value.name, "1_" + strings.Repeat("x", 128) + "AAAAAA"}
		if f.use%2 == 1 {
			return []field{other, value, told}
		}
		return []field{value, told, other}
	}
}

// garbage is what proxies, captive portals and bugs answer. The forms that are cut out of the good
// answer need one.
func garbage(use int, good []byte, handled bool) []byte {
	if !handled || len(good) < 3 {
		good = []byte(`{"access_token":"1_` + strings.Repeat("y", 128) + `AAAAAA","expires_in":7200}`)
	}
	forms := [][]byte{
		good[:len(good)-3],
		[]byte("null"),
		[]byte(`"ok"`),
		append(slices.Clone(good), " and more"...),
		[]byte("{}"),
		[]byte("[]"),
		[]byte(`{"errcode":-1000,"access_token":null,"expires_in":0}`),
		[]byte(`{"errcode":"40001"}`),
		[]byte(`{"access_token":"a\u0000b","expires_in":7200}`),
		[]byte("\xff\xfe\x00garbage"),
		[]byte(`{"errcode":99999,"errmsg":"?"}`),
	}
	return forms[use%len(forms)]
}

// bomb is one compressed MiB of blanks a hundred times over: gzip allows to join members.
var bomb = sync.OnceValue(func() []byte {
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
	z.Write(bytes.Repeat([]byte(" "), 1<<20)) // a bytes.Buffer takes everything
	z.Close()
	return bytes.Repeat(b.Bytes(), 100)
})
