package config

import (
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/hufu-project/hufu/internal/credential"
)

// decoder reads one document, given as a tree of nodes, into a struct. It goes
// on after a problem, so that all of them are found.
type decoder struct {
	*report
	// source is where ${NAME} and files come from. It is nil for JSON: what
	// arrives over the network may read neither.
	source *source
	// more: keys that are not known are passed over.
	more bool
}

// value reads n into v. A key without a value leaves v as it is.
func (d *decoder) value(n *yaml.Node, v reflect.Value, path string, f field) {
	d.marks[path] = mark{file: d.whole.file, line: n.Line, column: n.Column}
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		d.misread(path, "anchors and aliases are not read here", "write the value out")
	case strangeTag(n):
		d.misread(path, "tags are not read here", "write the plain value")
	case n.Kind == yaml.ScalarNode && n.Tag == "!!null":
	case isScalar(v.Type()):
		d.scalar(n, v, path, f)
	case v.Kind() == reflect.Slice:
		d.list(n, v, path, f)
	case v.Kind() == reflect.Map:
		d.dict(n, v, path)
	default:
		d.mapping(n, v, path)
	}
}

// strangeTag reports a tag that a person wrote, such as !!binary.
func strangeTag(n *yaml.Node) bool {
	switch n.Tag {
	case "!!map", "!!seq", "!!str", "!!int", "!!float", "!!bool", "!!null", "!!timestamp", "!!merge":
		return n.Style&yaml.TaggedStyle != 0
	}
	return true
}

func (d *decoder) scalar(n *yaml.Node, v reflect.Value, path string, f field) {
	if n.Kind != yaml.ScalarNode {
		d.misread(path, "must be one value, not a "+kindName(n), "")
		return
	}
	text := n.Value
	if d.source == nil {
		if want := jsonTag(v); n.Tag != want {
			d.misread(path, "must be a JSON "+jsonName(want), "")
			return
		}
	} else {
		var wrong complaint
		var literal bool
		if text, literal, wrong = d.source.expand(text); wrong.message != "" {
			d.misread(path, wrong.message, wrong.hint)
			return
		}
		if f.path {
			text = d.source.relative(text)
		}
		if literal && v.Type() == secretType && holdsSecret(text) {
			d.source.literal = append(d.source.literal, path)
		}
	}
	if wrong := setScalar(v, text, f); wrong.message != "" {
		if f.key == "tokens" && text == "true" {
			wrong.hint = "real: this client is given WeChat's own tokens"
		}
		d.misread(path, wrong.message, wrong.hint)
	}
}

// list reads a sequence; where plain values are listed, a single one will do.
func (d *decoder) list(n *yaml.Node, v reflect.Value, path string, f field) {
	elem := v.Type().Elem()
	if n.Kind == yaml.ScalarNode && isScalar(elem) {
		one := reflect.New(elem).Elem()
		d.scalar(n, one, path, f)
		v.Set(reflect.Append(v.Slice(0, 0), one))
		return
	}
	if n.Kind != yaml.SequenceNode {
		d.misread(path, "must be a list, not a "+kindName(n), d.slip(n))
		return
	}
	out := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		at := path + "[" + strconv.Itoa(i) + "]"
		if _, isStruct := fields[elem]; isStruct {
			setDefaults(out.Index(i))
		}
		d.value(item, out.Index(i), at, f)
		if item.Kind == yaml.ScalarNode && item.Tag == "!!null" {
			d.misread(at, "is empty", "")
		}
	}
	v.Set(out)
}

