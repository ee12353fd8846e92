package wxsim

import (
	"encoding/json"
	"net/http"
	"time"
)

// said is what a reply tells its caller, who sees nothing but bytes.
type said struct {
	errcode int
	life    time.Duration // of the token in it, on the platform's clock, as a careful caller takes it
	unclear bool          // nobody can tell from this what happened
}

// heard reads a reply with the caller's eyes.
func (s *Sim) heard(c *call, a answer, p *reply, arrived bool) said {
	switch {
	case !arrived || p.cut:
		return said{unclear: true}
	case c.route != nil && c.route.pages:
		return said{errcode: a.errcode} // a browser shows whatever comes
	case p.status != http.StatusOK || p.encoding != "":
		return said{unclear: true}
	case c.fault == nil && a.token != nil && a.errcode == 0:
		return said{life: a.expires.Sub(s.Now())}
	case c.fault == nil:
		return said{errcode: a.errcode, unclear: a.errcode == -1}
	}
	var v struct {
		Errcode   int     `json:"errcode"`
		Token     *string `json:"access_token"`
		ExpiresIn any     `json:"expires_in"`
	}
	err := json.Unmarshal(p.body, &v)
	_, known := refusals[v.Errcode]
	switch {
	case err != nil || v.Errcode == -1 || v.Errcode != 0 && !known:
		return said{unclear: true}
	case v.Errcode != 0:
		return said{errcode: v.Errcode}
	case c.ask == nil:
		return said{}
	case a.token == nil || v.Token == nil || *v.Token != a.token.value || c.fault.Mode == ExtraToken:
		return said{unclear: true}
	}
	// Of a life that makes no sense nothing is certain but the overlap.
	life := s.opts.Life / 24
	if n, ok := v.ExpiresIn.(float64); ok && n >= 1 && int(n) <= s.told(s.opts.Life) {
		life = time.Duration(n * s.opts.Speed * float64(time.Second))
	}
	return said{life: min(life, a.expires.Sub(s.Now()))}
}
