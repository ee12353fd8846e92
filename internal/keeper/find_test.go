package keeper

import (
	"testing"
	"time"

	"github.com/hufu-project/hufu/internal/credential"
)

func TestFindKnowsTheValueInHandAndNoOther(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{source: "classic"})
		n := w.node()
		old := w.get(n).Value
		if key, ok := n.Find(old); !ok || key != testKey {
			t.Errorf("the value in hand: %v, %v", key, ok)
		}
		time.Sleep(2 * time.Hour)
		if _, ok := n.Find(old); ok || w.get(n).Value.Equal(old) {
			t.Error("a value of former times is found")
		}
		for _, other := range []string{"", "91_x"} {
			if _, ok := n.Find(credential.NewSecret(other)); ok {
				t.Errorf("%q is found", other)
			}
		}
	})
}
