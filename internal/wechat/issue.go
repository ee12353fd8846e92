package wechat

import (
	"context"
	"net/http"

	"github.com/hufu-project/hufu/internal/credential"
)

// ask sends the one request of an issue and reads the value out of the field.
// What it returns is an *Error whose Outcome tells what may have happened.
func (c *Client) ask(ctx context.Context, g Grant, kind credential.Kind, field string, req *http.Request) (Issued, error) {
	op := "issue " + string(kind)
	ctx, f := withFuse(ctx, g.SendBy)
	if c.inProcess && !f.pass() {
		return Issued{}, transportError(op, c.base.Host, notSent{errLate})
	}
	body, failed := c.send(ctx, c.issue, op, req)
	if failed != nil {
		if f.blow() {
			failed.Outcome = NotSent
		}
		return Issued{}, failed
	}
	a, err := parse(body)
	if err != nil {
		return Issued{}, &Error{Op: op, Outcome: Ambiguous, Message: err.Error()}
	}
	code, ok := a.errcode()
	_, named := a.fields[field]
	switch {
	case !ok:
		return Issued{}, &Error{Op: op, Outcome: Ambiguous, Message: "errcode is not a number"}
	case code != 0:
		e := a.refusal(op, code, classOf(g.With, code), g.Secret)
		if v, there := a.value(field); there && v != "" {
			e.Outcome = Ambiguous // a refusal that brings a token refuses nothing
		}
		return Issued{}, e
	case !named:
		return Issued{}, &Error{Op: op, Outcome: Ambiguous, Message: "the answer has no " + field}
	}
	v, ok := a.value(field)
	if !ok {
		return Issued{}, &Error{Op: op, Outcome: Ambiguous, Message: field + " is not a usable string"}
	}
	life, odd := a.life(g.Life)
	return Issued{Value: credential.NewSecret(v), Life: life, Odd: odd}, nil
}

// unbuilt is the error for a request that could not even be put together.
func unbuilt(kind credential.Kind) *Error {
	return &Error{Op: "issue " + string(kind), Outcome: NotSent, Message: "the request cannot be built; look at wechat.api_url and the appid"}
}
