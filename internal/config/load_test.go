package config

import (
	"bufio"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/hufu-project/hufu/internal/credential"
)

const canary = "c4n4ry0123456789abcdef0123456789"

// secretOfWeChat has the shape of a real one.
const secretOfWeChat = "fedcba9876543210fedcba9876543210"

// env makes an Env of NAME=value pairs.
func env(pairs ...string) Env {
	return func(name string) (string, bool) {
		for _, p := range pairs {
			if v, ok := strings.CutPrefix(p, name+"="); ok {
				return v, true
			}
		}
		return "", false
	}
}

// write puts a file into a folder of its own and gives its name.
func write(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "hufu.yaml")
	put(t, name, content)
	return name
}

func put(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func mustLoad(t *testing.T, content string, e Env) *Config {
	t.Helper()
	c, err := Load(write(t, content), e)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// compare compares what configurations mean.
func compare(t *testing.T, got, want any) {
	t.Helper()
	opts := cmp.Options{
		cmp.Comparer(func(a, b credential.Secret) bool { return a.Equal(b) }),
		cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
		cmpopts.IgnoreUnexported(Config{}),
	}
	if d := cmp.Diff(want, got, opts...); d != "" {
		t.Errorf("want(-), got(+):\n%s", d)
	}
}

// TestBadFileIsExplained goes through testdata/bad.jsonl: each file is refused,
// or passes with a warning, in the words given there.
func TestBadFileIsExplained(t *testing.T) {
	t.Parallel()
	f, err := os.Open("testdata/bad.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		var row struct {
			ID, Why, Mode string
			File          json.RawMessage
			Says          []string
			Passes        bool
		}
		if err := json.Unmarshal(s.Bytes(), &row); err != nil {
			t.Fatal(err)
		}
		t.Run(row.ID, func(t *testing.T) {
			t.Parallel()
			name := write(t, content(t, row.File))
			if row.Mode != "" {
				mode, _ := strconv.ParseUint(row.Mode, 8, 32)
				if err := os.Chmod(name, os.FileMode(mode)); err != nil {
					t.Fatal(err)
				}
			}
			c, err := Load(name, env("CANARY="+canary))
			var said string
			switch {
			case row.Passes && err != nil:
				t.Fatalf("%s: %v", row.Why, err)
			case row.Passes:
				said = c.Warnings.Error()
			case err == nil:
				t.Fatalf("%s: passes", row.Why)
			default:
				said = err.Error()
			}
			for _, want := range row.Says {
				if !strings.Contains(said, want) {
					t.Errorf("%s:\ngot  %s\nwant %s", row.Why, said, want)
				}
			}
			if strings.Contains(said, "c4n4ry") || strings.Contains(said, "canary") || strings.Contains(said, "0123456789abcdef") {
				t.Errorf("a secret is quoted: %s", said)
			}
		})
	}
}

// content is a file's text, or how to make a long one.
func content(t *testing.T, raw json.RawMessage) string {
	t.Helper()
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var long struct {
		Repeat string
		Times  int
	}
	if err := json.Unmarshal(raw, &long); err != nil {
		t.Fatal(err)
	}
	return strings.Repeat(long.Repeat, long.Times)
}

func TestAllProblemsAreSaidAtOnceInTheOrderOfTheFile(t *testing.T) {
	t.Parallel()
	name := write(t, "listen:\n  api: nowhere\nplaintext: maybe\nlisen: x\napps:\n  - appid: a b\n    secret: ${NOPE}\n    sauce: x\n")
	_, err := Load(name, env())
	var ps Problems
	if !errors.As(err, &ps) {
		t.Fatalf("got %T", err)
	}
	var lines []int
	for _, p := range ps {
		if !p.Warning {
			lines = append(lines, p.Line)
		}
		if p.File != name {
			t.Errorf("%v is not in the file", p)
		}
	}
	compare(t, lines, []int{2, 3, 4, 6, 7, 8})
}

func TestSampleHoldsEveryKeyAndPasses(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, string(Sample()), env("SHOP_SECRET="+secretOfWeChat))
	if len(c.Warnings) > 0 {
		t.Error(c.Warnings)
	}
	for typ, own := range fields {
		for _, f := range own {
			if !strings.Contains(string(Sample()), f.key+":") {
				t.Errorf("%v: %s is not in the sample", typ, f.key)
			}
		}
	}
	// What stands there uncommented at the top is the default.
	var plain Config
	setDefaults(reflect.ValueOf(&plain).Elem())
	name := filepath.Join(filepath.Dir(c.origin.path), "hufu.db")
	if got := c.Store.Reveal(); got != "bolt:"+name {
		t.Errorf("store %s, want %s", got, name)
	}
	c.Store, c.MasterKeyFile, c.Apps, c.Clients, c.TrustedProxies = plain.Store, plain.MasterKeyFile, nil, nil, nil
	compare(t, *c, plain)
}

