package webauth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/hufu-project/hufu/internal/access"
	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/registry"
	"github.com/hufu-project/hufu/internal/store"
)

// maxCode is longer than WeChat's codes have ever been.
const maxCode = 512

// visit is one fetch of the callback: a login, and the browser that it is
// bound to, with WeChat's code.
type visit struct {
	key    string
	state  string // ours
	record store.Record
	login  login
	app    *registry.App
	client *registry.Client
	code   string
	hash   []byte // of the code
	// followed: the browser went where we sent it, which a fetch that it
	// throws away never does.
	followed bool
}

// callback answers /callback, where WeChat sends the browser back to.
func (a *Auth) callback(w http.ResponseWriter, r *http.Request, q access.Request) {
	v, p := a.arrive(r)
	if p.kind == "" {
		var to string
		if to, p = a.carryOn(r.Context(), q, v); to != "" {
			send(w, to)
			return
		}
	}
	if p.err != nil && r.Context().Err() == nil { // or else the browser has gone
		a.Log.ErrorContext(r.Context(), "a login cannot be carried on", "request", q.String(), "err", p.err)
	}
	a.page(w, r, q, p)
}

// arrive finds the login that a browser comes back from, and looks whether it
// is the browser that began. It changes nothing: who has an address and not the
// cookie, a scanner or whoever it was forwarded to, uses nothing up.
func (a *Auth) arrive(r *http.Request) (*visit, page) {
	query, ok := parameters(r)
	if !ok || !printable(query["code"]) || len(query["code"]) > maxCode {
		return nil, page{kind: refused}
	}
	if !drawn(query["state"]) {
		return nil, page{kind: expired}
	}
	v := &visit{key: hashed("login/", query["state"]), state: query["state"], followed: query[followed] != ""}
	var err error
	v.record, err = a.read(r.Context(), v.key, &v.login)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, page{kind: expired}
	case err != nil:
		return nil, page{kind: failed, err: err}
	}
	// The site may have been struck off since; its users go nowhere then.
	v.client, ok = a.Registry.Client(v.login.Client)
	if !ok || !v.client.Redirects(v.login.App, v.login.Redirect) {
		return nil, page{kind: refused}
	}
	if v.app, ok = a.Registry.App(v.login.App); !ok {
		return nil, page{kind: refused}
	}
	// No code, or this word in its place, is how WeChat says that the user
	// does not want to.
	gone := query["code"] == "" || query["code"] == "authdeny"
	if !isBrowser(r, a.webURL(v.app), v.login.Browser) {
		if gone {
			return nil, page{kind: denied, home: v.client.HomeURL}
		}
		return nil, page{kind: otherBrowser, home: v.client.HomeURL}
	}
	if !gone {
		sum := sha256.Sum256([]byte(query["code"]))
		v.code, v.hash = query["code"], sum[:]
	}
	return v, page{}
}

// carryOn takes the login as far as it goes and gives the address to send the
// browser to, or a page.
func (a *Auth) carryOn(ctx context.Context, q access.Request, v *visit) (to string, p page) {
	for {
		l := &v.login
		if v.hash == nil {
			if l.Step == started {
				// Nothing changes: a user may go back and think again.
				a.counted.arrived.add(arrivedDenied)
				return withParameters(l.Redirect, [2]string{"error", "access_denied"}, [2]string{"state", string(l.State)}), p
			}
			return "", page{kind: expired, home: v.client.HomeURL}
		}
		// The page says that this login is over: most who see it went back and
		// allowed once more.
		if l.Step != started && subtle.ConstantTimeCompare(l.Code, v.hash) != 1 && !twofold(v) {
			return "", page{kind: expired, home: v.client.HomeURL}
		}
		var err error
		switch {
		case l.Step == started && v.client.Code == config.WeChatCode && !v.followed:
			to = withParameters(a.webURL(v.app)+callbackPath, [2]string{"code", v.code}, [2]string{"state", v.state}, [2]string{followed, "1"})
		case l.Step == started && v.client.Code == config.WeChatCode:
			to, err = a.relay(ctx, v)
		case l.Step == started:
			err = a.exchange(ctx, q, v)
		case l.Step == exchanging:
			err = a.await(ctx, v)
		default:
			to, p, err = a.arrived(ctx, v)
		}
		switch {
		case to != "" || p.kind != "":
			return to, p
		case errors.Is(err, store.ErrConflict):
			// Somebody else took a step: look where it stands now.
			err = a.look(ctx, v)
		}
		if errors.Is(err, store.ErrNotFound) {
			return "", page{kind: expired, home: v.client.HomeURL}
		}
		if err != nil {
			return "", page{kind: failed, home: v.client.HomeURL, err: err}
		}
	}
}

