package store

import (
	"errors"
	"fmt"
	"strings"
)

// CheckKey refuses a key that is empty or of more than most bytes.
func CheckKey(key string, most int) error {
	switch {
	case key == "":
		return errors.New("store: a key must not be empty")
	case len(key) > most:
		return fmt.Errorf("store: a key of %d bytes is too long, %d is the most: %s…", len(key), most, strings.ToValidUTF8(key[:40], "?"))
	}
	return nil
}