// TestEverythingOfTheDesignParses holds each key once, not at its default.
func TestEverythingOfTheDesignParses(t *testing.T) {
	t.Parallel()
	hash := HashKey(credential.NewSecret("hufu_x"))
	c := mustLoad(t, `
listen: {api: "127.0.0.1:1", web: ":2", admin: "[::1]:3"}
plaintext: true
trusted_proxies: [10.0.0.0/8, "::1"]
web_url: https://auth.example.com/wechat/
store: rediss://u:${PW}@h:6379/0
master_key_file: /run/hufu.key
wechat:
  api_url: http://127.0.0.1:9000/
  open_url: http://127.0.0.1:9001
  life: 2m
  proxy_url: http://u:${PW}@proxy:3128
gateway: {max_body: 10MiB, timeout: 20s, concurrency: 64}
audit: {file: /var/log/a.jsonl, required: true}
verify_files:
  MP_verify_AbC.txt: AbC
apps:
  - appid: wx1
    name: 商店
    secret: ["${PW}", old-x]
    source: classic
    type: mini_program
    daily_quota: 200
    web_url:
  - appid: ww-2_x
    secret: 12345678901234567890123456789012
    fallback: classic
    web_url: https://two.example.com
clients:
  - name: shop-backend
    key_sha256: [`+hash.String()+`]
    apps: ["*"]
    allow: [token, ticket, call, login]
    from: [10.0.0.0/8, 192.0.2.1]
    paths: [/cgi-bin/user/*, /cgi-bin/message/template/send]
    limits: {rate: 50, concurrency: 20}
    tokens: real
    redirect_uris: [https://shop.example.com/cb, "http://localhost:8080/cb"]
    code: wechat
    home_url: https://shop.example.com/
    snapshot: refuse
    dev: true
`, env("PW="+canary))
	want := &Config{
		Listen:         Listen{API: "127.0.0.1:1", Web: ":2", Admin: "[::1]:3"},
		Plaintext:      true,
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")},
		WebURL:         "https://auth.example.com/wechat",
		Store:          credential.NewSecret("rediss://u:" + canary + "@h:6379/0"),
		MasterKeyFile:  "/run/hufu.key",
		WeChat: WeChat{
			APIURL: "http://127.0.0.1:9000", OpenURL: "http://127.0.0.1:9001", Life: 2 * time.Minute,
			ProxyURL: credential.NewSecret("http://u:" + canary + "@proxy:3128"),
		},
		Gateway:     Gateway{MaxBody: 10 << 20, Timeout: 20 * time.Second, Concurrency: 64},
		Audit:       Audit{File: "/var/log/a.jsonl", Required: true},
		VerifyFiles: map[string]string{"MP_verify_AbC.txt": "AbC"},
		Apps: []App{{
			AppID: "wx1", Name: "商店", Secrets: []credential.Secret{credential.NewSecret(canary), credential.NewSecret("old-x")},
			Source: Classic, Type: MiniProgram, DailyQuota: 200,
		}, {
			AppID: "ww-2_x", Name: "ww-2_x", Secrets: []credential.Secret{credential.NewSecret("12345678901234567890123456789012")},
			Source: Stable, Fallback: Classic, Type: OfficialAccount, DailyQuota: 2000, WebURL: "https://two.example.com",
		}},
		Clients: []Client{{
			Name: "shop-backend", KeySHA256: []KeyHash{hash}, Apps: []credential.App{AllApps},
			Allow: Actions{Token, Ticket, Call, Login},
			From:  []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.1/32")},
			Paths: []string{"/cgi-bin/user/*", "/cgi-bin/message/template/send"}, Limits: Limits{Rate: 50, Concurrency: 20}, Tokens: Real,
			RedirectURIs: []string{"https://shop.example.com/cb", "http://localhost:8080/cb"},
			Code:         WeChatCode, HomeURL: "https://shop.example.com/", Snapshot: SnapshotRefuse, Dev: true,
		}},
	}
	compare(t, c, want)
}

