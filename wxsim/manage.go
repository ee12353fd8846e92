package wxsim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// order is what a request to the management interface may carry; each act takes what it needs.
type order struct {
	Secret  string   `json:"secret"`
	IP      string   `json:"ip"`
	IPs     []string `json:"ips"`
	Errcode int      `json:"errcode"`
	On      bool     `json:"on"`
	User    string   `json:"user"`
	Hosts   []string `json:"hosts"`
}

// acts are the acts of acts.go by their path.
var acts = map[string]func(*Sim, string, order) error{
	"reset-secret":     func(s *Sim, app string, o order) error { return s.ResetSecret(app, o.Secret) },
	"freeze":           func(s *Sim, app string, _ order) error { return s.Freeze(app) },
	"unfreeze":         func(s *Sim, app string, _ order) error { return s.Unfreeze(app) },
	"allow-ips":        func(s *Sim, app string, o order) error { return s.AllowIPs(app, o.IPs...) },
	"require-confirm":  func(s *Sim, app string, o order) error { return s.RequireConfirm(app, o.On) },
	"confirm-ip":       func(s *Sim, app string, o order) error { return s.ConfirmIP(app, o.IP) },
	"deny-ip":          func(s *Sim, app string, o order) error { return s.DenyIP(app, o.IP) },
	"punish":           func(s *Sim, app string, o order) error { return s.Punish(app, o.Errcode) },
	"outsider":         func(s *Sim, app string, _ order) error { return s.Outsider(app) },
	"outsider-force":   func(s *Sim, app string, _ order) error { return s.OutsiderForce(app) },
	"revoke":           func(s *Sim, app string, _ order) error { return s.Revoke(app) },
	"expire":           func(s *Sim, app string, _ order) error { return s.Expire(app) },
	"follow":           func(s *Sim, app string, o order) error { return s.Follow(app, o.User, o.On) },
	"expire-user":      func(s *Sim, app string, o order) error { return s.ExpireUser(app, o.User) },
	"callback-domains": func(s *Sim, app string, o order) error { return s.CallbackDomains(app, o.Hosts...) },
	"end-tickets":      func(s *Sim, app string, _ order) error { return s.EndTickets(app) },
	"allow-tickets":    func(s *Sim, app string, o order) error { return s.AllowTickets(app, o.On) },
	"excuse":           func(s *Sim, app string, _ order) error { return s.Excuse(app) },
}

// Management is the interface for people and tests in other processes: what happened, what is, and
// every act and fault. It shows tokens in clear and asks nobody who they are, so it belongs on
// loopback; requests that a browser makes for another site are refused. "GET /" lists its paths.
func (s *Sim) Management() http.Handler {
	mux := http.NewServeMux()
	get := func(path string, f func(r *http.Request) any) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) { say(w, http.StatusOK, f(r)) })
	}
	get("/{$}", func(*http.Request) any { return s.help() })
	get("/now", func(*http.Request) any {
		return map[string]any{"now": s.Now(), "speed": s.opts.Speed, "seed": strconv.FormatUint(s.opts.Seed, 10)}
	})
	get("/history", func(r *http.Request) any { return s.pick(r) })
	get("/counts", func(*http.Request) any { return s.Counts() })
	get("/violations", func(*http.Request) any { return list(s.Violations()) })
	get("/apps", func(*http.Request) any { return list(s.Apps()) })
	perApp(get, s, "/tokens", s.Tokens)
	perApp(get, s, "/codes", s.Codes)
	perApp(get, s, "/user-tokens", s.UserTokens)
	get("/users", func(*http.Request) any { return s.Users() })
	get("/faults", func(*http.Request) any { return s.Faults() })

	mux.HandleFunc("DELETE /faults", func(w http.ResponseWriter, _ *http.Request) {
		s.ClearFaults()
		conclude(w, nil)
	})
	mux.HandleFunc("DELETE /violations", func(w http.ResponseWriter, _ *http.Request) {
		s.ClearViolations()
		conclude(w, nil)
	})
	mux.HandleFunc("POST /faults", s.manageFault)
	mux.HandleFunc("POST /apps", func(w http.ResponseWriter, r *http.Request) {
		var a App
		if err := read(w, r, &a); err != nil {
			conclude(w, err)
			return
		}
		conclude(w, s.AddApp(a))
	})
	s.managePeople(mux)
	mux.HandleFunc("POST /js-config", func(w http.ResponseWriter, r *http.Request) {
		var c JSConfig
		err := read(w, r, &c)
		if err == nil {
			err = s.CheckJSConfig(c)
		}
		conclude(w, err)
	})
	mux.HandleFunc("POST /apps/{appid}/{act}", func(w http.ResponseWriter, r *http.Request) {
		act := acts[r.PathValue("act")]
		if act == nil {
			say(w, http.StatusNotFound, map[string]string{"error": "no such act; GET / lists them"})
			return
		}
		var o order
		if err := read(w, r, &o); err != nil {
			conclude(w, err)
			return
		}
		conclude(w, act(s, r.PathValue("appid"), o))
	})
	return http.NewCrossOriginProtection().Handler(mux)
}

