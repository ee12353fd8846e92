package local

import "net/http"

// Over gives the options with a transport to WeChat that is the test's.
func Over(transport http.RoundTripper, o Options) Options {
	o.transport = transport
	return o
}
