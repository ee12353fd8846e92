package config

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/hufu-project/hufu/internal/credential"
)

const hashed = `"5e8848d1542a0e4f8f5bdf3d6b0a7a64e01c29c3b7e9a1d2c3f4a5b6c7d8e9f0"`

func TestJSONOfAnAppIsAsStrictAsTheFile(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		``:                                    "no valid JSON at byte 0",
		`null`:                                "must be a JSON object",
		`[]`:                                  "must be a JSON object",
		`"x"`:                                 "must be a JSON object",
		`{`:                                   "no valid JSON at byte 1",
		`{"secret"}`:                          "no valid JSON",
		`{"secret":}`:                         "no valid JSON",
		`{}`:                                  "secret: is missing",
		`{"secret":null}`:                     "secret: is missing",
		`{"secret":[null]}`:                   "secret[0]: is empty",
		`{"secret":""}`:                       "secret[0]: is empty",
		`{"secret":12345678}`:                 "secret: must be a JSON string",
		`{"secret":"abc1","daily_quota":"5"}`: "daily_quota: must be a JSON number",
		`{"secret":"abc1","daily_quota":2.5}`: "daily_quota: must be a whole number",
		`{"secret":"abc1","daily_quota":1e3}`: "daily_quota: must be a whole number",
		`{"secret":"abc1","daily_quota":99999999999999999}`:  "daily_quota: must be at least 1",
		`{"secret":"abc1","sauce":"classic"}`:                `unknown key "sauce" (did you mean "source"?)`,
		`{"secret":"abc1","Source":"classic"}`:               `unknown key "Source" (did you mean "source"?)`,
		`{"secret":"abc1","source":"classi"}`:                `source: must be stable or classic (did you mean "classic"?)`,
		`{"secret":"abc1","secret":"abc2"}`:                  `the key "secret" stands here twice`,
		`{"secret":"abc1","SECRET":"abc2"}`:                  `the key "SECRET" stands here twice`,
		`{"secret":"abc1"} {}`:                               "there is more after the JSON object",
		`{"secret":"abc1"}]`:                                 "there is more after the JSON object",
		`{"secret":"${HOME}"}`:                               "secret[0]: looks like a template",
		`{"secret_file":"/etc/passwd"}`:                      "files are read for the configuration file only",
		`{"appid":"a/b","secret":"abc1"}`:                    "appid: must be 1 to 64",
		`{"secret":{"a":1}}`:                                 "secret: must be a list, not a mapping",
		`{"secret":[[[[[[[["x"]]]]]]]]}`:                     "nested too deeply",
		"{\"secret\":\"\xff\"}":                              "not UTF-8",
		`{"secret":"abc1","x":` + strings.Repeat("[", 1e5):   "nested too deeply",
		`{"secret":"` + strings.Repeat("a", 1<<20) + `"}`:    "larger than 1 MiB",
		`{"secret":"abc1","web_url":"https://a.example/?x"}`: "web_url: has a query or a fragment",
	} {
		if _, err := DecodeApp([]byte(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: got %v, want %s", in, err, want)
		}
	}
}

func TestJSONOfAClientIsAsStrictAsTheFile(t *testing.T) {
	t.Parallel()
	base := `"key_sha256":` + hashed + `,"apps":["wx1"],"allow":["token"]`
	if _, err := DecodeClient([]byte("{" + base + "}")); err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string]string{
		`{}`:                                   "key_sha256: is missing",
		`{` + base + `,"from":null}`:           "from: is an empty list",
		`{` + base + `,"paths":[]}`:            "paths: is an empty list",
		`{` + base + `,"dev":"true"}`:          "dev: must be a JSON boolean",
		`{` + base + `,"from":["10.0.0.1/9"]}`: "from[0]: has bits set",
		`{` + base + `,"name":"a b"}`:          "name: must be",

		`{` + base + `,"redirect_uris":["https://a.example"]}`: "redirect_uris[0]: has no path",
	} {
		if _, err := DecodeClient([]byte(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80q: got %v, want %s", in, err, want)
		}
	}
}

func TestCheckWantsTheNameThatDecodeLetsPass(t *testing.T) {
	t.Parallel()
	a, err := DecodeApp([]byte(`{"secret":"abc1"}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Check(); err == nil || !strings.Contains(err.Error(), "appid: is missing") {
		t.Error(err)
	}
	a.AppID = "wx1"
	if err := a.Check(); err != nil {
		t.Error(err)
	}
	a.Source = "other"
	if err := a.Check(); err == nil {
		t.Error("a source that is none passes")
	}
}

func TestAppComesBackFromTheStoreAsItWas(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[A-Za-z0-9_-]{1,40}`)
		a := App{
			AppID: credential.App(word.Draw(t, "appid")), Name: rapid.StringMatching(`[^\pC]{1,20}`).Draw(t, "name"),
			Source:     rapid.SampledFrom([]string{Stable, Classic}).Draw(t, "source"),
			Type:       rapid.SampledFrom([]string{OfficialAccount, MiniProgram, Website}).Draw(t, "type"),
			DailyQuota: rapid.IntRange(1, 1e6).Draw(t, "quota"),
			WebURL:     rapid.SampledFrom([]string{"", "https://a.example/x"}).Draw(t, "web_url"),
		}
		if a.Source == Stable && rapid.Bool().Draw(t, "fallback") {
			a.Fallback = Classic
		}
		for _, s := range rapid.SliceOfNDistinct(rapid.StringMatching(`a[b-z0-9]{5,30}`), 1, 3, rapid.ID).Draw(t, "secret") {
			a.Secrets = append(a.Secrets, credential.NewSecret(s))
		}
		back, err := DecodeApp(EncodeApp(a))
		if err != nil {
			t.Fatal(err)
		}
		if string(EncodeApp(back)) != string(EncodeApp(a)) || fmt.Sprint(back) != fmt.Sprint(a) {
			t.Fatalf("%+v became %+v", a, back)
		}
	})
}