// dict reads a mapping whose keys are the operator's own.
func (d *decoder) dict(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.MappingNode {
		d.misread(path, "must be a mapping, not a "+kindName(n), d.slip(n))
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for key, val := range d.pairs(n, path) {
		text := reflect.New(v.Type().Elem()).Elem()
		d.value(val, text, join(path, key.Value), field{})
		v.SetMapIndex(reflect.ValueOf(key.Value), text)
	}
}

func (d *decoder) mapping(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.MappingNode {
		d.misread(path, "must be a mapping, not a "+kindName(n), d.slip(n))
		return
	}
	given := map[string]bool{}
	for key, val := range d.pairs(n, path) {
		f, fromFile, ok := find(v.Type(), key.Value)
		switch at := join(path, f.key); {
		case !ok && d.more:
		case !ok:
			d.unknownKey(key, v.Type(), path)
		case given[f.key]:
			d.keyProblem(key, path, f.key+" and "+f.key+"_file are both given", "keep one of them")
		case !fromFile:
			d.value(val, v.Field(f.index), at, f)
		case d.source == nil:
			d.keyProblem(key, path, "files are read for the configuration file only", "give "+f.key)
		default:
			d.secretFile(val, v.Field(f.index), at, f)
		}
		given[f.key] = ok || given[f.key]
	}
}

// find looks a key up, also as <key>_file.
func find(t reflect.Type, key string) (f field, fromFile, ok bool) {
	for _, f := range fields[t] {
		if f.key == key {
			return f, false, true
		}
		if f.isSecret() && f.key+"_file" == key {
			return f, true, true
		}
	}
	return field{}, false, false
}

// secretFile reads the file, or the files, that stand in place of a secret.
func (d *decoder) secretFile(n *yaml.Node, v reflect.Value, path string, f field) {
	var names []string
	at := path + "_file"
	d.value(n, reflect.ValueOf(&names).Elem(), at, field{key: f.key + "_file", path: true})
	d.marks[path] = d.marks[at]
	d.setFromFiles(v, names, at)
}

// setFromFiles fills a secret, or a list of them, from the named files.
func (d *decoder) setFromFiles(v reflect.Value, names []string, path string) {
	var secrets []credential.Secret
	for _, name := range names {
		s, wrong := d.source.secret(name)
		if wrong.message != "" {
			d.misread(path, wrong.message, wrong.hint)
		}
		secrets = append(secrets, s)
	}
	switch {
	case v.Type() != secretType:
		v.Set(reflect.ValueOf(secrets))
	case len(secrets) == 1:
		v.Set(reflect.ValueOf(secrets[0]))
	case len(secrets) > 1:
		d.misread(path, "must be one file", "")
	}
}

// pairs yields the keys and values of a mapping and complains about keys that
// are no words or stand there twice; letters of another case do not make
// another key.
func (d *decoder) pairs(n *yaml.Node, path string) func(yield func(k, v *yaml.Node) bool) {
	return func(yield func(k, v *yaml.Node) bool) {
		seen := map[string]*yaml.Node{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			k := n.Content[i]
			if k.Kind != yaml.ScalarNode || strangeTag(k) || k.Anchor != "" {
				d.keyProblem(k, path, "a key must be a plain word", "")
				continue
			}
			folded := strings.ToLower(k.Value)
			if first, twice := seen[folded]; twice {
				message := "the key " + quoteKey(k.Value) + " stands here twice"
				if first.Line > 0 {
					message += ", first in line " + strconv.Itoa(first.Line)
				}
				d.keyProblem(k, path, message, "keep one of them")
				continue
			}
			seen[folded] = k
			if !yield(k, n.Content[i+1]) {
				return
			}
		}
	}
}

func (d *decoder) unknownKey(key *yaml.Node, t reflect.Type, path string) {
	hint := ""
	if d.full() {
		return
	}
	if key.Value == "<<" {
		hint = "anchors and aliases are not read here; write the values out"
	} else if hint = slipIn(key.Value); hint == "" && len(key.Value) <= maxQuotedKey {
		hint = didYouMean(key.Value, keyNames(t))
	}
	if hint == "" {
		hint = "the keys here are " + strings.Join(keyNames(t), ", ")
	}
	d.keyProblem(key, path, "unknown key "+quoteKey(key.Value), hint)
}

func (d *decoder) keyProblem(key *yaml.Node, path, message, hint string) {
	d.add(mark{file: d.whole.file, line: key.Line, column: key.Column}, path, message, hint, false)
}

// maxQuotedKey is longer than any key of ours and shorter than any secret of
// WeChat's or ours, in case one stands where a key should.
const maxQuotedKey = 24

func quoteKey(key string) string {
	if len(key) > maxQuotedKey {
		return "(too long to be one)"
	}
	return strconv.Quote(key)
}

// slip is a hint where a text stands in place of something else because of a
// character in it.
func (d *decoder) slip(n *yaml.Node) string {
	if n.Kind != yaml.ScalarNode || d.source == nil {
		return ""
	}
	return slipIn(n.Value)
}

func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "mapping"
	case yaml.SequenceNode:
		return "list"
	}
	return "single value"
}
