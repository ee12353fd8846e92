package server

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/hufu-project/hufu/internal/access"
	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/store/sealed"
	"github.com/hufu-project/hufu/internal/web"
)

// Status is the answer of GET /v1/status, for operators: this node, and
// whether what its files say is what is in force.
//
//	{"node":"web1-x4k2pq","version":"0.1.0","started_at":"2026-11-22T08:00:00Z","uptime":3600,
//	 "config":{"loaded_at":"2026-11-22T08:00:00Z","passes":false,
//	           "problems":["hufu.yaml:7:5: apps[0].sorce: no such key (did you mean \"source\"?)"]},
//	 "store":{"writable":true},
//	 "master_key":{"seals":"3a966457","file":["3a966457"],"in_use":["3a966457"]}}
type Status struct {
	Node      string       `json:"node"`
	Version   string       `json:"version"`
	StartedAt time.Time    `json:"started_at"`
	Uptime    int64        `json:"uptime"` // seconds
	Config    ConfigStatus `json:"config"`
	Store     StoreStatus  `json:"store"`
	// MasterKey is which keys seal the store.
	MasterKey sealed.KeyState `json:"master_key"`
}

// StoreStatus is whether the store takes what this node writes.
type StoreStatus struct {
	// Writable is false from a write that did not work until one does, and
	// while the store does not answer.
	Writable bool `json:"writable"`
	// Problem is what the store said.
	Problem string `json:"problem,omitempty"`
}

// ConfigStatus is the state of the configuration of one node.
type ConfigStatus struct {
	// LoadedAt is when the one in force was read.
	LoadedAt time.Time `json:"loaded_at"`
	// Passes tells whether what the files say now is what is in force.
	Passes bool `json:"passes"`
	// Problems say why it is not, one a line.
	Problems []string `json:"problems,omitempty"`
	// NeedsRestart are the changed keys that take a restart.
	NeedsRestart []string `json:"needs_restart,omitempty"`
}

// status answers GET /v1/status on a surface.
func (s *Server) status(on *web.Surface) web.Handler {
	return func(w http.ResponseWriter, r *http.Request, q access.Request) error {
		key, problem := web.ClientKey(r)
		if problem != nil {
			return problem
		}
		caller, err := s.guard.Authenticate(key, on.ClientIP(r), q)
		if err != nil {
			return err
		}
		// Not Guard.Do: looking is no act, and whoever looks every few
		// seconds should not fill the audit record.
		if !caller.Client.Allow.Has(config.Admin) {
			return &access.Refusal{
				Err: access.ErrForbidden, Reason: "the server's status is for operators",
				Hint: "add admin to allow of this client",
			}
		}
		body, err := json.Marshal(Status{
			Node: s.node, Version: s.version, StartedAt: s.began.UTC().Truncate(time.Second),
			Uptime: int64(time.Since(s.began) / time.Second), Config: s.config.status(), Store: s.witness.status(),
			MasterKey: s.store.KeyState(),
		})
		if err != nil {
			return err
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(append(body, '\n'))
		return nil
	}
}

func (c *configState) status() ConfigStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	return ConfigStatus{
		LoadedAt: c.loadedAt.UTC().Truncate(time.Second), Passes: c.problems == nil,
		Problems: lines(c.problems), NeedsRestart: c.restart,
	}
}

// lines is what is wrong, one problem a line; warnings are left to the log.
func lines(err error) (all []string) {
	var problems config.Problems
	if !errors.As(err, &problems) {
		if err != nil {
			all = strings.Split(err.Error(), "\n")
		}
		return all
	}
	for _, p := range problems {
		if !p.Warning {
			all = append(all, p.Error())
		}
	}
	return all
}
