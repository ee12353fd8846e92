package config

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strconv"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// DecodeApp reads the JSON of an app and checks it, as strictly as the file:
// unknown keys, a key given twice (also in letters of another case), a value
// of another JSON type and anything after the object are refused. Neither
// ${NAME} nor files are read. The error is of type Problems.
//
// An absent appid is let pass, since the caller may have it from elsewhere:
// fill it in, and call Check.
func DecodeApp(data []byte) (App, error) { return decodeApp(data, false) }

// DecodeClient is DecodeApp for a client; an absent name is let pass.
func DecodeClient(data []byte) (Client, error) { return decodeClient(data, false) }

// RecallApp is DecodeApp for what EncodeApp wrote, here or in a Hufu that knows
// more keys: at any depth, those are passed over.
func RecallApp(data []byte) (App, error) { return decodeApp(data, true) }

// RecallClient is RecallApp for a client.
func RecallClient(data []byte) (Client, error) { return decodeClient(data, true) }

func decodeApp(data []byte, more bool) (App, error) {
	var a App
	rep := decodeJSON(data, reflect.ValueOf(&a).Elem(), more)
	if rep.problems == nil {
		rep.app("", &a, false)
	}
	return a, rep.err()
}

func decodeClient(data []byte, more bool) (Client, error) {
	var c Client
	rep := decodeJSON(data, reflect.ValueOf(&c).Elem(), more)
	if rep.problems == nil {
		rep.client("", &c, false)
	}
	return c, rep.err()
}

// Check says what is wrong with an app, however it was made. The error is of
// type Problems.
func (a App) Check() error {
	rep := newReport("")
	rep.app("", &a, true)
	return rep.err()
}

// Check says what is wrong with a client, however it was made. The error is of
// type Problems.
func (c Client) Check() error {
	rep := newReport("")
	rep.client("", &c, true)
	return rep.err()
}

func (r *report) err() error {
	if ps := r.problems.sorted(); ps.fatal() {
		return ps
	}
	return nil
}

// maxDepth is twice what an app or a client needs.
const maxDepth = 4

// decodeJSON reads an object into v; more: there may be more keys in it.
func decodeJSON(data []byte, v reflect.Value, more bool) *report {
	d := &decoder{report: newReport(""), more: more}
	setDefaults(v)
	switch root, message := jsonTree(data); {
	case message != "":
		d.fail("", message, "")
	case root.Kind != yaml.MappingNode:
		d.fail("", "must be a JSON object", "")
	default:
		d.value(root, v, "", field{})
	}
	return d.report
}

// jsonTree reads one JSON text into the same nodes that YAML gives, or says
// what is wrong with it.
func jsonTree(data []byte) (root *yaml.Node, message string) {
	if len(data) > maxFile {
		return nil, "the JSON is larger than 1 MiB"
	}
	if !utf8.Valid(data) {
		return nil, "the JSON is not UTF-8"
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	root, message = jsonNode(dec, 0)
	if message == "" && len(bytes.TrimLeft(data[dec.InputOffset():], " \t\r\n")) > 0 {
		return nil, "there is more after the JSON object"
	}
	return root, message
}

func jsonNode(dec *json.Decoder, depth int) (*yaml.Node, string) {
	t, err := dec.Token()
	if err != nil {
		return nil, badJSON(dec)
	}
	switch t := t.(type) {
	case json.Delim:
		n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		if t == '{' {
			n.Kind, n.Tag = yaml.MappingNode, "!!map"
		}
		if depth == maxDepth {
			return nil, "the JSON is nested too deeply"
		}
		for dec.More() {
			item, message := jsonNode(dec, depth+1)
			if message != "" {
				return nil, message
			}
			n.Content = append(n.Content, item)
		}
		if _, err := dec.Token(); err != nil {
			return nil, badJSON(dec)
		}
		return n, ""
	case string:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: t}, ""
	case json.Number:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: t.String()}, ""
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: strconv.FormatBool(t)}, ""
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null"}, ""
}

func badJSON(dec *json.Decoder) string {
	return "no valid JSON at byte " + strconv.FormatInt(dec.InputOffset(), 10)
}

// jsonTag is the tag of the only JSON type that v is read from.
func jsonTag(v reflect.Value) string {
	switch {
	case v.Kind() == reflect.Bool:
		return "!!bool"
	case v.Kind() == reflect.Int:
		return "!!int"
	}
	return "!!str"
}

func jsonName(tag string) string {
	return map[string]string{"!!bool": "boolean", "!!int": "number", "!!str": "string"}[tag]
}
