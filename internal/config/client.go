package config

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"slices"

	"github.com/hufu-project/hufu/internal/credential"
)

// Client is a program that asks Hufu for credentials. It is an element of
// clients in the file, the JSON body of PUT /v1/clients/{name}, and what the
// registry stores (see DecodeClient and EncodeClient). It holds no secret: a
// key stands here only as its hash.
type Client struct {
	// Name is 1 to 64 letters, digits, "_", "-" and ".", the first of them a
	// letter or a digit.
	Name string `yaml:"name"`
	// KeySHA256 are the hashes of the keys it may show: several, so that a key
	// can be replaced without a gap. No two clients share one.
	KeySHA256 []KeyHash `yaml:"key_sha256"`
	// Apps are those it may use; AllApps alone means every one.
	Apps []credential.App `yaml:"apps"`
	// Allow is what it may do with them.
	Allow Actions `yaml:"allow"`
	// From is where it may call from; none means anywhere.
	From []netip.Prefix `yaml:"from"`
	// Paths are the paths of WeChat's API that Call may reach, or prefixes of
	// them that end in "/*". None means WeChat's whole server API less what
	// hands out or resets credentials.
	Paths []string `yaml:"paths"`
	// JSHosts are the hosts whose pages it may have signed for the JS-SDK: exact
	// ones, or "*." and a domain. None means any; WeChat itself takes only those
	// that are registered with the app (JS接口安全域名).
	JSHosts []string `yaml:"js_hosts"`
	// Limits bound what it asks of each node.
	Limits Limits `yaml:"limits"`
	// Tokens is what this client is given: phantom, tokens that only Hufu's
	// gateway accepts, or real, WeChat's own.
	Tokens string `yaml:"tokens" default:"phantom" oneof:"phantom|real"`
	// RedirectURIs are where users may be sent after a login: exact addresses,
	// or prefixes of them that end in "/*". See CheckRedirectURI.
	RedirectURIs []string `yaml:"redirect_uris"`
	// Code is whose one-time code the site receives: hufu, or wechat, to relay
	// WeChat's own (exact addresses only; a step of migration).
	Code string `yaml:"code" default:"hufu" oneof:"hufu|wechat"`
	// HomeURL is where a page of ours sends a user who must begin again.
	HomeURL string `yaml:"home_url"`
	// Snapshot is what happens to users of WeChat's snapshot mode: passed
	// through with is_snapshotuser, or refused with a page that says how to
	// leave it.
	Snapshot string `yaml:"snapshot" default:"allow" oneof:"allow|refuse"`
	// Dev allows exact http addresses with a port on loopback, private ranges
	// or *.test as redirect_uris.
	Dev bool `yaml:"dev"`
}

// Limits of a client; 0 is none.
type Limits struct {
	// Rate is how many requests it may begin in a second, through the gateway
	// and otherwise; so many may also come at once.
	Rate int `yaml:"rate"`
	// Concurrency is how many of its calls through the gateway may be under way
	// at a time.
	Concurrency int `yaml:"concurrency"`
}

// AllApps stands in Client.Apps for every app.
const AllApps credential.App = "*"

// The values of Client.Tokens, Client.Code and Client.Snapshot.
const (
	Phantom = "phantom"
	Real    = "real"

	HufuCode   = "hufu"
	WeChatCode = "wechat"

	SnapshotAllow  = "allow"
	SnapshotRefuse = "refuse"
)

// Action is one thing that a client may be allowed.
type Action string

// What a client may do: be given tokens, be given tickets and signatures, call
// WeChat's API through the gateway, log users in, and manage Hufu.
const (
	Token  Action = "token"
	Ticket Action = "ticket"
	Call   Action = "call"
	Login  Action = "login"
	Admin  Action = "admin"
)

// Actions is a set, each action at most once.
type Actions []Action

var allActions = Actions{Token, Ticket, Call, Login, Admin}

// Has reports whether a is in the set.
func (s Actions) Has(a Action) bool { return slices.Contains(s, a) }

// MayUse reports whether the client was granted the app. It says nothing about
// what it may do with it, nor whether there is such an app.
func (c Client) MayUse(id credential.App) bool {
	return slices.Contains(c.Apps, AllApps) || slices.Contains(c.Apps, id)
}

// KeyHash is the SHA-256 of a whole client key.
type KeyHash [sha256.Size]byte

// HashKey hashes a client key.
func HashKey(key credential.Secret) KeyHash { return sha256.Sum256([]byte(key.Reveal())) }

// String gives 64 lower-case hexadecimal digits.
func (h KeyHash) String() string { return hex.EncodeToString(h[:]) }
