package config

import (
	"encoding/hex"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/hufu-project/hufu/internal/credential"
)

// complaint is a problem before it has a place.
type complaint struct{ message, hint string }

// setScalar reads text into v, whose type isScalar. The zero complaint means
// that all is well. A default, the file, the environment and JSON all pass
// here, so a value means the same wherever it is given.
func setScalar(v reflect.Value, text string, f field) complaint {
	switch v.Type() {
	case secretType:
		v.Set(reflect.ValueOf(credential.NewSecret(text)))
		return complaint{}
	case durationType:
		return setDuration(v, text)
	case prefixType:
		return setPrefix(v, text)
	case keyHashType:
		return setKeyHash(v, text)
	case sizeType:
		return setSize(v, text)
	case actionType:
		for _, a := range allActions {
			f.oneof = append(f.oneof, string(a))
		}
	}
	switch v.Kind() {
	case reflect.Bool:
		if text != "true" && text != "false" {
			return complaint{"must be true or false", ""}
		}
		v.SetBool(text == "true")
	case reflect.Int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return complaint{"must be a whole number", ""}
		}
		v.SetInt(int64(n))
	case reflect.String:
		if wrong := oneOf(text, f.oneof); wrong.message != "" {
			return wrong
		}
		v.SetString(text)
	default:
		panic("config: no scalar: " + v.Type().String())
	}
	return complaint{}
}

func oneOf(text string, words []string) complaint {
	if words == nil || text == "" {
		return complaint{}
	}
	for _, w := range words {
		if text == w {
			return complaint{}
		}
	}
	list := words[len(words)-1]
	if n := len(words) - 1; n > 0 {
		list = strings.Join(words[:n], ", ") + " or " + list
	}
	return complaint{"must be " + list, didYouMean(text, words)}
}

func setDuration(v reflect.Value, text string) complaint {
	d, err := time.ParseDuration(text)
	if err == nil {
		v.SetInt(int64(d))
		return complaint{}
	}
	wrong := complaint{message: "is no duration", hint: "write it as 2h, 90m or 7200s"}
	if _, err := strconv.Atoi(text); err == nil {
		wrong.message = "is a duration without a unit"
	}
	return wrong
}

// Size is a number of bytes.
type Size int64

var units = []struct {
	name  string
	bytes Size
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"", 1}}

// String gives it in the largest unit that leaves no fraction: "20MiB".
func (s Size) String() string {
	for _, u := range units {
		if s%u.bytes == 0 && s != 0 {
			return strconv.FormatInt(int64(s/u.bytes), 10) + u.name
		}
	}
	return "0"
}

func setSize(v reflect.Value, text string) complaint {
	for _, u := range units {
		if digits, ok := strings.CutSuffix(text, u.name); ok {
			n, err := strconv.ParseInt(digits, 10, 32)
			if err != nil || n < 0 {
				break
			}
			v.SetInt(n * int64(u.bytes))
			return complaint{}
		}
	}
	return complaint{"is no size", "write it as 20MiB or 512KiB"}
}

func setPrefix(v reflect.Value, text string) complaint {
	p, err := netip.ParsePrefix(text)
	if addr, single := netip.ParseAddr(text); single == nil && addr.Zone() == "" {
		p, err = netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	switch {
	case err != nil:
		return complaint{"is no address range", "write it as 10.0.0.0/8 or 2001:db8::/32"}
	case p.Addr().Is4In6():
		return complaint{"is an IPv4 address in IPv6 form", "write it as IPv4"}
	case p != p.Masked():
		return complaint{"has bits set beyond its length", "did you mean " + p.Masked().String() + "?"}
	}
	v.Set(reflect.ValueOf(p))
	return complaint{}
}

func setKeyHash(v reflect.Value, text string) complaint {
	const hint = "hufu client key makes a key and prints its SHA-256"
	if strings.HasPrefix(text, "hufu_") {
		return complaint{"is a client key, not its SHA-256; take it out of here and replace it", hint}
	}
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != len(KeyHash{}) || text != strings.ToLower(text) {
		return complaint{"must be 64 lower-case hexadecimal digits", hint}
	}
	h := KeyHash(raw)
	if (h == KeyHash{}) || h == HashKey(credential.Secret{}) {
		return complaint{"is the hash of nothing", hint}
	}
	v.Set(reflect.ValueOf(h))
	return complaint{}
}
