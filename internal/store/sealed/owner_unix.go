//go:build unix

package sealed

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// keepOwner gives f to the owner of the file at path, whose place it takes:
// root may replace the key, and the service must still be able to read it.
func keepOwner(f *os.File, path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	is, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(is.Uid) == os.Geteuid() {
		return nil
	}
	return f.Chown(int(is.Uid), int(is.Gid))
}
