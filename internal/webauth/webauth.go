// Package webauth is web authorization: it stands between WeChat, which allows
// an app one or two callback domains, and any number of sites. Browsers come
// to Browser, sites redeem their codes at the paths that Mount adds to the
// programs' surface. User tokens live here and nowhere else.
//
// A login is one record in the store under the hash of a state that only the
// browser and WeChat see: begun in begin.go, carried on in callback.go and
// exchange.go, redeemed in code.go, and outlived by the user's session in
// session.go.
package webauth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"time"

	"github.com/hufu-project/hufu/internal/access"
	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/registry"
	"github.com/hufu-project/hufu/internal/store"
	"github.com/hufu-project/hufu/internal/web"
	"github.com/hufu-project/hufu/internal/wechat"
)

// HashLabel is the label under which the key of Options.HashKeys is derived
// from the master key.
const HashLabel = "user tokens"

// Options is what web authorization stands on; all must be set.
type Options struct {
	// Store keeps codes and tokens of users, so it must seal what it is given.
	Store    store.Store
	Registry *registry.Registry
	Guard    *access.Guard
	Phantoms *access.Phantoms
	Upstream *wechat.Client
	// Config is the configuration in force: web_url, open_url, verify_files.
	Config func() *config.Config
	// HashKeys find the record of a token that is WeChat's own; the first is
	// the current one.
	HashKeys [][]byte
	// AppsToken reports whether a token is an app's that is in hand now: it is
	// asked about what is no user's, to say so. It must not block.
	AppsToken func(token string) bool
	// Alone: no other process can have this store open, so an exchange that
	// another began has ended with it. The embedded store's file lock proves it.
	Alone bool
	// Node names this process; two never share a name, not even one after the
	// other.
	Node string
	Log  *slog.Logger
}

// Auth is web authorization on one node. It is safe for concurrent use.
type Auth struct {
	Options
	browser  *web.Surface
	programs *web.Surface
	bounds   *bounds
	secrets  secrets
	renewals renewals
	counted  *counted
	term     time.Duration // how long an exchange is waited for
}

// The times of a login, in the store's clock.
const (
	beginLife = 10 * time.Minute // from the start until the code comes
	doneLife  = 5 * time.Minute  // from the result until it is forgotten
	codeLife  = 5 * time.Minute  // of a code of ours
	maxCodes  = 5                // per login
	// An exchange takes eight seconds at most; after the term nobody believes
	// in it any more.
	exchangeTerm = 12 * time.Second
	storeTime    = 3 * time.Second
	refreshLife  = 30 * 24 * time.Hour // of WeChat's refresh tokens
)

// New makes web authorization.
func New(o Options) *Auth {
	a := &Auth{
		Options: o, bounds: newBounds(), secrets: secrets{wrong: map[credential.App]credential.Secret{}},
		renewals: renewals{underWay: map[string]*renewal{}}, counted: newCounted(), term: exchangeTerm,
	}
	a.browser = a.newBrowser()
	return a
}

// Browser is the surface for listen.web. Trust may be called on it at any time.
func (a *Auth) Browser() *web.Surface { return a.browser }

// Mount adds WeChat's paths for users, /sns/*, to the surface for programs.
func (a *Auth) Mount(programs *web.Surface) {
	a.programs = programs
	for path, h := range map[string]web.Handler{
		"/sns/oauth2/access_token":  a.sns(actRedeem, a.redeem),
		"/sns/oauth2/refresh_token": a.sns(actRefresh, a.refresh),
		"/sns/userinfo":             a.sns(actUserInfo, a.userInfo),
		"/sns/auth":                 a.sns(actCheck, a.checkUser),
		"/sns/jscode2session":       a.sns(actExchange, a.session),
	} {
		programs.Handle("", path, h)
	}
}

// hashed is the key of a record whose name is a drawn secret of 128 bits or
// more: nobody finds it by trying.
func hashed(prefix, secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return prefix + hex.EncodeToString(sum[:])
}

// keyed is the same under a key of ours, for secrets that others made.
func keyed(key []byte, prefix, secret string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(prefix + secret))
	return prefix + hex.EncodeToString(mac.Sum(nil))
}
