package api

import (
	"net/http"

	"github.com/hufu-project/hufu/internal/access"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/keeper"
	"github.com/hufu-project/hufu/internal/web"
)

// report answers POST /v1/apps/{app}/credentials/{kind}/report: a client says
// that a value does not work, and is told the one to use now.
func (a *api) report(w http.ResponseWriter, r *http.Request, c access.Caller) error {
	key, _, _ := splitCredential(r.URL.Path)
	var body struct {
		Value      *string `json:"value"`
		Generation *uint64 `json:"generation"`
		Errcode    int     `json:"errcode"`
	}
	if err := web.Decode(w, r, &body); err != nil {
		return err
	}
	claim := keeper.Claim{Errcode: body.Errcode}
	switch {
	case (body.Value == nil) == (body.Generation == nil):
		return web.BadRequest("the report names no value, or two",
			`say either which value it is about or which generation, as in {"generation":7,"errcode":40001}`)
	case body.Generation != nil:
		claim.Generation = *body.Generation
	case *body.Value == "":
		return web.BadRequest("the report names an empty value", "give the value that did not work")
	default:
		claim.Value = credential.NewSecret(*body.Value)
	}
	v, _, err := a.Guard.Hand(c, key, func() (credential.Credential, error) { return a.source(c, key).Report(r.Context(), key, claim) })
	if err != nil {
		return err
	}
	writeCredential(w, v)
	return nil
}

// renew answers POST /v1/apps/{app}/credentials/{kind}/renew: an operator wants
// a new value. An operator's client that may not have the value itself is told
// all but that; one that is given phantom tokens is given its own.
func (a *api) renew(w http.ResponseWriter, r *http.Request, c access.Caller) error {
	key, _, _ := splitCredential(r.URL.Path)
	var body struct {
		Reason string `json:"reason"`
	}
	if r.ContentLength != 0 {
		if err := web.Decode(w, r, &body); err != nil {
			return err
		}
	}
	if body.Reason != "" && body.Reason != leak {
		return web.BadRequest("the reason is unknown", `leave it out, or give "leak" where the value has leaked and must be dead for good`)
	}
	var v credential.Credential
	err := a.Guard.Do(c, access.Act{Name: "renew", Key: key}, nil, func() (err error) {
		v, err = a.Keeper.Renew(r.Context(), key, body.Reason == leak)
		return err
	})
	if err != nil {
		return err
	}
	if access.May(c, key) {
		v, _, err = a.Guard.Hand(c, key, func() (credential.Credential, error) {
			if access.GivenPhantoms(c, key) {
				return mint{a, c}.Get(r.Context(), key)
			}
			return v, nil
		})
		if err != nil {
			return err
		}
	} else {
		v.Value = credential.Secret{}
	}
	writeCredential(w, v)
	return nil
}

// leak is the one reason that changes what a renewal does.
const leak = "leak"
