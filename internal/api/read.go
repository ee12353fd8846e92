package api

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hufu-project/hufu/internal/access"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/web"
)

// maxWait is the longest wait for a later generation.
const maxWait = time.Minute

// The path of a credential is taken apart by hand. A read is the one request
// whose cost counts, and the router doubles its allocations and adds half as
// much time again (BenchmarkRead).
const (
	appsPath        = "/v1/apps/"
	credentialsPath = "/credentials/"
)

// splitCredential takes the app and the kind out of the path of a credential,
// and what follows them, from the slash on.
func splitCredential(path string) (key credential.Key, rest string, ok bool) {
	if !strings.HasPrefix(path, appsPath) {
		return key, "", false
	}
	app, kind, ok := strings.Cut(path[len(appsPath):], credentialsPath)
	if !ok || strings.IndexByte(app, '/') >= 0 {
		return key, "", false
	}
	if end := strings.IndexByte(kind, '/'); end >= 0 {
		kind, rest = kind[:end], kind[end:]
	}
	return credential.Key{App: credential.App(app), Kind: credential.Kind(kind)}, rest, app != "" && kind != ""
}

func isCredential(path string) bool {
	_, rest, ok := splitCredential(path)
	return ok && rest == ""
}

// read answers GET /v1/apps/{app}/credentials/{kind}.
func (a *api) read(w http.ResponseWriter, r *http.Request, c access.Caller) error {
	key, _, _ := splitCredential(r.URL.Path)
	after, wait, err := waiting(r.URL.RawQuery)
	if err != nil {
		return err
	}
	if wait > 0 {
		return a.wait(w, r, c, key, after, wait)
	}
	v, _, err := a.Guard.Hand(c, key, func() (credential.Credential, error) { return a.source(c, key).Get(r.Context(), key) })
	if err != nil {
		return err
	}
	if v.Generation != 0 && v.Generation == after || matches(r.Header["If-None-Match"], v.Tag) {
		notModified(w, v)
		return nil
	}
	writeCredential(w, v)
	return nil
}

// wait answers a read that wants a later generation than the one it has.
func (a *api) wait(w http.ResponseWriter, r *http.Request, c access.Caller, key credential.Key, after uint64, wait time.Duration) error {
	web.Extend(w, wait)
	ctx, cancel := context.WithTimeout(r.Context(), wait)
	defer cancel()
	defer context.AfterFunc(a.Draining, cancel)()
	a.look(ctx, cancel, c, key)
	var current credential.Credential
	v, _, err := a.Guard.Hand(c, key, func() (credential.Credential, error) {
		var err error
		current, err = a.source(c, key).Wait(ctx, key, after)
		if _, exists := a.Registry.App(key.App); !exists {
			err = credential.ErrNotFound
		}
		return current, err
	})
	if a.Draining.Err() != nil {
		web.Leave(w)
	}
	switch {
	case errors.Is(err, credential.ErrUnchanged):
		notModified(w, current)
	case err != nil:
		return err
	case matches(r.Header["If-None-Match"], v.Tag):
		notModified(w, v)
	default:
		writeCredential(w, v)
	}
	return nil
}

// lookEvery is how often is looked whether who waits still may: what was
// withdrawn is dead within five seconds.
const lookEvery = 2 * time.Second

// look ends a wait when its caller may no longer have what it waits for.
func (a *api) look(ctx context.Context, cancel func(), c access.Caller, key credential.Key) {
	time.AfterFunc(lookEvery, func() {
		switch {
		case ctx.Err() != nil:
		case !a.Guard.Still(c, key):
			cancel()
		default:
			a.look(ctx, cancel, c, key)
		}
	})
}

// waiting reads after and wait out of a query. Parameters that we do not know
// are nobody's business.
func waiting(query string) (after uint64, wait time.Duration, err error) {
	if query == "" {
		return 0, 0, nil
	}
	values, err := url.ParseQuery(query)
	if err != nil || len(values["after"]) > 1 || len(values["wait"]) > 1 {
		return 0, 0, web.BadRequest("the query cannot be read", "as in ?after=7&wait=30s")
	}
	if s := values.Get("after"); s != "" {
		if after, err = strconv.ParseUint(s, 10, 64); err != nil {
			return 0, 0, web.BadRequest("after is not a generation", "give the generation of the value in hand, as in after=7")
		}
	}
	if s := values.Get("wait"); s != "" {
		if wait, err = time.ParseDuration(s); err != nil || wait < 0 {
			return 0, 0, web.BadRequest("wait is not a duration", "as in wait=30s; a minute at most")
		}
	}
	return after, min(wait, maxWait), nil
}
