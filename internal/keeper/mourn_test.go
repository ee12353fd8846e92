package keeper

import (
	"testing"
	"time"

	"github.com/hufu-project/hufu/internal/credential"
)

// A value that turns out to be dead when another one is in hand already takes
// that one from nobody.
func TestADeathOfAnOldValueLeavesTheNewOne(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{source: "classic"})
		n := w.node()
		c := w.get(n)
		e, _ := n.entry(testKey)
		n.mourn(e, credential.NewSecret("an older one"))
		if !e.view.Load().live(time.Now()) {
			t.Error("the value in hand is gone")
		}
		n.mourn(e, c.Value)
		if e.view.Load().live(time.Now()) {
			t.Error("the dead value is still there")
		}
	})
}
