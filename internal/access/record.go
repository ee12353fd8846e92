package access

import (
	"encoding/json"
	"net/netip"
	"strings"
	"time"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
)

// record is one line of the audit file:
//
//	{"time":"2026-11-22T08:00:00.123Z","node":"a1","request_id":"6aac005a-01bfdbee-00000007",
//	 "client":"shop-backend","key":"5e884898","ip":"10.0.0.7","action":"token",
//	 "app":"wx0123456789abcdef","kind":"access_token","generation":7,"tag":"7-9f3c51d2","decision":"allowed"}
//
// Action is what the client must be allowed (token, ticket; call, then path is
// the pattern of the calls, or the path that was refused), an operator's act
// (renew, put_client …, then target is the client it was done to, and granted
// what that one may do from now on), what was done with a user's login, each
// time (redeem_code, refresh_user_token, user_info, check_user_token,
// exchange_mini_program_code), or authenticate. Tag is the entity tag; its keyed
// hash stands for the value. Tokens is "phantom" where phantom tokens were handed
// out, all those of one generation. No value, no key and no user stands here.
type record struct {
	Time       time.Time       `json:"time"`
	Node       string          `json:"node"`
	Request    string          `json:"request_id"`
	Client     string          `json:"client,omitempty"`
	Key        string          `json:"key,omitempty"`
	IP         string          `json:"ip,omitempty"`
	Action     string          `json:"action"`
	App        credential.App  `json:"app,omitempty"`
	Kind       credential.Kind `json:"kind,omitempty"`
	Tokens     string          `json:"tokens,omitempty"`
	Target     string          `json:"target,omitempty"`
	Path       string          `json:"path,omitempty"`
	Generation uint64          `json:"generation,omitempty"`
	Tag        string          `json:"tag,omitempty"`
	Decision   string          `json:"decision"`
	Reason     string          `json:"reason,omitempty"`
	Granted    *grant          `json:"granted,omitempty"`
}

// Allowed stands before what it allows; where that did not work after all,
// another record says so.
const (
	allowed = "allowed"
	denied  = "denied"
	broken  = "failed"
)

// grant is what a client was given:
//
//	{"apps":["*"],"allow":["token","admin"],"tokens":"real","from":["10.0.0.0/8"],"keys":["5e884898"]}
type grant struct {
	Apps   []credential.App `json:"apps"`
	Allow  config.Actions   `json:"allow"`
	Tokens string           `json:"tokens"`
	From   []netip.Prefix   `json:"from,omitempty"` // none: from anywhere
	Keys   []string         `json:"keys"`
}

func grantOf(c *config.Client) *grant {
	if c == nil {
		return nil
	}
	g := &grant{Apps: c.Apps, Allow: c.Allow, Tokens: c.Tokens, From: c.From}
	for _, sum := range c.KeySHA256 {
		g.Keys = append(g.Keys, KeyID(sum[:4]).String())
	}
	return g
}

// recordOf begins a record about a credential. What names it came out of the
// request, where people also put their secrets.
func recordOf(action string, key credential.Key) record {
	return record{Action: action, App: credential.App(plain(string(key.App))), Kind: credential.Kind(plain(string(key.Kind)))}
}

// line completes a record and writes it out.
func (g *Guard) line(c Caller, r record) []byte {
	r.Time = time.Now().UTC().Truncate(time.Millisecond)
	r.Node, r.Request = g.node, c.Request.String()
	if c.Client != nil {
		r.Client = c.Client.Name
	}
	if c.KeyID != (KeyID{}) {
		r.Key = c.KeyID.String()
	}
	if c.IP.IsValid() {
		r.IP = c.IP.String()
	}
	b, _ := json.Marshal(r) // texts and numbers: always succeeds
	return append(b, '\n')
}

// plain lets through what may be an appid, a kind or a client's name, and
// nothing that may be a key or a token in the wrong place.
func plain(s string) string {
	if len(s) > 64 || strings.Contains(s, keyPrefix) || len(s) >= 32 && strings.Trim(s, "0123456789abcdefABCDEF") == "" {
		return "[redacted]"
	}
	return s
}