func TestClientComesBackFromTheStoreAsItWas(t *testing.T) {
	t.Parallel()
	c := Client{
		Name: "a.b", KeySHA256: []KeyHash{HashKey(credential.NewSecret("x")), HashKey(credential.NewSecret("y"))},
		Apps: []credential.App{"wx1", "wx2"}, Allow: Actions{Admin, Login},
		From:  []netip.Prefix{netip.MustParsePrefix("2001:db8::/32")},
		Paths: []string{"/*"}, Tokens: Real, RedirectURIs: []string{"https://a.example/%E2%80%A8?a=1&b=2"},
		Code: WeChatCode, HomeURL: "https://a.example/", Snapshot: SnapshotRefuse, Dev: true,
	}
	back, err := DecodeClient(EncodeClient(c))
	if err != nil {
		t.Fatal(err)
	}
	compare(t, back, c)
}

func TestAnswersHoldNoSecret(t *testing.T) {
	t.Parallel()
	a, err := DecodeApp([]byte(`{"appid":"wx1","name":"x","secret":["` + canary + `"]}`))
	if err != nil {
		t.Fatal(err)
	}
	public, err := json.Marshal(struct {
		App App `json:"app"`
	}{a})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"app":{"appid":"wx1","name":"x","source":"stable","type":"official_account","daily_quota":2000}}`
	if string(public) != want {
		t.Errorf("got %s", public)
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "app", a)
	fmt.Fprintf(&log, "%v %+v %#v", a, a, a)
	if strings.Contains(log.String(), canary) {
		t.Errorf("a secret is printed: %s", log.String())
	}
	if !strings.Contains(string(EncodeApp(a)), canary) {
		t.Error("the store would lose the secret")
	}
}

func TestRedactedShowsAllButSecrets(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, string(Sample())+"\n", env("SHOP_SECRET="+canary, "HUFU_STORE=postgres://u:"+canary+"@h/db?sslmode=require",
		"HUFU_WECHAT_PROXY_URL=http://u:"+canary+"@p:1"))
	got := string(Redacted(c))
	for _, want := range []string{
		"  api: 127.0.0.1:8700\n", "store: postgres://u:xxxxx@h/db\n", "proxy_url: http://u:xxxxx@p:1\n", "life: 2h0m0s\n",
		"secret: ['[redacted]']\n", "allow: [token, call]\n", "max_body: 20MiB\n", "required: false\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in:\n%s", want, got)
		}
	}
	if strings.Contains(got+fmt.Sprintf("%v %+v %#v", c, *c, *c), canary) {
		t.Errorf("a secret is shown:\n%s", got)
	}
	if c.StoreName() != "postgres://u:xxxxx@h/db" {
		t.Error(c.StoreName())
	}
}

func TestClientsThatShareNoAppDoNotClash(t *testing.T) {
	t.Parallel()
	client := func(key string, app credential.App, uri string) Client {
		return Client{KeySHA256: []KeyHash{HashKey(credential.NewSecret(key))}, Apps: []credential.App{app}, RedirectURIs: []string{uri}}
	}
	a := client("1", "wx1", "https://a.example/x/*")
	for _, row := range []struct {
		other Client
		key   string
	}{
		{client("2", "wx2", "https://a.example/x/*"), ""},
		{client("2", "wx1", "https://a.example/xy"), ""},
		{client("2", "wx1", "https://a.example/x/"), "redirect_uris"},
		{client("2", AllApps, "https://a.example/x/cb"), "redirect_uris"},
		{client("1", "wx2", "https://b.example/"), "key_sha256"},
	} {
		for _, err := range []error{a.Clashes(row.other), row.other.Clashes(a)} {
			got := ""
			if clash, ok := err.(*Clash); ok {
				got = clash.Key
			}
			if got != row.key {
				t.Errorf("%v: got %q, want %q", row.other, got, row.key)
			}
		}
	}
}

func BenchmarkDecodeApp(b *testing.B) {
	data := []byte(`{"appid":"wx0123456789abcdef","name":"shop","secret":["0123456789abcdef0123456789abcdef"],"source":"stable","type":"official_account","daily_quota":2000}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeApp(data); err != nil {
			b.Fatal(err)
		}
	}
}

// What a later Hufu adds is passed over in what was stored, and in nothing else.
func TestRecallPassesOverWhatIsNotKnown(t *testing.T) {
	t.Parallel()
	const more = `{"v":1,"secret":"0123456789abcdef0123456789abcdef","name":"shop","tomorrow":{"deep":[1.5,{"er":null}]}}`
	a, err := RecallApp([]byte(more))
	if err != nil || a.Name != "shop" || len(a.Secrets) != 1 {
		t.Errorf("%q, %v", a.Name, err)
	}
	if _, err := DecodeApp([]byte(more)); err == nil {
		t.Error("who puts an app is not told of a key that is not known")
	}
	c, err := RecallClient([]byte(`{"key_sha256":["` + strings.Repeat("5e", 32) + `"],"apps":["wx1"],"allow":["token"],"tomorrow":true}`))
	if err != nil || len(c.Apps) != 1 {
		t.Errorf("%v, %v", c.Apps, err)
	}
	for _, bad := range []string{`{"secret":1}`, `{"secret":"a","secret":"b"}`, `{"tomorrow":1,"tomorrow":2}`, `{"secret":"0123456789abcdef0123456789abcdef"`, `[]`} {
		if _, err := RecallApp([]byte(bad)); err == nil {
			t.Errorf("%s is read", bad)
		}
	}
}
