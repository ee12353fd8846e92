package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/hufu-project/hufu/internal/errcode"
)

// sampleUser is a follower whom the sample program asks about.
const sampleUser = "oDemoUser0000000000000000001"

// caller is a program as Hufu's users have many: it asks Hufu for the token each
// time, calls WeChat's API with it, and reports a token that WeChat refuses.
func (w *watch) caller(ctx context.Context, app string) {
	for pause(ctx, 200*time.Millisecond) {
		var token handout
		if w.remote.do(ctx, "GET", credentialPath(app, "access_token"), nil, &token) != nil {
			continue
		}
		code, err := w.userInfo(ctx, token.Value)
		dead := err == nil && errcode.DeadToken(code)
		if dead {
			_ = w.remote.do(ctx, "POST", credentialPath(app, "access_token")+"/report",
				map[string]any{"generation": token.Generation, "errcode": code}, nil)
		}
		w.mu.Lock()
		w.sums.Reads++
		if err == nil {
			w.sums.Calls++
		}
		if dead {
			w.sums.Refused++
		}
		w.mu.Unlock()
	}
}

func userInfoURL(base, token string) string {
	return base + "/cgi-bin/user/info?access_token=" + url.QueryEscape(token) + "&openid=" + sampleUser
}

// userInfo asks the simulator about a user and returns the errcode.
func (w *watch) userInfo(ctx context.Context, token string) (code int, err error) {
	req, err := http.NewRequestWithContext(ctx, "GET", userInfoURL(w.wechat.APIURL(), token), nil)
	if err != nil {
		return 0, err
	}
	resp, err := w.remote.http.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	var answer struct {
		Errcode int `json:"errcode"`
	}
	err = json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&answer)
	return answer.Errcode, err
}
