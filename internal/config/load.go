package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"strings"

	"go.yaml.in/yaml/v4"
)

// origin is where a Config came from, for the follower.
type origin struct {
	path string
	env  Env
	fingerprint
}

// Load reads the file at path over the defaults, and the environment over
// both, and checks the whole. The error is of type Problems and says all that
// is wrong. It reads the files that the configuration names, and nothing else.
func Load(path string, env Env) (*Config, error) {
	return finish(read(path, env))
}

// FromEnv makes a configuration of the environment alone: the app of
// HUFU_APPID, with HUFU_SECRET or HUFU_SECRET_FILE, and one client (see
// Config.EnvClient). All other variables apply as they do to a file.
func FromEnv(env Env) (*Config, error) {
	return finish(read("", env))
}

// Default is a Config, an App or a Client that holds the defaults.
func Default[T Config | App | Client]() (v T) {
	setDefaults(reflect.ValueOf(&v).Elem())
	return v
}

// Check is for a configuration that is made in code, beginning with Default. It
// checks as Load does, fills in Warnings and what follows from other keys, and
// reads no file but those of TLS. The error is of type Problems, without places.
func (c *Config) Check() error {
	src, rep := newSource(func(string) (string, bool) { return "", false }, ""), newReport("")
	rep.marks["store"] = mark{} // it was given, even if by its default
	rep.check(c, src)
	_, err := finish(c, rep.problems.sorted())
	return err
}

func finish(c *Config, ps Problems) (*Config, error) {
	if ps.fatal() {
		return nil, ps
	}
	c.Warnings = ps
	return c, nil
}

// read always gives a Config that knows its origin; without a path it is made
// of the environment alone.
func read(path string, env Env) (*Config, Problems) {
	src, rep := newSource(env, path), newReport(path)
	d := &decoder{report: rep, source: src}
	c := &Config{origin: origin{path, env, src.files}}
	setDefaults(reflect.ValueOf(c).Elem())
	if path == "" {
		d.fromEnv(c)
	} else if !d.fromFile(c, path) {
		return c, rep.problems.sorted()
	}
	d.overlay(reflect.ValueOf(c).Elem())
	if file, ok := strings.CutPrefix(c.Store.Reveal(), "bolt:"); ok && !rep.given("master_key_file") {
		c.MasterKeyFile = filepath.Join(filepath.Dir(file), c.MasterKeyFile)
	}
	rep.check(c, src)
	return c, rep.problems.sorted()
}

// fromFile reports whether there is anything to check.
func (d *decoder) fromFile(c *Config, path string) bool {
	data, mode, err := d.source.read(path)
	if errors.Is(err, errTooLarge) {
		d.fail("", "the file is larger than 1 MiB", "apps and clients by the thousand are better added at run time")
		return false
	}
	if err != nil {
		d.fail("", err.Error(), "")
		return false
	}
	root := d.parse(data)
	if root == nil {
		return false
	}
	d.value(root, reflect.ValueOf(c).Elem(), "", field{})
	if len(d.source.literal) > 0 && mode&0o077 != 0 && runtime.GOOS != "windows" {
		d.fail(d.source.literal[0],
			fmt.Sprintf("a secret is written here, and the permissions of the file (%04o) let others read it", mode),
			"chmod 600 the file, or write the secret as ${NAME} or in a file of its own")
	}
	return true
}

var quoted = regexp.MustCompile(`'[^']{2,}' `)

// parse gives the root of the one document in data, or nil.
func (d *decoder) parse(data []byte) *yaml.Node {
	var doc yaml.Node
	err := yaml.Load(data, &doc)
	if err == nil && len(doc.Content) == 1 && doc.Content[0].Tag != "!!null" {
		return doc.Content[0]
	}
	m, message, hint := d.whole, "the file is empty", ""
	var le *yaml.LoadError
	switch {
	case err == nil, strings.Contains(err.Error(), "no documents"):
		hint = "declare an app under apps: (appid, secret) and a client under clients: (name, key_sha256, apps, allow)"
	case strings.Contains(err.Error(), "expected single document"):
		message, hint = "there is more than one document", "remove the line --- and what follows it"
	case errors.As(err, &le):
		m.line, m.column = le.Mark.Line, le.Mark.Column
		// The name of an anchor may be anything, also a secret.
		message = quoted.ReplaceAllString(le.Message, "")
		hint = slipIn(lineOf(data, m.line))
		if before := lineOf(data, m.line-1); hint == "" && strings.Contains(before, "：") {
			hint = slipIn(before) // a key that is none ends where the next one begins
		}
	default:
		message = "is no YAML"
	}
	d.add(m, "", message, hint, false)
	return nil
}

// slips are what people write that YAML reads as something else, and what to
// write instead.
var slips = []struct {
	in   *regexp.Regexp
	hint string
}{
	{regexp.MustCompile(`^[ -]*[A-Za-z0-9_]+ *：`), "a full-width colon ： stands after the key; write : and a blank"},
	{regexp.MustCompile(`^ *\t|: *\t`), "a tab stands here; YAML wants blanks"},
	{regexp.MustCompile(`[-:,\[] *\*`), `write ["*"]`},
	{regexp.MustCompile(`\$\{`), `write ${NAME} in double quotes inside [ ] and { }`},
}

// slipIn gives the hint for the first slip in a text, or "".
func slipIn(text string) string {
	for _, s := range slips {
		if s.in.MatchString(text) {
			return s.hint
		}
	}
	return ""
}

func lineOf(data []byte, line int) string {
	lines := strings.Split(string(data), "\n")
	if line < 1 || line > len(lines) {
		return ""
	}
	return lines[line-1]
}
