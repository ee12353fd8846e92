package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/hufu-project/hufu/internal/credential"
)

// EncodeApp gives the JSON that DecodeApp reads, AppSecrets included: for the
// sealed store, and for nothing else.
func EncodeApp(a App) []byte { return toJSON(tree(reflect.ValueOf(a), inClear)) }

// EncodeClient gives the JSON that DecodeClient reads.
func EncodeClient(c Client) []byte { return toJSON(tree(reflect.ValueOf(c), inClear)) }

// MarshalJSON gives the form for answers: EncodeApp's without the secrets.
func (a App) MarshalJSON() ([]byte, error) {
	return toJSON(tree(reflect.ValueOf(a), leftOut)), nil
}

// MarshalJSON gives the form for answers, which is EncodeClient's.
func (c Client) MarshalJSON() ([]byte, error) { return EncodeClient(c), nil }

// Redacted gives the configuration in force as YAML, with "[redacted]" for
// every secret and "xxxxx" for a password in an address.
func Redacted(c *Config) []byte {
	out, err := yaml.Dump(tree(reflect.ValueOf(*c), redacted), yaml.WithIndent(2))
	if err != nil {
		panic("config: print: " + err.Error())
	}
	return out
}

// StoreName gives Config.Store without its password.
func (c *Config) StoreName() string { return address(c.Store) }

// address gives an address without its password.
func address(s credential.Secret) string {
	text := s.Reveal()
	if rest, ok := strings.CutPrefix(text, "bolt:"); ok {
		return "bolt:" + rest
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return s.String()
	}
	// A query may hold a password too: ?password= of a postgres address,
	// ?sentinel_password= of a redis one.
	u.RawQuery, u.Fragment = "", ""
	return u.Redacted()
}

// showing is what becomes of secrets.
type showing int

const (
	inClear showing = iota
	leftOut
	redacted
)

// tree gives the nodes that the decoder would read v from. Empty texts and
// lists are left out.
func tree(v reflect.Value, how showing) *yaml.Node {
	switch {
	case isScalar(v.Type()):
		return scalarNode(v, how)
	case v.Kind() == reflect.Slice:
		n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		if isScalar(v.Type().Elem()) {
			n.Style = yaml.FlowStyle
		}
		for i := range v.Len() {
			n.Content = append(n.Content, tree(v.Index(i), how))
		}
		return n
	case v.Kind() == reflect.Map:
		n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		m := v.Interface().(map[string]string)
		for _, k := range slices.Sorted(maps.Keys(m)) {
			n.Content = append(n.Content, stringNode(k), stringNode(m[k]))
		}
		return n
	}
	n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	for _, f := range fields[v.Type()] {
		fv := v.Field(f.index)
		if isEmpty(fv) || how == leftOut && f.isSecret() {
			continue
		}
		n.Content = append(n.Content, stringNode(f.key), tree(fv, how))
	}
	return n
}

func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map, reflect.String:
		return v.Len() == 0
	}
	return v.Type() == secretType && v.IsZero()
}

func scalarNode(v reflect.Value, how showing) *yaml.Node {
	switch v.Kind() {
	case reflect.Bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: strconv.FormatBool(v.Bool())}
	case reflect.Int:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.FormatInt(v.Int(), 10)}
	case reflect.String:
		return stringNode(v.String())
	}
	if s, ok := v.Interface().(credential.Secret); ok {
		if how == redacted {
			return stringNode(address(s))
		}
		return stringNode(s.Reveal())
	}
	return stringNode(v.Interface().(fmt.Stringer).String())
}

func stringNode(s string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(s)
	return n
}

func toJSON(n *yaml.Node) []byte {
	var b bytes.Buffer
	writeJSON(&b, n)
	return b.Bytes()
}

func writeJSON(b *bytes.Buffer, n *yaml.Node) {
	switch {
	case n.Kind == yaml.MappingNode:
		b.WriteByte('{')
		for i := 0; i < len(n.Content); i += 2 {
			if i > 0 {
				b.WriteByte(',')
			}
			writeJSON(b, n.Content[i])
			b.WriteByte(':')
			writeJSON(b, n.Content[i+1])
		}
		b.WriteByte('}')
	case n.Kind == yaml.SequenceNode:
		b.WriteByte('[')
		for i, item := range n.Content {
			if i > 0 {
				b.WriteByte(',')
			}
			writeJSON(b, item)
		}
		b.WriteByte(']')
	case n.Tag == "!!str":
		text, _ := json.Marshal(n.Value) // a string always can be
		b.Write(text)
	default:
		b.WriteString(n.Value)
	}
}
