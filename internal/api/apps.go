package api

import (
	"iter"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/hufu-project/hufu/internal/access"
	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/errcode"
	"github.com/hufu-project/hufu/internal/keeper"
	"github.com/hufu-project/hufu/internal/registry"
	"github.com/hufu-project/hufu/internal/web"
	"github.com/hufu-project/hufu/internal/wechat"
)

const (
	pageSize    = 100
	maxPageSize = 1000
)

// appState is an app as GET /v1/apps shows it, without anything secret.
type appState struct {
	App         credential.App    `json:"app"`
	Name        string            `json:"name"`
	Type        string            `json:"type"`
	Source      string            `json:"source"`
	Declared    bool              `json:"declared"`
	Credentials []credentialState `json:"credentials"`
}

// credentialState is where one of its credentials stands.
type credentialState struct {
	Kind       credential.Kind `json:"kind"`
	State      keeper.State    `json:"state"`
	Live       bool            `json:"live"`
	InDoubt    bool            `json:"in_doubt"`
	Source     string          `json:"source,omitempty"`
	Generation uint64          `json:"generation,omitempty"`
	IssuedAt   time.Time       `json:"issued_at,omitzero"`
	ExpiresAt  time.Time       `json:"expires_at,omitzero"`
	NextAt     time.Time       `json:"next_at,omitzero"`
	BudgetLeft int             `json:"budget_left"`
	Failure    *failure        `json:"failure,omitempty"`
}

// failure is the last thing that went wrong, with the way out.
type failure struct {
	Class   errcode.Class `json:"class"`
	Errcode int           `json:"errcode,omitempty"`
	Text    string        `json:"text"`
	Hint    string        `json:"hint,omitempty"`
	IP      string        `json:"ip,omitempty"`
	At      time.Time     `json:"at"`
	Count   int           `json:"count"`
}

// listApps answers GET /v1/apps?limit=100&cursor=…: the apps that this client
// may use, by id. next, where it is there, is the cursor of the next page.
func (a *api) listApps(w http.ResponseWriter, r *http.Request, c access.Caller) error {
	limit, after, err := page(r)
	if err != nil {
		return err
	}
	var answer struct {
		Apps []appState     `json:"apps"`
		Next credential.App `json:"next,omitempty"`
	}
	answer.Apps = []appState{}
	for app := range a.apps(c.Client, after) {
		if len(answer.Apps) == limit {
			answer.Next = answer.Apps[limit-1].App
			break
		}
		answer.Apps = append(answer.Apps, a.state(app))
	}
	return writeJSON(w, answer)
}

func page(r *http.Request) (limit int, after credential.App, err error) {
	query := r.URL.Query()
	limit = pageSize
	if s := query.Get("limit"); s != "" {
		if limit, err = strconv.Atoi(s); err != nil || limit < 1 {
			return 0, "", web.BadRequest("limit is not a number of apps", "as in limit=100; 1000 at most")
		}
	}
	return min(limit, maxPageSize), credential.App(query.Get("cursor")), nil
}

// apps yields the apps that a client may use, by id, after the one named.
func (a *api) apps(c *registry.Client, after credential.App) iter.Seq[*registry.App] {
	if c.MayUse(config.AllApps) {
		return a.Registry.AppsAfter(after)
	}
	return func(yield func(*registry.App) bool) {
		for _, id := range slices.Sorted(slices.Values(c.Apps)) {
			if app, ok := a.Registry.App(id); ok && id > after && !yield(app) {
				return
			}
		}
	}
}

func (a *api) state(app *registry.App) appState {
	s := appState{
		App: app.AppID, Name: app.Name, Type: app.Type, Source: app.Source, Declared: app.Declared,
		Credentials: []credentialState{},
	}
	for _, kind := range wechat.Kinds() {
		if k, ok := a.Keeper.Status(credential.Key{App: app.AppID, Kind: kind}); ok {
			s.Credentials = append(s.Credentials, stateOf(k))
		}
	}
	return s
}

func stateOf(k keeper.Status) credentialState {
	s := credentialState{
		Kind: k.Key.Kind, State: k.State, Live: k.Live, InDoubt: k.InDoubt, Source: k.Source,
		Generation: k.Generation, IssuedAt: wire(k.IssuedAt), ExpiresAt: wire(k.ExpiresAt), NextAt: wire(k.NextAt), BudgetLeft: k.BudgetLeft,
	}
	if f := k.Failure; f != nil {
		s.Failure = &failure{Class: f.Class, Errcode: f.Code, Text: f.Text, IP: f.IP, At: wire(f.At), Count: f.Count}
		if e, known := errcode.Lookup(f.Code); known {
			s.Failure.Hint = e.EN.Hint
		}
	}
	return s
}

// wire is a moment as it leaves: UTC, whole seconds.
func wire(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC().Truncate(time.Second)
}
