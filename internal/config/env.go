package config

import (
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/hufu-project/hufu/internal/credential"
)

const envPrefix = "HUFU_"

// inEnvironment is the File of a Problem about a variable.
const inEnvironment = "environment"

// The variables that are no keys of the file.
const (
	envAppID      = envPrefix + "APPID"
	envSecret     = envPrefix + "SECRET"
	envSecretFile = envPrefix + "SECRET_FILE"
)

// commandEnv belongs to the commands.
var commandEnv = []string{envPrefix + "URL", envPrefix + "KEY", envPrefix + "CONFIG", envPrefix + "LOG"}

// variables calls visit for each key below t that a variable can set, with the
// key's path and the variable's name.
func variables(t reflect.Type, path, name string, visit func(f field, path, name string)) {
	for _, f := range fields[t] {
		path, name := join(path, f.key), name+strings.ToUpper(f.key)
		switch {
		case isScalar(f.typ), f.typ.Kind() == reflect.Slice && isScalar(f.typ.Elem()):
			visit(f, path, name)
		case f.typ.Kind() == reflect.Struct:
			variables(f.typ, path, name+"_", visit)
		}
	}
}

// variable gives what is set and not empty.
func (s *source) variable(name string) (string, bool) {
	v, ok := s.env(name)
	return v, ok && v != ""
}

// overlay sets in v what the environment sets.
func (d *decoder) overlay(v reflect.Value) {
	variables(v.Type(), "", envPrefix, func(f field, path, name string) {
		d.fromVariable(lookup(v, path), name, path, f)
	})
}

// lookup finds the value at a path of keys.
func lookup(v reflect.Value, path string) reflect.Value {
	for key := range strings.SplitSeq(path, ".") {
		f, _, _ := find(v.Type(), key)
		v = v.Field(f.index)
	}
	return v
}

// fromVariable sets one key from the variable name, or name_FILE for a secret.
func (d *decoder) fromVariable(v reflect.Value, name, path string, f field) {
	text, ok := d.source.variable(name)
	if f.isSecret() {
		if file, fromFile := d.source.variable(name + "_FILE"); fromFile {
			d.marks[path] = mark{file: inEnvironment, variable: name + "_FILE"}
			if ok {
				d.misread(path, "is set, and so is "+name, "keep one of them")
				return
			}
			d.setFromFiles(v, []string{file}, path)
			return
		}
	}
	if !ok {
		return
	}
	d.marks[path] = mark{file: inEnvironment, variable: name}
	parts := []string{text}
	if v.Kind() == reflect.Slice {
		parts = strings.Split(text, ",")
		v.Set(reflect.MakeSlice(v.Type(), len(parts), len(parts)))
	}
	for i, part := range parts {
		one := v
		if v.Kind() == reflect.Slice {
			one, part = v.Index(i), strings.TrimSpace(part)
		}
		if wrong := setScalar(one, part, f); wrong.message != "" {
			d.misread(path, wrong.message, wrong.hint)
		}
	}
}

// fromEnv declares the app and the client of the environment.
func (d *decoder) fromEnv(c *Config) {
	var a App
	setDefaults(reflect.ValueOf(&a).Elem())
	id, _ := d.source.variable(envAppID)
	a.AppID, a.Name = credential.App(id), id
	d.marks["apps[0].appid"] = mark{file: inEnvironment, variable: envAppID}
	d.marks["apps[0].secret"] = mark{file: inEnvironment, variable: envSecret}
	d.fromVariable(reflect.ValueOf(&a.Secrets).Elem(), envSecret, "apps[0].secret", field{typ: reflect.TypeOf(a.Secrets)})
	c.Apps = []App{a}

	client := Client{
		Name:  EnvClientName,
		Apps:  []credential.App{AllApps},
		Allow: slices.Clone(allActions),
	}
	setDefaults(reflect.ValueOf(&client).Elem())
	client.Tokens = Real
	c.Clients, c.EnvClient = []Client{client}, true
}

// injected are the variables that Kubernetes and Docker set for a service or a
// container whose name begins with hufu, as NAME=value.
var injected = regexp.MustCompile(`^[A-Z0-9_]+(_SERVICE_(HOST|PORT)[A-Z0-9_]*=|_PORT_[0-9]+_(TCP|UDP|SCTP)[A-Z_]*=|_PORT=(tcp|udp|sctp)://)`)

// UnknownEnv finds the HUFU_ variables that mean nothing, in environ as from
// os.Environ. A process calls it once, at its start.
func UnknownEnv(environ []string) Problems {
	known := append([]string{envAppID, envSecret, envSecretFile}, commandEnv...)
	variables(reflect.TypeFor[Config](), "", envPrefix, func(f field, _, name string) {
		known = append(known, name)
		if f.isSecret() {
			known = append(known, name+"_FILE")
		}
	})
	var ps Problems
	for _, kv := range environ {
		name, _, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(name, envPrefix) || slices.Contains(known, name) || injected.MatchString(kv) {
			continue
		}
		hint := "every key of the file has a variable, as HUFU_LISTEN_API for listen.api"
		if w := nearest(name[len(envPrefix):], trimmed(known)); w != "" {
			hint = "did you mean " + envPrefix + w + "?"
		}
		ps = append(ps, Problem{File: inEnvironment, Path: name, Message: "there is no such variable", Hint: hint})
	}
	return ps.sorted()
}

func trimmed(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = strings.TrimPrefix(n, envPrefix)
	}
	return out
}