// twofold: a login that stands in place of a lost one may come back with two
// codes. WeChat's browser fetched the callback twice, both fetches were sent
// through authorize, and each was given a code. One is exchanged; whoever
// brings the other is the same browser, and arrives with the same result.
func twofold(v *visit) bool { return v.login.Again && v.client.Code != config.WeChatCode }

// look reads the login anew.
func (a *Auth) look(ctx context.Context, v *visit) error {
	v.login = login{}
	var err error
	v.record, err = a.read(ctx, v.key, &v.login)
	return err
}

// take replaces the login by next.
func (a *Auth) take(ctx context.Context, v *visit, next login) error {
	var life time.Duration // as it was
	if next.Step != v.login.Step && next.Step != started {
		life = doneLife
	}
	r, err := a.write(ctx, v.record, next, life)
	if err != nil {
		return err
	}
	v.record, v.login = r, next
	if next.User != nil {
		// Only WeChat's word ends the count: anybody can make up a code.
		a.bounds.end(v.key)
	}
	return nil
}

// followed is a parameter of the callback for code: wechat. WeChat's browser may
// fetch a callback twice and throw one of the answers away. So the answer to
// the callback itself only leads to the callback once more, and the code goes
// to who follows it.
const followed = "followed"

// relay passes WeChat's own code on to a site that exchanges it itself: once,
// and to an exact address. Whoever comes again, with the back button or because
// both fetches were followed, is sent through authorize anew, as if the answer
// had been lost.
func (a *Auth) relay(ctx context.Context, v *visit) (to string, err error) {
	if !slices.Contains(v.client.RedirectURIs, v.login.Redirect) {
		return "", errors.New("code: wechat is for exact addresses in redirect_uris")
	}
	next := v.login
	next.Step, next.Code, next.Relayed = done, v.hash, true
	if err := a.take(ctx, v, next); err != nil {
		return "", err
	}
	a.counted.arrived.add(arrivedWeChat)
	return withParameters(v.login.Redirect, [2]string{"code", v.code}, [2]string{"state", string(v.login.State)}), nil
}

// arrived is for a login that is done: a fresh code of ours for whoever comes.
func (a *Auth) arrived(ctx context.Context, v *visit) (to string, p page, err error) {
	l := v.login
	home := v.client.HomeURL
	switch {
	case l.Next != "":
		return a.at(l, a.webURL(v.app), l.Next), p, nil
	case l.Failure != "":
		return "", page{kind: l.Failure, home: home}, nil
	case l.Relayed:
		next, err := a.anew(ctx, v)
		if err == nil {
			err = a.take(ctx, v, next)
		}
		return "", p, err
	case l.User.Snapshot && v.client.Snapshot == config.SnapshotRefuse:
		return "", page{kind: snapshot}, nil
	case l.Codes >= maxCodes:
		return "", page{kind: expired, home: home}, nil
	}
	l.Codes++
	if err := a.take(ctx, v, l); err != nil {
		return "", p, err
	}
	code, err := a.newCode(ctx, l)
	if err != nil {
		return "", p, err
	}
	a.counted.arrived.add(arrivedCode)
	return withParameters(l.Redirect, [2]string{"code", code}, [2]string{"state", string(l.State)}), p, nil
}

// printable: WeChat's codes are letters and digits; more is let pass, so that
// WeChat can judge it.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
