package config

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/hufu-project/hufu/internal/credential"
)

const (
	maxFile   = 1 << 20
	maxSecret = 4 << 10
)

// Env looks a variable up, as os.LookupEnv does.
type Env = func(name string) (value string, ok bool)

// source is what a configuration is made of: the environment, and files.
type source struct {
	env Env
	dir string // of the configuration file
	// files are those that were read, or should have been, by name.
	files fingerprint
	// used are the variables that ${NAME} named.
	used map[string]bool
	// literal are the paths of secrets written out in the file.
	literal []string
}

func newSource(env Env, path string) *source {
	s := &source{env: env, files: fingerprint{}, used: map[string]bool{}}
	if path != "" {
		s.dir = filepath.Dir(path)
	}
	return s
}

// read gives the content of a file and remembers it for the follower, also
// where it cannot be read.
func (s *source) read(name string) ([]byte, fs.FileMode, error) {
	data, mode, err := readFile(name)
	s.files[name] = digest(data, mode, err)
	return data, mode, err
}

// readFile refuses what is no regular file, since opening a pipe may block.
func readFile(name string) ([]byte, fs.FileMode, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, 0, cause(err)
	}
	if !info.Mode().IsRegular() {
		return nil, 0, errors.New("not a regular file")
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, 0, cause(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, 0, cause(err)
	}
	if len(data) > maxFile {
		return nil, 0, errTooLarge
	}
	return data, info.Mode().Perm(), nil
}

var errTooLarge = errors.New("the file is too large")

// cause is err without the operation and the file's name.
func cause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// fingerprint is what was read of each file.
type fingerprint map[string][sha256.Size]byte

// digest covers the permissions too, since they may be what was refused.
func digest(data []byte, mode fs.FileMode, err error) [sha256.Size]byte {
	if err != nil {
		return sha256.Sum256([]byte("error: " + err.Error()))
	}
	return sha256.Sum256(append([]byte(mode.String()), data...))
}

// secret reads a file that holds one secret, without the line's end.
func (s *source) secret(name string) (credential.Secret, complaint) {
	data, _, err := s.read(name)
	if err == nil && len(data) > maxSecret {
		err = errTooLarge
	}
	if err != nil {
		return credential.Secret{}, complaint{"cannot read the file: " + err.Error(), ""}
	}
	data = bytes.TrimSuffix(bytes.TrimSuffix(data, []byte("\n")), []byte("\r"))
	if len(data) == 0 {
		return credential.Secret{}, complaint{"the file is empty", ""}
	}
	return credential.NewSecret(string(data)), complaint{}
}

// relative lets a relative file name start at the configuration file's folder.
// In a store's address it is what follows "bolt:".
func (s *source) relative(name string) string {
	scheme, file := "", name
	if rest, ok := strings.CutPrefix(name, "bolt:"); ok {
		scheme, file = "bolt:", rest
	} else if strings.Contains(name, "://") {
		return name
	}
	if file == "" || filepath.IsAbs(file) || s.dir == "" || s.dir == "." {
		return name
	}
	return scheme + filepath.Join(s.dir, file)
}

var (
	variable     = regexp.MustCompile(`\$?\$\{[^}]*\}?`)
	variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// expand puts variables in place of ${NAME}; $${ stands for ${. What a
// variable holds is not looked at again. literal says that no variable was
// named.
func (s *source) expand(text string) (out string, literal bool, wrong complaint) {
	literal = true
	out = variable.ReplaceAllStringFunc(text, func(m string) string {
		if strings.HasPrefix(m, "$$") {
			return m[1:]
		}
		name, closed := strings.CutSuffix(m[2:], "}")
		if !closed || !variableName.MatchString(name) || len(name) > 64 {
			wrong = complaint{"has a ${ that names no variable", "write ${NAME}, or $${ for the characters themselves"}
			return ""
		}
		literal = false
		s.used[name] = true
		v, ok := s.env(name)
		if !ok {
			wrong = complaint{"the variable " + name + " is not set", ""}
		}
		return v
	})
	return out, literal, wrong
}

// holdsSecret reports whether a literal text must not be read by others: it is
// an address only if it has a password in it.
func holdsSecret(text string) bool {
	if strings.HasPrefix(text, "bolt:") {
		return false
	}
	if !strings.Contains(text, "://") {
		return text != ""
	}
	u, err := url.Parse(text)
	if err != nil {
		return true
	}
	_, has := u.User.Password()
	return has || u.Query().Has("password") || u.Query().Has("sentinel_password")
}
