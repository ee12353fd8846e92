package proof

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/hufu-project/hufu/wxsim"
)

// The paths that the keeper asks for.
const (
	pathClassic = "/cgi-bin/token"
	pathStable  = "/cgi-bin/stable_token"
	pathTicket  = "/cgi-bin/ticket/getticket"
	pathProbe   = "/cgi-bin/get_api_domain_ip"
)

// request is one request of the keeper's, read.
type request struct {
	path, app string
	token     string // shown, where that is what is shown
	force     bool
	body      []byte
}

func (w *world) parse(r *http.Request) request {
	q := request{path: r.URL.Path, app: r.URL.Query().Get("appid"), token: r.URL.Query().Get("access_token")}
	if r.Body != nil {
		q.body, _ = io.ReadAll(r.Body)
		r.Body.Close()
		var in struct {
			AppID string `json:"appid"`
			Force bool   `json:"force_refresh"`
		}
		_ = json.Unmarshal(q.body, &in)
		q.app, q.force = in.AppID, in.Force
	}
	if q.token != "" {
		q.app = w.judge.ownerOf(q.token)
	}
	return q
}

// illness is what befalls one request.
type illness struct {
	mode  wxsim.Mode // 0: none
	code  int        // of Errcode
	acts  bool       // WeChat acts before it goes wrong
	never bool       // the request does not arrive
	mute  bool       // no answer until the caller gives up
	late  time.Duration
}

// garbled are the modes that spoil an answer.
var garbled = []wxsim.Mode{
	wxsim.Reset, wxsim.LostAnswer, wxsim.LostAnswer, wxsim.Status5xx, wxsim.HTML, wxsim.Empty, wxsim.Truncated,
	wxsim.Garbage, wxsim.SystemBusy, wxsim.SystemBusy, wxsim.WrongTypes, wxsim.ExtraToken, wxsim.OddExpiresIn,
}

// needsPerson are refusals that a person must mend.
var needsPerson = []int{40164, 40125, 40243, 45011}

func (w *world) illness(d dice, q request) (ill illness) {
	if w.healthy(q.app) {
		return illness{}
	}
	f := w.faults()
	now := time.Now()
	issue := q.path != pathProbe
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case now.Before(w.outage):
		return illness{mode: wxsim.Outage}
	case now.Before(w.busy):
		return illness{mode: wxsim.SystemBusy, acts: d.of(1).chance(0.5)}
	case now.Before(w.refusing) && issue && q.path != pathTicket:
		return illness{mode: wxsim.Errcode, code: w.refusal}
	case d.of(2).chance(f.quota) && issue && q.path != pathTicket:
		return illness{mode: wxsim.Errcode, code: 45009}
	case !d.of(3).chance(f.ill):
		return illness{}
	}
	switch d.of(4).below(6) {
	case 0:
		return illness{mode: wxsim.Outage}
	case 1:
		return illness{never: true, mute: d.of(5).chance(0.5)}
	case 2:
		return illness{mute: true}
	case 3:
		return illness{late: d.of(6).span(3*time.Second, 7800*time.Millisecond)}
	}
	return illness{mode: pick(d.of(7), garbled...), acts: d.of(8).chance(0.5)}
}

var (
	refused = &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	reset   = &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
)

// RoundTrip carries a request to WeChat and the answer back, or does not.
func (p *process) RoundTrip(r *http.Request) (*http.Response, error) {
	w, ctx := p.w, r.Context()
	q := w.parse(r)
	o := p.op(q.path, q.app)
	ill := w.illness(o.dice.of(40), q)
	if p.isDead() {
		return nil, refused
	}
	if ill.mode == wxsim.Outage {
		if err := o.point(1, ctx, o.dice.of(41).span(5*time.Millisecond, 2*time.Second)); errors.Is(err, errKilled) {
			return nil, err
		}
		o.note("not sent")
		return nil, refused
	}
	sent := w.judge.sends(p, q)
	there := o.dice.of(42).span(5*time.Millisecond, 80*time.Millisecond)
	if err := o.point(1, ctx, there); err != nil {
		// What was written may arrive all the same, and WeChat may take its time.
		// Of a process that was killed only what was on the wire does: its
		// connections are set to drop the rest (SetLinger).
		late := 6 * time.Second
		if errors.Is(err, errKilled) {
			late = 150 * time.Millisecond
		}
		if o.dice.of(43).chance(0.5) {
			time.AfterFunc(o.dice.of(44).span(time.Millisecond, late), func() { _, _ = w.arrive(r, q, sent, illness{}) })
		}
		return nil, err
	}
	if ill.never {
		sent.lost()
		if ill.mute {
			return nil, p.silence(ctx, o.dice)
		}
		o.note("request lost")
		return nil, reset
	}
	resp, err := w.arrive(r, q, sent, ill)
	back := o.dice.of(45).span(5*time.Millisecond, 150*time.Millisecond) + ill.late
	if ill.mute {
		return nil, p.silence(ctx, o.dice)
	}
	if held := o.point(2, ctx, back); held != nil {
		return nil, held
	}
	if err == nil {
		w.judge.hears(p, q, sent, resp)
	}
	o.note("answered")
	return resp, err
}

func (p *process) isDead() bool {
	select {
	case <-p.dead:
		return true
	default:
		return false
	}
}

// silence lasts until the caller gives up, or is killed.
func (p *process) silence(ctx context.Context, d dice) error {
	if err := p.hold(ctx, time.Minute, d.of(46)); err != nil {
		return err
	}
	return reset
}

// arrive is the moment at which WeChat acts.
func (w *world) arrive(r *http.Request, q request, sent *sending, ill illness) (*http.Response, error) {
	if ill.mode != 0 {
		clear := w.sim.Fail(wxsim.Fault{Path: q.path, Mode: ill.mode, Errcode: ill.code, After: ill.acts, Count: 1})
		defer clear()
	}
	in := r.Clone(context.Background())
	if q.body != nil {
		in.Body = io.NopCloser(bytes.NewReader(q.body))
	}
	resp, err := w.sim.Transport().RoundTrip(in)
	var body []byte
	if err == nil {
		body, _ = io.ReadAll(resp.Body)
		resp.Body.Close()
		resp.Body = io.NopCloser(bytes.NewReader(body))
		if ill.mode == wxsim.Truncated {
			resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), broken{}))
		}
	}
	w.judge.acted(q, sent, body, ill)
	return resp, err
}

// broken is the rest of an answer that breaks off.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// refusal reads the errcode out of an answer, 0 where there is none.
func errcodeOf(body []byte) int {
	var in struct {
		Errcode int `json:"errcode"`
	}
	_ = json.Unmarshal(body, &in)
	return in.Errcode
}

// valid reports whether WeChat takes a value.
func (w *world) valid(app, kind, value string) bool {
	if strings.HasSuffix(kind, "ticket") {
		return w.sim.ValidTicket(app, wxsim.JSAPI, value)
	}
	return w.sim.Valid(app, value)
}
