//go:build !cluster

package cluster

// whole: make cluster asks for that. Without it each test is there, and each
// step of an issue and each engine, but not every step on every engine.
const whole = false
