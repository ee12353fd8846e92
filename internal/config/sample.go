package config

import (
	_ "embed"
	"slices"
)

//go:embed sample.yaml
var sample []byte

// Sample is a configuration file with every key and what it means. It passes
// where SHOP_SECRET is set.
func Sample() []byte { return slices.Clone(sample) }
