package hufu_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hufu-project/hufu/wxsim"
)

// G7 and G8 are about the whole program, so they are held to the whole
// program: the binary, a simulated WeChat, and their sockets. G1 to G6 are in
// internal/keeper.

// G7: secrets appear in no log, metric, error or audit record, and in the store
// only sealed. Everything that may quote one is made to happen, and whatever
// comes out is searched.
func TestG7NothingSecretShows(t *testing.T) {
	t.Parallel()
	sim := newSim(t)
	s := serve(t, sim, "classic")
	secrets := map[string]string{"AppSecret": appSecret, "client key": s.key, "operator's key": s.operator}
	said := &bytes.Buffer{}
	say := func(method, path, key, body string) { _, _ = said.Write(s.do(t, method, path, key, body)) }

	s.token(t)
	token := "/v1/apps/" + appID + "/credentials/access_token"
	say("GET", token, s.operator, "")
	say("GET", token+"?secret="+appSecret, appSecret, "")
	say("GET", "/v1/apps/"+s.key+"/credentials/"+appSecret, s.key, "")
	say("GET", "/cgi-bin/token?grant_type=client_credential&appid="+appID+"&secret="+appSecret, "", "")
	say("GET", "/cgi-bin/token?grant_type=client_credential&appid="+s.key+"&secret="+s.key, "", "")
	say("POST", "/cgi-bin/stable_token", "", `{"grant_type":"client_credential","appid":"`+appID+`","secret":"`+appSecret+`x"}`)
	say("POST", token+"/report", s.key, `{"value":`+appSecret+`}`)
	say("POST", token+"/report", s.key, `{"`+appSecret+`":1}`)
	say("PUT", "/v1/clients/x", s.operator, `{"key_sha256":"`+s.key+`","apps":["*"]}`)
	say("GET", "/v1/apps", s.operator, "")
	say("GET", "/v1/status", s.operator, "")

	// A ticket leaves as a value, and never with a signature.
	ticket := "/v1/apps/" + appID + "/credentials/jsapi_ticket"
	s.do(t, "GET", ticket, s.key, "")
	secrets["ticket"] = sim.Ticket(appID, wxsim.JSAPI)
	if secrets["ticket"] == "" {
		t.Error("no ticket was issued")
	}
	say("GET", ticket, s.operator, "")
	say("POST", "/v1/apps/"+appID+"/jsapi-signature", s.key, `{"url":"https://shop.example/?ticket=1"}`)
	say("POST", ticket+"/report", s.key, `{"value":"`+secrets["ticket"]+`x"`)
	say("GET", "/cgi-bin/ticket/getticket?type=jsapi&access_token="+secrets["ticket"], "", "")
	say("GET", "/cgi-bin/ticket/getticket?type="+secrets["ticket"]+"&from_appid="+appID, s.key, "")
	say("GET", "/v1/apps/"+appID+"/credentials/"+secrets["ticket"], s.key, "")
	sim.Fail(wxsim.Fault{Path: "/cgi-bin/ticket/", Mode: wxsim.HTML, Count: 1})
	say("GET", "/v1/apps/"+appID+"/credentials/wx_card_ticket", s.operator, "")

	// Every way in which WeChat can fail, on the line whose URL holds the
	// secret, and once with the secret in WeChat's own words.
	faults := []wxsim.Fault{
		{Mode: wxsim.Reset},
		{Mode: wxsim.LostAnswer},
		{Mode: wxsim.Status5xx},
		{Mode: wxsim.HTML},
		{Mode: wxsim.Empty},
		{Mode: wxsim.Truncated},
		{Mode: wxsim.Garbage},
		{Mode: wxsim.SystemBusy},
		{Mode: wxsim.Errcode, Errcode: 40164},
		{Mode: wxsim.OddExpiresIn},
		{Mode: wxsim.WrongTypes},
		{Mode: wxsim.Body, ContentType: "application/json"},
	}
	for i, fault := range faults {
		id, secret := fmt.Sprintf("wx%016d", i), fmt.Sprintf("c4n4ry%026d", i)
		secrets["AppSecret of "+id] = secret
		if err := sim.AddApp(wxsim.App{ID: id, Secret: secret}); err != nil {
			t.Fatal(err)
		}
		if fault.Mode == wxsim.Body {
			fault.Body = `{"errcode":40125,"errmsg":"invalid appsecret ` + secret + `"}`
		}
		fault.App, fault.Count = id, 1
		sim.Fail(fault)
		say("PUT", "/v1/apps/"+id, s.operator, `{"secret":"`+secret+`","source":"classic"}`)
	}
	for i := range faults {
		id := fmt.Sprintf("wx%016d", i)
		eventually(t, func() (string, bool) {
			return "", slices.ContainsFunc(sim.History(), func(r wxsim.Request) bool { return r.App == id })
		})
	}
	say("GET", "/v1/apps", s.operator, "")
	said.Write(s.ask(t, "GET", s.admin+"/metrics", "", ""))
	if !strings.Contains(said.String(), "hufu_signatures_total 1") || !strings.Contains(said.String(), `"nonceStr"`) {
		t.Error("no page was signed")
	}
	for _, app := range sim.Apps() {
		for i, info := range sim.Tokens(app.ID) {
			secrets[fmt.Sprintf("token %d of %s", i, app.ID)] = info.Value
		}
	}

	// And a WeChat that cannot be reached at all.
	lost := serveAt(t, "http://127.0.0.1:1", "classic")
	said.Write(lost.do(t, "GET", token, lost.key, ""))
	secrets["another client key"] = lost.key

	for _, s := range []*server{s, lost} {
		s.stop(t)
		said.Write(s.log.Bytes())
		_, encoded, _ := strings.Cut(strings.TrimSpace(read(t, filepath.Join(s.dir, "hufu.key"))), " ")
		master, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil || len(master) != 32 {
			t.Fatalf("the master key file has changed: %d bytes, %v", len(master), err)
		}
		secrets["master key of "+s.dir] = string(master)
		for _, name := range []string{"audit.jsonl", "hufu.db"} {
			said.WriteString(read(t, filepath.Join(s.dir, name)))
		}
	}
	if !strings.Contains(said.String(), "40125") || !strings.Contains(said.String(), "40164") || !strings.Contains(said.String(), `"decision":"denied"`) {
		t.Error("not all that was to happen has happened")
	}
	for what, secret := range secrets {
		raw := []byte(secret)
		for form, text := range map[string]string{
			"as it is": secret, "in hex": hex.EncodeToString(raw), "in a URL": url.QueryEscape(secret),
			"in base64": base64.RawStdEncoding.EncodeToString(raw)[:len(raw)*4/3-1],
		} {
			if at := bytes.Index(said.Bytes(), []byte(text)); at >= 0 {
				t.Errorf("the %s shows %s, after %q", what, form, said.Bytes()[max(0, at-200):at])
			}
		}
	}
}

