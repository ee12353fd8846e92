package store

import (
	"encoding/json"
	"fmt"
)

// Mark gives a JSON object that says of itself in which form it is, so that a
// later Hufu can write another one beside nodes that are not updated yet. A
// key that those may pass over needs no new form; one that they must not
// misread or lose does.
func Mark(object []byte, form int) []byte {
	if string(object) == "{}" {
		return fmt.Appendf(nil, `{"v":%d}`, form)
	}
	return fmt.Appendf(nil, `{"v":%d,%s`, form, object[1:])
}

// CheckForm is ErrLater if the JSON object in value says that it is of a later
// form than known. Without a word about it, it is of the first.
func CheckForm(value []byte, known int) error {
	var of struct{ V json.Number }
	if json.Unmarshal(value, &of) != nil || of.V == "" {
		return nil // what else it is its reader will say
	}
	if v, err := of.V.Int64(); err != nil || v > int64(known) {
		return fmt.Errorf("%w (form %s; known here is %d)", ErrLater, of.V, known)
	}
	return nil
}
