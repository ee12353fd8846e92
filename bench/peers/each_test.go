//go:build unix

package peers

import (
	"fmt"
	"testing"
)

// each runs an experiment with the peers for which it makes sense (nil: all), so
// many times; eight run at the same time. With -short it is run once, and only with
// the peers that are quick.
func each(t *testing.T, times int, sense func(peer) bool, run func(*testing.T, peer)) {
	t.Helper()
	if testing.Short() {
		times = 1
	}
	for _, p := range peers {
		if sense != nil && !sense(p) || testing.Short() && !p.quick {
			continue
		}
		for i := range times {
			t.Run(fmt.Sprintf("%s %d", p.name, i+1), func(t *testing.T) {
				t.Parallel()
				run(t, p)
			})
		}
	}
}
