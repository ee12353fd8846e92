// Package proof holds no code, only tests: the renewal protocol under a
// simulation that takes the same course whenever it is given the same seed. It
// runs the keeper as it is, goroutines and all, several of them in one bubble of
// fake time, on a store and a way to WeChat that fail at every step; a judge who
// knows the truth holds every write, every request and every value that is
// handed out against the guarantees of docs/ARCHITECTURE.md. docs/proof.md tells
// how to use it, and which mutants of the keeper it catches.
package proof
