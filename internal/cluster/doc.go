// Package cluster holds no code, only tests: several hufu serve, each a process
// of its own, share a real Redis, PostgreSQL or MariaDB, and are killed, paused
// and cut off under readers that hold every value they are given against the
// simulated WeChat. The build tag cluster asks for the whole.
package cluster
