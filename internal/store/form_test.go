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
	if got := string(Mark([]byte(`{"a":1}`), 3)); got != `{"v":3,"a":1}` {
		t.Error(got)
	}
}
