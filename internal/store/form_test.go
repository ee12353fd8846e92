package store

import (
	"errors"
	"testing"
)

func TestAFormThatIsNotKnownIsLater(t *testing.T) {
	t.Parallel()
	for value, later := range map[string]bool{
		`{"a":1}`:           false,
		`{"v":1,"a":1}`:     false,
		`{"v":2,"a":1}`:     false,
		`{"v":3,"a":1}`:     true,
		`{"v":1e3}`:         true,
		`{"v":"3"}`:         true,
		`{"v":99999999999}`: true,
		`{}`:                false,
		``:                  false,
		`garbage`:           false,
	} {
		if err := CheckForm([]byte(value), 2); errors.Is(err, ErrLater) != later || (err == nil) == later {
			t.Errorf("%s: %v", value, err)
		}
	}
	for object, marked := range map[string]string{`{"a":1}`: `{"v":3,"a":1}`, `{}`: `{"v":3}`} {
		if got := string(Mark([]byte(object), 3)); got != marked {
			t.Errorf("%s is marked as %s", object, got)
		}
	}
}
