package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/errcode"
	"github.com/hufu-project/hufu/internal/wechat"
)

// onlineTime bounds one question to WeChat.
const onlineTime = 10 * time.Second

// finding is what became of asking WeChat with one AppSecret.
type finding struct {
	App    credential.App `json:"app"`
	Secret int            `json:"secret"` // its place in the app's list, from 1
	Result string         `json:"result"`
	// Errcode and IP are WeChat's.
	Errcode int    `json:"errcode,omitempty"`
	IP      string `json:"ip,omitempty"`
	Text    string `json:"text"`
	Hint    string `json:"hint,omitempty"`
}

// The results of a finding.
const (
	accepted    = "accepted"    // WeChat gave a token
	refused     = "refused"     // with an errcode
	unclear     = "unclear"     // an answer that says nothing, or none
	unreachable = "unreachable" // nothing was sent
)

// online asks WeChat with every AppSecret of every app, on the stable line
// whatever the app's source is: asking there ends no token and, for an app of
// the stable source, gives the token that is in use anyway. The classic line
// is never asked, since that would end the token of programs that run.
func (p *program) online(ctx context.Context, cfg *config.Config, quiet bool) ([]finding, error) {
	client, err := wechat.New(wechat.Options{APIURL: cfg.WeChat.APIURL, ProxyURL: cfg.WeChat.ProxyURL.Reveal(), Timeout: onlineTime})
	if err != nil {
		return nil, failed(err.Error(), "")
	}
	line, _ := wechat.Find(credential.AccessToken, config.Stable)
	found := []finding{}
	say := func(text string) {
		if !quiet {
			fmt.Fprintln(p.out, text)
		}
	}
	say(p.say("online.begin", client.Host()))
	for _, app := range cfg.Apps {
		if app.Type == config.Website {
			say(fmt.Sprintf("%s  %s", app.AppID, p.say("online.website")))
			continue
		}
		for i, secret := range app.Secrets {
			f := p.try(ctx, client, line, wechat.Grant{App: app.AppID, Secret: secret, Life: cfg.WeChat.Life})
			f.Secret = i + 1
			if f.Result == unreachable {
				f.Text, f.Hint = p.unreachable(ctx, cfg, f.Text)
			}
			found = append(found, f)
			say(p.findingWords(app, f))
			if f.Result == unreachable {
				// The next one would fare no better.
				return found, nil
			}
		}
	}
	return found, nil
}

// try asks once.
func (p *program) try(ctx context.Context, client *wechat.Client, line wechat.Line, g wechat.Grant) finding {
	ctx, cancel := context.WithTimeout(ctx, onlineTime)
	defer cancel()
	f := finding{App: g.App, Result: accepted, Text: p.say("online.accepted")}
	_, err := line.Issue(ctx, client, g)
	if err == nil {
		return f
	}
	f.Result, f.Text = unclear, err.Error()
	e, ok := errors.AsType[*wechat.Error](err)
	if !ok {
		return f
	}
	f.Errcode, f.IP = e.Code, e.IP
	switch {
	case e.Outcome == wechat.NotSent:
		f.Result, f.Text = unreachable, e.Message
	case e.Code != 0:
		f.Result = refused
		entry, _ := errcode.Lookup(e.Code)
		f.Text, f.Hint = p.say("remote.refused", e.Code, p.wordsOf(entry).Meaning), p.wordsOf(entry).Hint
		if e.IP != "" {
			f.Text += " " + p.say("remote.ip", e.IP)
		}
	default:
		f.Text, f.Hint = e.Message, p.say("online.unclear.hint")
	}
	return f
}

// findingWords is a finding for people.
func (p *program) findingWords(app config.App, f finding) string {
	var b strings.Builder
	b.WriteString(string(f.App))
	if len(app.Secrets) > 1 {
		b.WriteString(" " + p.say("online.secret", f.Secret))
	}
	mark := "  ✗ "
	if f.Result == accepted {
		mark = "  ✓ "
	}
	b.WriteString(mark + f.Text)
	if f.Result == accepted && app.Source == config.Classic {
		b.WriteString("\n    " + p.say("online.classic"))
	}
	if f.Hint != "" {
		b.WriteString("\n    " + p.say("config.hint") + f.Hint)
	}
	return b.String()
}