func TestSecretFilesStartAtTheFilesFolder(t *testing.T) {
	t.Parallel()
	name := write(t, "apps:\n  - appid: wx1\n    secret_file: [new, old]\n  - appid: wx2\n    secret_file: ${WHICH}\n")
	dir := filepath.Dir(name)
	put(t, filepath.Join(dir, "new"), "n3w\n")
	put(t, filepath.Join(dir, "old"), "0ld\r\n")
	c, err := Load(name, env("WHICH=new"))
	if err != nil {
		t.Fatal(err)
	}
	compare(t, c.Apps[0].Secrets, []credential.Secret{credential.NewSecret("n3w"), credential.NewSecret("0ld")})
	compare(t, c.Apps[1].Secrets, []credential.Secret{credential.NewSecret("n3w")})
}

func TestDollarIsEscapedByDollar(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, "verify_files: {a.txt: 'a$${B}c$d ${E}'}", env("E=${F}"))
	if got := c.VerifyFiles["a.txt"]; got != "a${B}c$d ${F}" {
		t.Errorf("got %q", got)
	}
}

func TestOnlyFilesWithLiteralSecretsMustBePrivate(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		content string
		mode    os.FileMode
		refused bool
	}{
		{`apps: [{appid: wx1, secret: "${S}"}]`, 0o644, false},
		{`apps: [{appid: wx1, secret: abc1}]`, 0o600, false},
		{`apps: [{appid: wx1, secret: abc1}]`, 0o604, true},
		{`apps: [{appid: wx1, secret: abc1}]`, 0o640, true},
		{`store: redis://127.0.0.1:6379`, 0o644, false},
		{`store: redis://u:p@127.0.0.1:6379`, 0o644, true},
		{`store: postgres://u@h/db?password=p`, 0o644, true},
		{`wechat: {proxy_url: "http://u:p@h"}`, 0o644, true},
		{`store: bolt:a.db`, 0o644, false},
	} {
		name := write(t, row.content)
		if err := os.Chmod(name, row.mode); err != nil {
			t.Fatal(err)
		}
		_, err := Load(name, env("S="+canary))
		if refused := err != nil && strings.Contains(err.Error(), "permissions"); refused != row.refused || (err != nil) != refused {
			t.Errorf("%s, mode %o: %v", row.content, row.mode, err)
		}
	}
}

func TestWhatIsSafeIsNotWarnedOf(t *testing.T) {
	t.Parallel()
	for _, content := range []string{
		"store: redis://127.0.0.1:6379",
		"store: rediss://redis.example.com",
		"listen: {api: ':8700', admin: '0.0.0.0:8702'}\nplaintext: true",
		"listen: {web: ':8701'}",
		"store: bolt:/data/a.db\nmaster_key_file: /keys/a.key",
		"wechat: {api_url: 'http://127.0.0.1:1', life: 2m}",
	} {
		c := mustLoad(t, content, env())
		if len(c.Warnings) != 1 || c.Warnings[0].Path != "clients" {
			t.Errorf("%s: %v", content, c.Warnings)
		}
	}
}

func TestOnlyWeChatsSecretsMustLookLikeIts(t *testing.T) {
	t.Parallel()
	const app = "apps: [{appid: wx1, secret: '${S}'}]\n"
	for _, row := range []struct {
		content, secret string
		warned          bool
	}{
		{app, secretOfWeChat, false},
		{app, strings.ToUpper(secretOfWeChat), false},
		{app, canary, true},
		{app, secretOfWeChat[1:], true},
		{"wechat: {api_url: 'http://127.0.0.1:8780'}\n" + app, canary, false},
	} {
		c := mustLoad(t, row.content, env("S="+row.secret))
		if said := c.Warnings.Error(); strings.Contains(said, "hexadecimal") != row.warned || strings.Contains(said, row.secret) {
			t.Errorf("%q: %s", row.content, said)
		}
	}
}

func TestMissingFileIsNamed(t *testing.T) {
	t.Parallel()
	_, err := Load("no/such.yaml", env())
	if err == nil || !strings.HasPrefix(err.Error(), "no/such.yaml: no such file") {
		t.Error(err)
	}
}