// G8: when WeChat revokes a value, the first report brings a new one, with one
// probe and one issue, however many report it at once.
func TestG8ARevokedValueIsHealedByTheFirstReport(t *testing.T) {
	t.Parallel()
	for source, line := range map[string]wxsim.Line{"stable": wxsim.Stable, "classic": wxsim.Classic} {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			sim := newSim(t)
			s := serve(t, sim, source)
			old := s.token(t)
			if err := sim.Revoke(appID); err != nil {
				t.Fatal(err)
			}
			var all sync.WaitGroup
			for range 50 {
				all.Go(func() {
					body := s.do(t, "POST", "/v1/apps/"+appID+"/credentials/access_token/report", s.key, `{"value":"`+old+`","errcode":40001}`)
					var got struct {
						Value      string `json:"value"`
						Generation int    `json:"generation"`
					}
					if err := json.Unmarshal(body, &got); err != nil || got.Generation != 2 || !sim.Valid(appID, got.Value) {
						t.Errorf("a report was answered with %s (%v)", body, err)
					}
				})
			}
			all.Wait()
			if got := sim.IssuesOf(appID, line); got != 2 {
				t.Errorf("%d issues, want the first and one more", got)
			}
			// The stable line is first asked normally, and repeats its dead token.
			if want := map[string]int{"stable": 3, "classic": 2}[source]; sim.Asked(appID, line) != want {
				t.Errorf("WeChat was asked %d times for a token, want %d", sim.Asked(appID, line), want)
			}
			// A young value is probed twice: WeChat's machines may not all know it.
			if probes := len(sim.History()) - sim.Asked(appID, line); probes > 2 {
				t.Errorf("%d probes", probes)
			}
			for _, v := range sim.Violations() {
				t.Errorf("WeChat would mind: %+v", v)
			}
		})
	}
}

