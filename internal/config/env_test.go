package config

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/hufu-project/hufu/internal/credential"
)

func TestEveryPlainKeyHasItsVariable(t *testing.T) {
	t.Parallel()
	var names []string
	variables(reflect.TypeFor[Config](), "", envPrefix, func(_ field, _, name string) { names = append(names, name) })
	compare(t, names, []string{
		"HUFU_LISTEN_API", "HUFU_LISTEN_WEB", "HUFU_LISTEN_ADMIN", "HUFU_TLS_CERT_FILE", "HUFU_TLS_KEY_FILE",
		"HUFU_PLAINTEXT", "HUFU_TRUSTED_PROXIES", "HUFU_WEB_URL", "HUFU_STORE", "HUFU_MASTER_KEY_FILE",
		"HUFU_WECHAT_API_URL", "HUFU_WECHAT_OPEN_URL", "HUFU_WECHAT_LIFE", "HUFU_WECHAT_PROXY_URL",
		"HUFU_GATEWAY_MAX_BODY", "HUFU_GATEWAY_TIMEOUT", "HUFU_GATEWAY_CONCURRENCY",
		"HUFU_AUDIT_FILE", "HUFU_AUDIT_REQUIRED",
	})
}

func TestEnvironmentWinsOverFile(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, "listen: {api: '127.0.0.1:1'}\nwechat: {life: 1h}\nstore: bolt:a.db\nweb_url: https://a.example\n", env(
		"HUFU_LISTEN_API=127.0.0.1:2", "HUFU_WECHAT_LIFE=90m", "HUFU_PLAINTEXT=true", "HUFU_STORE=bolt:b.db",
		"HUFU_TRUSTED_PROXIES=10.0.0.0/8, 192.0.2.1", "HUFU_WEB_URL=",
	))
	got := []any{c.Listen.API, c.WeChat.Life.String(), c.Plaintext, c.Store.Reveal(), len(c.TrustedProxies), c.WebURL}
	compare(t, got, []any{"127.0.0.1:2", "1h30m0s", true, "bolt:b.db", 2, "https://a.example"})
}

func TestVariableThatDoesNotPassIsNamed(t *testing.T) {
	t.Parallel()
	_, err := Load(write(t, "plaintext: false\n"), env("HUFU_WECHAT_LIFE=soon", "HUFU_LISTEN_WEB=here", "HUFU_AUDIT_REQUIRED=1"))
	for _, want := range []string{
		"environment: HUFU_WECHAT_LIFE: is no duration",
		"environment: HUFU_LISTEN_WEB: has no port",
		"environment: HUFU_AUDIT_REQUIRED: must be true or false",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestTwoVariablesAreEnough(t *testing.T) {
	t.Parallel()
	c, err := FromEnv(env("HUFU_APPID=wx1", "HUFU_SECRET="+secretOfWeChat, "HUFU_LISTEN_API=127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Warnings) > 0 {
		t.Error(c.Warnings)
	}
	compare(t, c.Apps, []App{{
		AppID: "wx1", Name: "wx1", Secrets: []credential.Secret{credential.NewSecret(secretOfWeChat)},
		Source: Stable, Type: OfficialAccount, DailyQuota: 2000,
	}})
	compare(t, c.Clients, []Client{{
		Name: EnvClientName, Apps: []credential.App{AllApps}, Allow: allActions,
		Tokens: Real, Code: HufuCode, Snapshot: SnapshotAllow,
	}})
	if !c.EnvClient || c.Listen.API != "127.0.0.1:0" || c.Store.Reveal() != "bolt:hufu.db" {
		t.Errorf("got %+v", c)
	}
}

func TestSecretOfTheEnvironmentMayStandInAFile(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "secret")
	put(t, name, canary+"\n")
	c, err := FromEnv(env("HUFU_APPID=wx1", "HUFU_SECRET_FILE="+name))
	if err != nil || c.Apps[0].Secrets[0].Reveal() != canary {
		t.Errorf("%v", err)
	}
	_, err = FromEnv(env("HUFU_APPID=wx1", "HUFU_SECRET="+canary, "HUFU_SECRET_FILE="+name))
	if err == nil || !strings.Contains(err.Error(), "HUFU_SECRET_FILE: is set, and so is HUFU_SECRET") {
		t.Error(err)
	}
	c, err = Load(write(t, "plaintext: false"), env("HUFU_STORE_FILE="+name, "HUFU_WECHAT_PROXY_URL_FILE=no/such"))
	if err == nil || !strings.Contains(err.Error(), "HUFU_STORE_FILE: names no kind of store") ||
		!strings.Contains(err.Error(), "HUFU_WECHAT_PROXY_URL_FILE: cannot read the file") {
		t.Errorf("%v %v", c, err)
	}
}

func TestEnvironmentThatLacksSomethingIsExplained(t *testing.T) {
	t.Parallel()
	for want, e := range map[string]Env{
		"environment: HUFU_SECRET: is missing":             env("HUFU_APPID=wx1"),
		"environment: HUFU_APPID: is missing":              env("HUFU_SECRET=" + canary),
		"environment: HUFU_APPID: must be 1 to 64":         env("HUFU_SECRET="+canary, "HUFU_APPID=a/b"),
		"HUFU_SECRET: looks like a template":               env("HUFU_SECRET=<secret>", "HUFU_APPID=wx1"),
		"HUFU_LISTEN_API: listens beyond loopback without": env("HUFU_SECRET="+canary, "HUFU_APPID=wx1", "HUFU_LISTEN_API=:8700"),
	} {
		if _, err := FromEnv(e); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestAppOfTheEnvironmentIsNotLostSilently(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, "plaintext: false\n", env("HUFU_APPID=wx1"))
	if !strings.Contains(c.Warnings.Error(), "HUFU_APPID: warning: is read only where") {
		t.Error(c.Warnings)
	}
	c = mustLoad(t, "apps: [{appid: '${HUFU_APPID}', secret: '${HUFU_SECRET}'}]\n", env("HUFU_APPID=wx1", "HUFU_SECRET="+canary))
	if strings.Contains(c.Warnings.Error(), "HUFU_APPID") {
		t.Error(c.Warnings)
	}
}

func TestUnknownVariableIsAnError(t *testing.T) {
	t.Parallel()
	got := UnknownEnv([]string{
		"PATH=/bin", "HUFU_URL=x", "HUFU_KEY=x", "HUFU_CONFIG=x", "HUFU_APPID=x", "HUFU_SECRET_FILE=x", "HUFU_STORE_FILE=x",
		"HUFU_SERVICE_HOST=10.0.0.1", "HUFU_SERVICE_PORT_API=1", "HUFU_PORT=tcp://10.0.0.1:8700", "HUFU_PORT_8700_TCP_ADDR=10.0.0.1",
		"HUFU_API_SERVICE_PORT=1", "HUFU_API_PORT_8700_TCP=tcp://x",
		"HUFU_LISEN_API=" + canary, "HUFU_LISTEN_PORT=1", "HUFU_APP_ID=x", "HUFU_QQQQQQQ=1",
	}).Error()
	want := `environment: HUFU_LISEN_API: there is no such variable (did you mean HUFU_LISTEN_API?)
environment: HUFU_LISTEN_PORT: there is no such variable (did you mean HUFU_LISTEN_API?)
environment: HUFU_APP_ID: there is no such variable (did you mean HUFU_APPID?)
environment: HUFU_QQQQQQQ: there is no such variable (every key of the file has a variable, as HUFU_LISTEN_API for listen.api)`
	compare(t, strings.Split(got, "\n"), strings.Split(want, "\n"))
}
