// Package hufu is the Go client library of Hufu: it asks a Hufu server for the
// credentials of WeChat apps, keeps them at hand, and puts them into requests.
// It imports the standard library only; a test holds it to that.
//
//	client, err := hufu.FromEnv() // HUFU_URL, HUFU_KEY
//	token, err := client.Token(ctx, "wx0123456789abcdef")
//
// The first Token of an app asks the server. From then on a goroutine follows
// the server in the background and learns of a new value within moments, so
// that reading is a look into memory: it waits for nobody. While the server
// cannot be reached the last value is given until it expires.
//
// Who has an http.Client gives it [Client.Transport], which puts the token into
// each request and heals a refused one by itself. Who has an SDK gives it
// [Client.Source]. Who calls WeChat by hand uses [Client.Token], and reports a
// value that WeChat refuses with [Client.Report].
//
// Values are plain strings, because every SDK wants one. Nothing in this package
// prints them: errors never hold a value or the client key, and a [Credential]
// and a [Client] print without theirs.
//
// A program that wants no server has the same from package local, which keeps the
// credentials itself.
//
// A client with tokens: phantom is given phantom tokens, which only Hufu
// accepts; the calls must then go through Hufu too.
package hufu
