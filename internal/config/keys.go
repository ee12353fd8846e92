package config

import (
	"net/netip"
	"reflect"
	"strings"
	"time"

	"github.com/hufu-project/hufu/internal/credential"
)

// field is one key of a struct: what its tags say.
type field struct {
	key   string
	def   string
	oneof []string
	path  bool
	index int
	typ   reflect.Type
}

// fields are the keys of each struct, Config and everything below it.
var fields = func() map[reflect.Type][]field {
	all := map[reflect.Type][]field{}
	var add func(t reflect.Type)
	add = func(t reflect.Type) {
		if t.Kind() == reflect.Slice {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct || isScalar(t) || all[t] != nil {
			return
		}
		var own []field
		for i := range t.NumField() {
			sf := t.Field(i)
			f := field{key: sf.Tag.Get("yaml"), def: sf.Tag.Get("default"), index: i, typ: sf.Type}
			if !sf.IsExported() || f.key == "" || f.key == "-" {
				continue
			}
			if words := sf.Tag.Get("oneof"); words != "" {
				f.oneof = strings.Split(words, "|")
			}
			f.path = sf.Tag.Get("path") != ""
			own = append(own, f)
		}
		all[t] = own
		for _, f := range own {
			add(f.typ)
		}
	}
	add(reflect.TypeFor[Config]())
	return all
}()

var (
	secretType   = reflect.TypeFor[credential.Secret]()
	durationType = reflect.TypeFor[time.Duration]()
	prefixType   = reflect.TypeFor[netip.Prefix]()
	keyHashType  = reflect.TypeFor[KeyHash]()
	actionType   = reflect.TypeFor[Action]()
	sizeType     = reflect.TypeFor[Size]()
)

// isScalar reports whether a value of type t is written as one word.
func isScalar(t reflect.Type) bool {
	switch t {
	case secretType, prefixType, keyHashType:
		return true
	}
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int64:
		return true
	}
	return false
}

// isSecret reports whether the key may also be given as <key>_file.
func (f field) isSecret() bool {
	return f.typ == secretType || f.typ.Kind() == reflect.Slice && f.typ.Elem() == secretType
}

// keyNames are all keys that may stand in a struct of type t.
func keyNames(t reflect.Type) []string {
	var names []string
	for _, f := range fields[t] {
		names = append(names, f.key)
		if f.isSecret() {
			names = append(names, f.key+"_file")
		}
	}
	return names
}

// setDefaults fills in what the tags say, in v and the structs below it, but
// not in elements of lists: those are filled when they are made.
func setDefaults(v reflect.Value) {
	for _, f := range fields[v.Type()] {
		fv := v.Field(f.index)
		switch {
		case f.def != "":
			if wrong := setScalar(fv, f.def, f); wrong.message != "" {
				panic("config: default of " + f.key + " " + wrong.message)
			}
		case f.typ.Kind() == reflect.Struct && !isScalar(f.typ):
			setDefaults(fv)
		}
	}
}

// join puts a key below a path.
func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