// server is a hufu serve in a folder of its own.
type server struct {
	dir, api, admin string
	key, operator   string // client keys
	log             *bytes.Buffer
	process         *exec.Cmd
}

func serve(t *testing.T, sim *wxsim.Sim, source string) *server {
	t.Helper()
	wechat, err := sim.Listen("127.0.0.1:0", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- wechat.Serve(t.Context()) }()
	t.Cleanup(func() { <-ended })
	return serveAt(t, wechat.APIURL(), source)
}

func serveAt(t *testing.T, wechat, source string) *server {
	t.Helper()
	hufu := binary(t)
	s := &server{dir: t.TempDir(), api: "http://127.0.0.1:" + freePort(t), admin: "http://127.0.0.1:" + freePort(t), log: &bytes.Buffer{}}
	var hash, operatorHash string
	s.key, hash = newKey(t)
	s.operator, operatorHash = newKey(t)
	config := fmt.Sprintf(`
listen: {api: "%s", web: "127.0.0.1:0", admin: "%s"}
wechat: {api_url: "%s"}
audit: {file: audit.jsonl}
apps:
  - {appid: %s, secret: "${SHOP_SECRET}", source: %s}
clients:
  - {name: shop-backend, key_sha256: %s, apps: ["*"], allow: [token, ticket], tokens: real}
  - {name: operator, key_sha256: %s, apps: ["*"], allow: [admin]}
`, strings.TrimPrefix(s.api, "http://"), strings.TrimPrefix(s.admin, "http://"), wechat, appID, source, hash, operatorHash)
	if err := os.WriteFile(filepath.Join(s.dir, "hufu.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	s.process = exec.Command(hufu, "serve", "--config", "hufu.yaml")
	s.process.Dir, s.process.Stdout, s.process.Stderr = s.dir, s.log, s.log
	s.process.Env = append(os.Environ(), "SHOP_SECRET="+appSecret, "HUFU_LOG=debug")
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.process.Process.Kill() })
	eventually(t, func() (string, bool) { return "", get(t, s.admin+"/healthz", "", nil) == http.StatusOK })
	return s
}

// newKey makes a client key as an operator does.
func newKey(t *testing.T) (key, hash string) {
	t.Helper()
	out, err := exec.Command(binary(t), "client", "key", "--json").Output()
	if err != nil {
		t.Fatalf("hufu client key --json: %v", err)
	}
	var made map[string]string
	unmarshal(t, string(out), &made)
	return made["key"], made["key_sha256"]
}

func (s *server) stop(t *testing.T) {
	t.Helper()
	if err := s.process.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := s.process.Wait(); err != nil {
		t.Errorf("hufu serve: %v\n%s", err, s.log)
	}
}

// token is the app's token, as soon as there is one.
func (s *server) token(t *testing.T) string {
	t.Helper()
	return eventually(t, func() (string, bool) {
		var got struct {
			Value string `json:"value"`
		}
		status := get(t, s.api+"/v1/apps/"+appID+"/credentials/access_token", s.key, &got)
		return got.Value, status == http.StatusOK
	})
}

func (s *server) do(t *testing.T, method, path, key, body string) []byte {
	t.Helper()
	return s.ask(t, method, s.api+path, key, body)
}

func (s *server) ask(t *testing.T, method, address, key, body string) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return nil
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return nil
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return answer
}
