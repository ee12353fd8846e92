//go:build !unix

package bolt

func runOutOfSpace(string) {}
