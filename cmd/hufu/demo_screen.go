package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// jsonScreen prints one JSON object per event.
type jsonScreen struct{ out io.Writer }

func (s *jsonScreen) print(v any) {
	b, _ := json.Marshal(v) // texts and numbers: always succeeds
	_, _ = s.out.Write(append(b, '\n'))
}

func (s *jsonScreen) begin(d *demonstration) {
	s.print(struct {
		Time   time.Time `json:"time"`
		Event  string    `json:"event"`
		API    string    `json:"api"`
		Web    string    `json:"web"`
		Admin  string    `json:"admin"`
		WeChat string    `json:"wechat"`
		Manage string    `json:"manage"`
		Shop   string    `json:"shop"`
		Key    string    `json:"key"`
		// Of the client of examples/, which is given phantom tokens.
		ExampleKey string `json:"example_key"`
	}{time.Now(), demoReady, d.server.URL("api"), d.server.URL("web"), d.server.URL("admin"), d.wechat.APIURL(), d.wechat.ManageURL(), d.shop.url, d.remote.key, d.key})
}

func (s *jsonScreen) happened(e event)        { s.print(e) }
func (s *jsonScreen) draw([]appState, totals) {}
func (s *jsonScreen) end(t totals)            { s.print(event{Time: time.Now(), Event: demoStopped, Totals: &t}) }

// plainScreen prints lines: for pipes and logs.
type plainScreen struct{ *program }

func (s *plainScreen) begin(d *demonstration)  { fmt.Fprint(s.out, s.introduction(d)) }
func (s *plainScreen) happened(e event)        { fmt.Fprintln(s.out, s.eventWords(e)) }
func (s *plainScreen) draw([]appState, totals) {}
func (s *plainScreen) end(t totals)            { fmt.Fprintln(s.out, s.say("demo.end", s.totalWords(t))) }

// introduction says what this is and what to try.
func (p *program) introduction(d *demonstration) string {
	app, api := demoApps[0].id, d.server.URL("api")
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", p.say("demo.shop", d.shop.url))
	fmt.Fprintf(&b, "%s\n\n", p.say("demo.intro", demoSpeed, d.wechat.APIURL(), api, d.file))
	fmt.Fprintf(&b, "%s\n", p.say("demo.try"))
	for _, try := range []struct{ what, line string }{
		{"demo.try.read", fmt.Sprintf(`curl -H "Authorization: Bearer $HUFU_KEY" %s%s`, api, credentialPath(app, "access_token"))},
		{"demo.try.report", fmt.Sprintf(`curl -H "Authorization: Bearer $HUFU_KEY" -d '{"generation":1,"errcode":40001}' %s%s/report`, api, credentialPath(app, "access_token"))},
		{"demo.try.wechat", fmt.Sprintf(`curl "%s/cgi-bin/token?grant_type=client_credential&appid=%s&secret=$HUFU_KEY"`, api, app)},
		{"demo.try.call", fmt.Sprintf(`curl "%s/cgi-bin/user/info?openid=%s&access_token=$(%s token %s)"`, d.wechat.APIURL(), sampleUser, self(), app)},
		{"demo.try.gateway", fmt.Sprintf(`curl -H "Authorization: Bearer $HUFU_KEY" "%s/cgi-bin/user/info?openid=%s&from_appid=%s"`, api, sampleUser, app)},
		{"demo.try.renew", fmt.Sprintf("%s renew %s", self(), app)},
		{"demo.try.metrics", "curl " + d.server.URL("admin") + "/metrics"},
		{"demo.try.examples", fmt.Sprintf("(cd examples && HUFU_WEB_URL=%s HUFU_APPID=%s HUFU_KEY=%s go run ./silenceper)", d.server.URL("web"), app, d.key)},
	} {
		fmt.Fprintf(&b, "  # %s\n  %s\n", p.say(try.what), try.line)
	}
	// What all of them need comes last: on a small screen the rest scrolls off.
	fmt.Fprintf(&b, "\n%s\n%s\n  export HUFU_URL=%s HUFU_KEY=%s\n\n", p.say("demo.wait"), p.say("demo.first"), api, d.remote.key)
	return b.String()
}

// eventWords is an event in one line.
func (p *program) eventWords(e event) string {
	line := e.Time.Format(time.TimeOnly) + "  "
	if e.Line != "" {
		line += fmt.Sprintf("%-7s  ", e.Line)
	}
	switch e.Event {
	case tokenIssued:
		return line + p.say("demo.issued", e.To, e.ExpiresIn)
	case tokenRenewed:
		return line + p.say("demo.renewed", e.From, e.To, e.OldWorksFor)
	case oldEnded:
		return line + p.say("demo.old_ended", e.From)
	case violated:
		return line + p.say("demo.violation", p.ruleWords(e))
	}
	return line + p.totalWords(*e.Totals)
}

// ruleWords says which of the simulator's rules was broken. Its own words, in
// English, have the figures.
func (p *program) ruleWords(e event) string {
	if text := p.say("rule." + string(e.Rule)); text != "" && p.chinese {
		return text
	}
	return e.Text
}

func (p *program) totalWords(t totals) string {
	return p.say("demo.totals", t.Calls, t.Refused, t.Reads, t.Issues, t.Violations)
}
