package config

import (
	"slices"
	"strings"
)

// Clash is why two clients cannot both be there. Key is the key to change.
type Clash struct{ Key, Message string }

// Error names the key and the reason; it quotes no value.
func (c *Clash) Error() string { return c.Key + ": " + c.Message }

// Clashes says why c cannot be beside o, a client of another name: they share
// a key, or some redirect_uri of an app would belong to both. The error is a
// *Clash.
func (c Client) Clashes(o Client) error {
	for _, h := range c.KeySHA256 {
		if slices.Contains(o.KeySHA256, h) {
			return &Clash{"key_sha256", "is that of another client too"}
		}
	}
	if len(c.RedirectURIs) == 0 || len(o.RedirectURIs) == 0 {
		return nil
	}
	if !slices.ContainsFunc(c.Apps, o.MayUse) && !slices.Contains(c.Apps, AllApps) {
		return nil
	}
	for _, a := range c.RedirectURIs {
		for _, b := range o.RedirectURIs {
			if overlap(a, b) {
				return &Clash{"redirect_uris", "overlap with those of another client for the same app"}
			}
		}
	}
	return nil
}

// overlap reports whether some address matches both registered ones.
func overlap(a, b string) bool {
	pa, prefixA := strings.CutSuffix(a, "*")
	pb, prefixB := strings.CutSuffix(b, "*")
	switch {
	case prefixA && prefixB:
		return strings.HasPrefix(pa, pb) || strings.HasPrefix(pb, pa)
	case prefixA:
		return strings.HasPrefix(b, pa)
	case prefixB:
		return strings.HasPrefix(a, pb)
	}
	return a == b
}

// clashes calls found for each client that cannot be beside an earlier one,
// with one such.
func clashes(clients []Client, found func(later, earlier int, c *Clash)) {
	keys, exact, prefixes := map[KeyHash][]int{}, map[string][]int{}, map[string][]int{}
	for i, c := range clients {
		for _, h := range c.KeySHA256 {
			keys[h] = append(keys[h], i)
		}
		for _, uri := range c.RedirectURIs {
			if p, ok := strings.CutSuffix(uri, "*"); ok {
				prefixes[p] = append(prefixes[p], i)
			} else {
				exact[uri] = append(exact[uri], i)
			}
		}
	}
	said := make([]bool, len(clients))
	compare := func(i int, others []int) {
		for _, j := range others {
			later, earlier := max(i, j), min(i, j)
			if i == j || said[later] {
				continue
			}
			if c, ok := clients[later].Clashes(clients[earlier]).(*Clash); ok {
				said[later] = true
				found(later, earlier, c)
			}
		}
	}
	for i, c := range clients {
		for _, h := range c.KeySHA256 {
			compare(i, keys[h])
		}
		// Of two that overlap, one is the other or lies below it.
		for _, uri := range c.RedirectURIs {
			compare(i, exact[uri])
			for k := range len(uri) {
				if uri[k] == '/' {
					compare(i, prefixes[uri[:k+1]])
				}
			}
		}
	}
}
