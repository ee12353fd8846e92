package sdktest

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hufu-project/hufu/wxsim"
)

// lag is how long WeChat's machines refuse a new token with 40001, until all have
// heard of it.
const lag = 3 * time.Second

// wechat is the simulator, with machines that hear late.
type wechat struct{ *Hufu }

// RoundTrip answers as http.RoundTripper demands.
func (w wechat) RoundTrip(r *http.Request) (*http.Response, error) {
	if w.late(r.URL.Query().Get("access_token")) {
		const refusal = `{"errcode":40001,"errmsg":"invalid credential, access_token is invalid or not latest"}`
		return &http.Response{
			StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json; encoding=utf-8"}}, Request: r,
			Body: io.NopCloser(strings.NewReader(refusal)), ContentLength: int64(len(refusal)),
		}, nil
	}
	before := w.Sim.Issues(AppID)
	resp, err := w.Sim.Transport().RoundTrip(r)
	if w.Sim.Issues(AppID) > before {
		select {
		case w.issued <- struct{}{}:
		default:
		}
	}
	return resp, err
}

// late reports whether a token is so new that it is not known everywhere.
func (w wechat) late(token string) bool {
	line := wxsim.Stable
	if w.source == wxsim.Classic.String() {
		line = wxsim.Classic
	}
	return token != "" && token == w.Sim.Current(AppID, line) && w.Sim.Now().Sub(w.Sim.LastIssue(AppID)) < lag
}

// calls is a log of which the lines about calls are counted.
type calls struct{ all, refused atomic.Int64 }

func (c *calls) Enabled(context.Context, slog.Level) bool { return true }
func (c *calls) WithAttrs([]slog.Attr) slog.Handler       { return c }
func (c *calls) WithGroup(string) slog.Handler            { return c }

func (c *calls) Handle(_ context.Context, r slog.Record) error {
	if r.Message != "call" {
		return nil
	}
	c.all.Add(1)
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "errcode" && a.Value.Int64() != 0 {
			c.refused.Add(1)
		}
		return true
	})
	return nil
}
