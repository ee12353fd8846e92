// Package peers runs the experiments of docs/peers.md: what SDKs for WeChat do
// when many ask at once, when a token dies early, when their store is away, and
// so on, beside what Hufu does, in one go and on the same simulated WeChat.
//
// There are only tests in it. Each peer runs in processes of its own, which are
// this test binary begun anew (Node's, which are a script), as its own
// documentation has it; only the way to WeChat is bent to the simulator. Hufu
// is its own binary. Every experiment asserts the numbers of Hufu, and prints
// those of the others as they were seen.
//
// It is a module of its own, so that nobody who uses Hufu takes on these SDKs.
package peers
