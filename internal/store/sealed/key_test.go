package sealed

import (
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestKeyFileIsMadeOnceAndReadBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "hufu.key")
	_, err := LoadOrCreateKeys(path, false)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "belongs to it") {
		t.Errorf("no file, and none may be made: %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("a file was made: %v", left)
	}
	made, err := LoadOrCreateKeys(path, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, mayCreate := range []bool{true, false} {
		if again, err := LoadOrCreateKeys(path, mayCreate); err != nil || !slices.Equal(again, made) {
			t.Errorf("read back: another key, or %v", err)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("more than the key file was left: %v", left)
	}
	info, err := os.Stat(path)
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode().Perm(), err)
	}
	text, err := os.ReadFile(path)
	if want := keyPrefix + base64.StdEncoding.EncodeToString(made[0].bytes[:]) + "\n"; err != nil || string(text) != want {
		t.Errorf("the file is not as drawn: %v", err)
	}
	if _, err := LoadOrCreateKeys(filepath.Join(dir, "no", "hufu.key"), true); err == nil {
		t.Error("a key file was made in a folder that is not there")
	}
}

func TestBadKeyFileIsRefused(t *testing.T) {
	t.Parallel()
	line := func(raw string) string { return keyPrefix + base64.StdEncoding.EncodeToString([]byte(raw)) + "\n" }
	good := line("0123456789abcdefghijklmnopqrstuv")
	for what, c := range map[string]struct{ text, hint string }{
		"empty":          {"", "not a master key file"},
		"blank":          {"\n", "not a master key file"},
		"half a line":    {good[:40], "32 bytes"},
		"short":          {line("0123456789abcdefghijklmnopqrstu"), "32 bytes"},
		"long":           {line("0123456789abcdefghijklmnopqrstuvw"), "32 bytes"},
		"no base64":      {keyPrefix + strings.Repeat("#", 44), "32 bytes"},
		"one key twice":  {good + good, "twice"},
		"bare base64":    {strings.TrimPrefix(good, keyPrefix), "not a master key file"},
		"next format":    {strings.Replace(good, "key-1", "key-2", 1), "not a master key file"},
		"zeros":          {line(strings.Repeat("\x00", 32)), "not random"},
		"one byte":       {line(strings.Repeat("k", 32)), "not random"},
		"a pattern":      {line(strings.Repeat("changeme", 4)), "not random"},
		"something else": {strings.Repeat("-----BEGIN PRIVATE KEY-----\n", 100), "not a master key file"},
	} {
		path := filepath.Join(t.TempDir(), "hufu.key")
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, mayCreate := range []bool{true, false} {
			_, err := LoadOrCreateKeys(path, mayCreate)
			if err == nil || !strings.Contains(err.Error(), c.hint) || !strings.Contains(err.Error(), path) {
				t.Errorf("%s: %v; want %q", what, err, c.hint)
				continue
			}
			if strings.Contains(err.Error(), "MDEy") || strings.Contains(err.Error(), "0123") || strings.Contains(err.Error(), "###") {
				t.Errorf("%s: the error quotes the key: %v", what, err)
			}
		}
		if left, _ := os.ReadFile(path); string(left) != c.text {
			t.Errorf("%s: the file was changed", what)
		}
	}
}

func TestKeyFileThatOthersMayReadIsRefused(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("no modes there")
	}
	path := filepath.Join(t.TempDir(), "hufu.key")
	made, err := LoadOrCreateKeys(path, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o644, 0o602, 0o666} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadOrCreateKeys(path, true); err == nil || !strings.Contains(err.Error(), "chmod 600 "+path) {
			t.Errorf("mode %v: %v", mode, err)
		}
	}
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	if got, err := LoadOrCreateKeys(path, true); err != nil || !slices.Equal(got, made) {
		t.Errorf("mode 0400: %v", err)
	}
	if _, err := LoadOrCreateKeys(filepath.Dir(path), true); err == nil || !strings.Contains(err.Error(), "directory") {
		t.Errorf("a directory: %v", err)
	}
}
