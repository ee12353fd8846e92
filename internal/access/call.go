package access

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
)

// ErrMissing says that a call on WeChat's paths shows neither a token nor a
// client key.
var ErrMissing = errors.New("neither a token nor a client key")

// Shown is what a call on WeChat's paths shows of who makes it, and for which
// app. Every part may be empty.
type Shown struct {
	Key   string         // a client key, from a header
	Token string         // access_token, from the query
	App   credential.App // from_appid, from the query
}

// Identify finds out who makes a call on one of WeChat's paths, and for which
// app. c is what is known already: where from, and the request. A client key
// wins; the token beside it is nobody's business, and the app is from_appid, or
// the only one that the client may use. Without a key the token must be a
// phantom of an app. It reads memory only, except that denials are recorded.
// Whether the caller may do what it is about to is not looked at: that is for
// Call and Hand. Errors: as of Authenticate, ErrMissing, ErrForged (a real token
// too: it names nobody), ErrExpired, and credential.ErrNotFound for an app that
// is not there or not the caller's.
func (g *Guard) Identify(c Caller, p *Phantoms, s Shown) (Caller, credential.App, error) {
	if s.Key != "" {
		c, err := g.Authenticate(s.Key, c.IP, c.Request)
		if err != nil {
			return c, "", err
		}
		app, err := g.appOf(c, s.App)
		return c, app, err
	}
	if s.Token == "" {
		return c, "", ErrMissing
	}
	f, err := p.Parse(s.Token)
	switch {
	case errors.Is(err, ErrForged):
		return c, "", g.forged(c)
	case err != nil: // expired; it happens to everybody and is no denial
		return c, "", err
	}
	c, err = g.Bearer(f.Client, f.KeyID, c)
	switch {
	case err != nil:
		return c, "", err
	case f.Type != AppPhantom:
		r := recordOf("authenticate", credential.Key{App: f.App})
		r.Reason = "a user's token in place of the app's"
		g.deny(c, r)
		return c, "", &Refusal{
			Err: ErrForged, Reason: "this is a user's access_token; here the app's is meant",
			Hint: "the app's comes from /cgi-bin/token or /cgi-bin/stable_token; a user's works at /sns/userinfo and /sns/auth",
		}
	case s.App != "" && s.App != f.App:
		return c, "", g.hide(c, recordOf("authenticate", credential.Key{App: s.App}))
	}
	return c, f.App, nil
}

// forged refuses a token that says nothing. It is recorded at the pace of wrong
// keys.
func (g *Guard) forged(c Caller) error {
	if wait := g.wrong.take(c.IP); wait > 0 {
		g.limited.Add(1)
	} else {
		g.deny(c, record{Action: "authenticate", Reason: "no token of ours, or one that is withdrawn"})
	}
	return &Refusal{
		Err: ErrForged, Reason: "access_token is none that Hufu gave out, or it is withdrawn",
		Hint: "a token of WeChat's own does not say who calls: show the client key beside it, as Authorization: Bearer, or use a phantom token",
	}
}

// appOf is the app that a client means: the one it names, or the only one it
// may use.
func (g *Guard) appOf(c Caller, named credential.App) (credential.App, error) {
	if named != "" {
		if _, ok := g.registry.App(named); !ok || !c.Client.MayUse(named) {
			return "", g.hide(c, recordOf("authenticate", credential.Key{App: named}))
		}
		return named, nil
	}
	only, more := g.candidates(c)
	if only == "" || more {
		return "", &Refusal{
			Err: credential.ErrNotFound, Reason: fmt.Sprintf("client %s may use several apps, or none that is there", c.Client.Name),
			Hint: "name one with from_appid=",
		}
	}
	return only, nil
}

// candidates is an app that a client may use and that is there, and whether
// there are more.
func (g *Guard) candidates(c Caller) (first credential.App, more bool) {
	if !slices.Contains(c.Client.Apps, config.AllApps) {
		for _, id := range c.Client.Apps {
			if _, ok := g.registry.App(id); !ok {
				continue
			}
			if first != "" {
				return first, true
			}
			first = id
		}
		return first, false
	}
	for app := range g.registry.Apps() {
		if first != "" {
			return first, true
		}
		first = app.AppID
	}
	return first, false
}

// Call lets a caller call a path of WeChat's API for an app: it looks whether it
// may, lets get bring the token to put in, looks again, since get may have
// waited, and records the call before it returns. The record is written once
// per client key, pattern and token; after that Call costs no allocation and no
// system call. Pattern is the one of the client's paths, or the family of
// WeChat's, that the path belongs to; it is empty where none does. Errors:
// credential.ErrNotFound, ErrForbidden, ErrUnrecorded, what get returns, and
// ErrUnauthorized for a client or a key that is gone by then.
func (g *Guard) Call(c Caller, app credential.App, path string, get func() (credential.Credential, error)) (v credential.Credential, pattern string, err error) {
	if pattern, err = g.mayCall(c, app, path); err != nil {
		return v, pattern, err
	}
	v, err = get()
	c, gone := g.again(c)
	if gone != nil {
		return credential.Credential{}, pattern, gone
	}
	if pattern, err := g.mayCall(c, app, path); err != nil {
		return credential.Credential{}, pattern, err
	}
	if err != nil {
		return credential.Credential{}, pattern, err
	}
	h := g.handed(handOut{c.Client.Name, c.KeyID, v.Key, pattern})
	if tag := h.tag.Load(); tag != nil && *tag == v.Tag {
		return v, pattern, nil
	}
	r := recordOf(string(config.Call), credential.Key{App: app})
	r.Path, r.Generation, r.Tag = pattern, v.Generation, v.Tag
	if err := g.first(c, h, r); err != nil {
		return credential.Credential{}, pattern, err
	}
	return v, pattern, nil
}

// mayCall refuses what the caller may not call, and records it.
func (g *Guard) mayCall(c Caller, app credential.App, path string) (pattern string, err error) {
	_, exists := g.registry.App(app)
	granted := exists && c.Client.MayUse(app)
	pattern, listed := match(c.Client.Paths, path)
	forwarded := CanonicalPath(path) && !neverForwarded(path)
	if granted && c.Client.Allow.Has(config.Call) && listed && forwarded {
		return pattern, nil
	}
	r := recordOf(string(config.Call), credential.Key{App: app})
	r.Path = plainPath(path)
	switch {
	case !granted:
		return "", g.hide(c, r)
	case !c.Client.Allow.Has(config.Call):
		return "", g.forbid(c, r, config.Call)
	}
	refusal := &Refusal{Err: ErrForbidden, Reason: fmt.Sprintf("client %s may not call %s", c.Client.Name, r.Path)}
	switch {
	case !forwarded:
		refusal.Hint = "Hufu never forwards it: it hands out or resets credentials; tokens come from Hufu's own /cgi-bin/token and /cgi-bin/stable_token"
	case len(c.Client.Paths) == 0:
		refusal.Hint = fmt.Sprintf("it is in no family of WeChat's API that this version knows; give the client paths, with this line among them: - %s", r.Path)
	default:
		refusal.Hint = fmt.Sprintf("add this line to paths of the client: - %s", r.Path)
	}
	r.Reason = "not on the list of paths"
	g.deny(c, r)
	return "", refusal
}

// plainPath lets through what may be a path of WeChat's, as plain does a name.
func plainPath(path string) string {
	if !CanonicalPath(path) {
		return "[redacted]"
	}
	for segment := range strings.SplitSeq(path, "/") {
		if plain(segment) != segment {
			return "[redacted]"
		}
	}
	return path
}
