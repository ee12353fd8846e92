//go:build cluster

package cluster

// whole: each test on each engine, and those that take longer than a minute.
const whole = true