// perApp serves a list of the oracle, of one app or of all.
func perApp[T any](get func(string, func(*http.Request) any), s *Sim, path string, of func(string) []T) {
	get(path, func(r *http.Request) any {
		all := []T{}
		for _, a := range s.Apps() {
			if want := r.FormValue("appid"); want == "" || want == a.ID {
				all = append(all, of(a.ID)...)
			}
		}
		return all
	})
}

// manageFault takes a Fault with its delay as a text such as "2s".
func (s *Sim) manageFault(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Fault
		Delay string `json:"delay"`
	}
	err := read(w, r, &in)
	if err == nil && in.Delay != "" {
		in.Fault.Delay, err = time.ParseDuration(in.Delay)
	}
	if err == nil {
		err = in.check()
	}
	if err == nil {
		s.Fail(in.Fault)
	}
	conclude(w, err)
}

// managePeople is what concerns users rather than one app.
func (s *Sim) managePeople(mux *http.ServeMux) {
	mux.HandleFunc("POST /users", func(w http.ResponseWriter, r *http.Request) {
		var u User
		err := read(w, r, &u)
		if err == nil {
			err = s.AddUser(u)
		}
		conclude(w, err)
	})
	mux.HandleFunc("POST /users/{user}/change-password", func(w http.ResponseWriter, r *http.Request) {
		conclude(w, s.ChangePassword(r.PathValue("user")))
	})
	mux.HandleFunc("POST /apps/{appid}/code", func(w http.ResponseWriter, r *http.Request) {
		var in struct{ User, Scope string }
		err := read(w, r, &in)
		if err != nil {
			conclude(w, err)
			return
		}
		code, err := s.Code(r.PathValue("appid"), in.User, in.Scope)
		if err != nil {
			conclude(w, err)
			return
		}
		say(w, http.StatusOK, map[string]string{"code": code})
	})
}

// pick is the history, or the part that ?appid=, ?path= and ?limit= ask for.
func (s *Sim) pick(r *http.Request) []Request {
	out := []Request{}
	for _, q := range s.History() {
		if v := r.FormValue("appid"); v != "" && v != q.App {
			continue
		}
		if v := r.FormValue("path"); v != "" && v != q.Path {
			continue
		}
		out = append(out, q)
	}
	if n, err := strconv.Atoi(r.FormValue("limit")); err == nil && n >= 0 && n < len(out) {
		out = out[len(out)-n:]
	}
	return out
}

// Apps are the apps as they are now, without their secrets, in the order in which they were added.
func (s *Sim) Apps() []App {
	s.mu.RLock()
	ids := s.order[:len(s.order):len(s.order)]
	s.mu.RUnlock()
	now := s.Now()
	apps := make([]App, 0, len(ids))
	for _, id := range ids {
		s.look(id, func(a *app) {
			a.settle(now)
			cfg := a.cfg
			cfg.Secret = ""
			apps = append(apps, cfg)
		})
	}
	return apps
}

func (s *Sim) help() any {
	paths := []string{
		"GET /now", "GET /history?appid=&path=&limit=", "GET /counts", "GET /violations", "GET /apps", "GET /tokens?appid=", "GET /faults",
		"GET /users", "GET /codes?appid=", "GET /user-tokens?appid=",
		"POST /users", "POST /users/{user}/change-password", "POST /apps/{appid}/code", "POST /js-config",
		"POST /apps", "POST /faults", "DELETE /faults", "DELETE /violations",
	}
	for _, name := range slices.Sorted(maps.Keys(acts)) {
		paths = append(paths, "POST /apps/{appid}/"+name)
	}
	return map[string]any{"name": "wxsim, a simulated WeChat platform for tests", "paths": paths, "modes": modes[1:]}
}

// list makes an empty list of JSON out of none.
func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}

// read takes a JSON body; an act that needs nothing may come without.
func read(w http.ResponseWriter, r *http.Request, into any) error {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("body: %w", err)
	}
	return nil
}

// conclude says whether an order was carried out.
func conclude(w http.ResponseWriter, err error) {
	if err != nil {
		say(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	say(w, http.StatusOK, map[string]bool{"ok": true})
}

func say(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(v) // the status is out; whoever is gone does not hear it
}
