// Package hufutest is for the tests of programs that use package hufu: a fake
// server, which speaks enough of Hufu's API for the library, and a source that
// always gives the same token. It imports the standard library and package hufu
// only. To test against a WeChat that misbehaves, run Hufu itself with the
// simulator, package wxsim.
package hufutest

import "context"

// Source is a token that stands in for a hufu.Source: it has the same methods.
// The zero Source is an empty token.
type Source string

// Token gives the token.
func (s Source) Token() (string, error) { return string(s), nil }

// GetAccessToken gives the token.
func (s Source) GetAccessToken() (string, error) { return string(s), nil }

// GetAccessTokenContext gives the token.
func (s Source) GetAccessTokenContext(context.Context) (string, error) { return string(s), nil }

// RefreshToken gives the token, which is the only one.
func (s Source) RefreshToken(string) (string, error) { return string(s), nil }

// IID01332E16DF5011E5A9D5A4DB30FED8E1 does nothing, as that of hufu.Source.
func (s Source) IID01332E16DF5011E5A9D5A4DB30FED8E1() {}
