// Package hufu is where the Go client library of Hufu comes: ask for an app's
// token, keep it, put it into requests, report one that WeChat refuses. It
// imports the standard library only, so that a program which uses it takes on
// no other module; a test holds it to that.
//
// In this version the package is empty. Programs ask over HTTP: on WeChat's own
// paths, or on those of docs/api.md. The server is cmd/hufu, a simulated WeChat
// for tests is package wxsim, and docs/ARCHITECTURE.md shows how all of it
// hangs together.
package hufu
