package config

import (
	"cmp"
	"crypto/tls"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hufu-project/hufu/internal/credential"
)

// check says everything that is wrong with a configuration that was read.
func (r *report) check(c *Config, src *source) {
	r.listen(c)
	r.certificate(c.TLS, src)
	for i, p := range c.TrustedProxies {
		if p.Bits() == 0 {
			r.warn("trusted_proxies["+strconv.Itoa(i)+"]", "believes the headers of everybody", "name the proxies")
		}
	}
	c.WebURL = r.baseURL("web_url", c.WebURL, true)
	r.store(c)
	r.wechat(&c.WeChat)
	r.gateway(c.Gateway)
	for name, content := range c.VerifyFiles {
		r.verifyFile(name, content)
	}
	r.declared(c)
	if _, set := src.variable(envAppID); set && src.dir != "" && !src.used[envAppID] {
		r.add(mark{file: inEnvironment}, envAppID, "is read only where there is no configuration file", "", true)
	}
}

func (r *report) listen(c *Config) {
	seen := map[string]string{}
	for _, l := range []struct {
		path, addr string
		programs   bool
	}{
		{"listen.api", c.Listen.API, true},
		{"listen.web", c.Listen.Web, false},
		{"listen.admin", c.Listen.Admin, true},
	} {
		host, port, wrong := hostPort(l.addr)
		if wrong != "" {
			r.fail(l.path, wrong, "write it as 127.0.0.1:8700 or :8700")
			continue
		}
		if first, twice := seen[l.addr]; twice && port != 0 {
			r.fail(l.path, "is the same address as "+first, "give each its own port")
		}
		seen[l.addr] = l.path
		if l.programs && !isLoopback(host) && c.TLS == (TLS{}) && !c.Plaintext {
			r.fail(l.path, "listens beyond loopback without TLS",
				"give tls.cert_file and tls.key_file, or say plaintext: true if something in front speaks TLS")
		}
	}
}

// hostPort parts an address to listen on.
func hostPort(addr string) (host string, port int, wrong string) {
	i := strings.LastIndexByte(addr, ':')
	if i < 0 {
		return "", 0, "has no port"
	}
	host = addr[:i]
	port, err := strconv.Atoi(addr[i+1:])
	if err != nil {
		return "", 0, "has no port that is a number"
	}
	if port < 0 || port > 65535 {
		return "", 0, "has a port that is out of range (0 to 65535)"
	}
	inner, bracketed := strings.CutPrefix(host, "[")
	inner, closed := strings.CutSuffix(inner, "]")
	_, err = netip.ParseAddr(inner)
	switch {
	case bracketed != closed, bracketed && err != nil, !bracketed && strings.Contains(host, ":"):
		return "", 0, "has an IPv6 address that is none; it stands in [ ]"
	case err != nil && host != "" && !hostName.MatchString(host):
		return "", 0, "has a host that is neither a name nor an address"
	}
	return inner, port, ""
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$`)

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.Unmap().IsLoopback()
}

func (r *report) certificate(t TLS, src *source) {
	switch {
	case t == TLS{}:
		return
	case t.CertFile == "":
		r.fail("tls.cert_file", "is missing beside key_file", "")
		return
	case t.KeyFile == "":
		r.fail("tls.key_file", "is missing beside cert_file", "")
		return
	}
	cert, _, err := src.read(t.CertFile)
	if err != nil {
		r.fail("tls.cert_file", "cannot read the file: "+err.Error(), "")
	}
	key, _, err2 := src.read(t.KeyFile)
	if err2 != nil {
		r.fail("tls.key_file", "cannot read the file: "+err2.Error(), "")
	}
	if err != nil || err2 != nil {
		return
	}
	if _, err := tls.X509KeyPair(cert, key); err != nil {
		r.fail("tls.cert_file", strings.TrimPrefix(err.Error(), "tls: "), "both files are PEM, the chain with our own certificate first")
	}
}

// baseURL checks an address that paths are put behind, and takes the slash off
// its end.
func (r *report) baseURL(path, text string, httpOK bool) string {
	if text == "" {
		return ""
	}
	base := strings.TrimSuffix(text, "/")
	u, err := url.Parse(base)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		hint := ""
		if !strings.Contains(base, "://") {
			hint = "begin it with https://"
		}
		r.fail(path, "is no https or http address", hint)
	case u.User != nil:
		r.fail(path, "has a user name in it", "")
	case strings.ContainsAny(text, "?#"):
		r.fail(path, "has a query or a fragment", "give scheme, host and path only")
	default:
		if err := checkAuthority(u.Host, true); err != nil && u.Scheme == "https" {
			r.fail(path, err.Error(), "")
		} else if err := checkPath(u.EscapedPath() + "/"); err != nil {
			r.fail(path, err.Error(), "")
		} else if u.Scheme == "http" && !isPrivate(u.Hostname()) {
			if httpOK {
				r.warn(path, "is http: what passes can be read and changed on its way", "")
			} else {
				r.warn(path, "is http: AppSecrets pass in clear", "")
			}
		}
	}
	return base
}

// storeSchemes are the stores, by the scheme of their address.
var storeSchemes = []string{"bolt", "redis", "rediss", "postgres", "mysql"}

func (r *report) store(c *Config) {
	const hint = "write bolt:FILE, or a redis, rediss, postgres or mysql address"
	scheme, rest, ok := strings.Cut(c.Store.Reveal(), ":")
	switch {
	case !ok:
		r.fail("store", "names no kind of store", hint)
	case !slices.Contains(storeSchemes, scheme):
		r.fail("store", "is no kind of store that there is", cmp.Or(didYouMean(scheme, storeSchemes), hint))
	case scheme == "bolt":
		if rest == "" || strings.HasPrefix(rest, "//") {
			r.fail("store", "names no file", "write bolt:hufu.db or bolt:/data/hufu.db")
			return
		}
		// The key was moved and the store forgotten: in a container it is lost
		// with it.
		if !r.given("store") && filepath.Dir(rest) != filepath.Dir(c.MasterKeyFile) {
			r.warn("store", "store and master_key_file are in different folders, and the store is there by default",
				"say where both should be; neither is of use without the other")
		}
	case scheme == "redis", scheme == "rediss":
		r.redis(c.Store.Reveal())
	case scheme == "postgres":
		r.sql(c.Store.Reveal(), "PostgreSQL")
	case scheme == "mysql":
		r.sql(c.Store.Reveal(), "MySQL")
	}
	if c.MasterKeyFile == "" {
		r.fail("master_key_file", "is empty", "")
	}
}

func (r *report) redis(address string) {
	a, wrong := parseRedis(address)
	if wrong.message != "" {
		r.fail("store", wrong.message, wrong.hint)
		return
	}
	away := slices.ContainsFunc(a.Addrs, func(addr string) bool {
		host, _, _ := net.SplitHostPort(addr)
		return !isLoopback(host)
	})
	if away && a.TLS == nil {
		r.warn("store", "reaches Redis beyond loopback without TLS", "rediss:// has it")
	}
}

// realWeChat is the host that lives by WeChat's own times.
const realWeChat = "api.weixin.qq.com"

func (r *report) wechat(w *WeChat) {
	w.APIURL = r.baseURL("wechat.api_url", w.APIURL, false)
	w.OpenURL = r.baseURL("wechat.open_url", w.OpenURL, true)
	if w.APIURL == "" {
		r.fail("wechat.api_url", "is empty", "")
	}
	if w.OpenURL == "" {
		r.fail("wechat.open_url", "is empty", "")
	}
	if w.Life < 24*time.Second || w.Life > 24*time.Hour {
		r.fail("wechat.life", "must be between 24s and 24h", "WeChat promises 2h")
	} else if u, err := url.Parse(w.APIURL); err == nil && u.Hostname() == realWeChat && w.Life != 2*time.Hour {
		r.warn("wechat.life", "is not the 2h that WeChat itself promises", "another life is for a simulator")
	}
	if w.ProxyURL.Empty() {
		return
	}
	u, err := url.Parse(w.ProxyURL.Reveal())
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		r.fail("wechat.proxy_url", "is no http or https address", "escape what is no letter or digit in the password as %XX")
	}
}

func (r *report) gateway(g Gateway) {
	if g.MaxBody < 1<<10 || g.MaxBody > 1<<30 {
		r.fail("gateway.max_body", "must be between 1KiB and 1GiB", "WeChat takes 20MiB at most, for a video")
	}
	if g.Timeout < time.Second || g.Timeout > 5*time.Minute {
		r.fail("gateway.timeout", "must be between 1s and 5m", "")
	}
	if g.Concurrency < 1 || g.Concurrency > 100_000 {
		r.fail("gateway.concurrency", "must be between 1 and 100000", "")
	}
}

var verifyName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}\.txt$`)

func (r *report) verifyFile(name, content string) {
	path := join("verify_files", name)
	m := r.at(path)
	if !verifyName.MatchString(name) {
		r.add(m, "verify_files", "a name must be letters, digits, _ or - and end in .txt", "", false)
		return
	}
	if content == "" || len(content) > 1024 || strings.ContainsFunc(content, func(c rune) bool { return c < ' ' && c != '\n' }) {
		r.add(m, "verify_files", "a content must be one short text", "it is what stands in the file that WeChat gave", false)
	}
}

// declared checks the apps and the clients, each for itself and together.
func (r *report) declared(c *Config) {
	apps := map[credential.App]int{}
	for i := range c.Apps {
		path := "apps[" + strconv.Itoa(i) + "]"
		a := &c.Apps[i]
		r.app(path, a, true)
		r.odd(path, a, c)
		if first, twice := apps[a.AppID]; twice && a.AppID != "" {
			r.fail(join(path, "appid"), "is declared already ("+r.where("apps["+strconv.Itoa(first)+"].appid")+")", "")
			continue
		}
		apps[a.AppID] = i
	}
	names := map[string]int{}
	for i := range c.Clients {
		path := "clients[" + strconv.Itoa(i) + "]"
		k := &c.Clients[i]
		if c.EnvClient {
			break // its key is yet to be made
		}
		r.client(path, k, true)
		if first, twice := names[k.Name]; twice && k.Name != "" {
			r.fail(join(path, "name"), "is declared already ("+r.where("clients["+strconv.Itoa(first)+"].name")+")", "")
		} else {
			names[k.Name] = i
		}
		r.granted(path, k, apps, c)
		if k.Allow.Has(Token) && !k.Allow.Has(Call) && k.Tokens == Phantom {
			r.warn(join(path, "tokens"), "phantom tokens are good for calls through Hufu only, and this client may make none", "add call to allow, or set tokens: real")
		}
	}
	clashes(c.Clients, func(i, j int, clash *Clash) {
		later, earlier := "clients["+strconv.Itoa(i)+"].", "clients["+strconv.Itoa(j)+"]."
		r.fail(later+clash.Key, clash.Message+" ("+r.where(earlier+clash.Key)+")", "")
	})
	r.somebody(c)
}

// secretShape is what WeChat's AppSecrets look like.
var secretShape = regexp.MustCompile(`^[0-9A-Fa-f]{32}$`)

// odd warns of what WeChat will not know, though it might.
func (r *report) odd(path string, a *App, c *Config) {
	id, at := string(a.AppID), join(path, "appid")
	switch {
	case strings.HasPrefix(id, "gh_"):
		r.warn(at, "looks like the original id (原始ID)", "the AppID begins with wx")
	case len(id) > 2 && id[:2] != "wx" && strings.EqualFold(id[:2], "wx"):
		r.warn(at, "begins with wx in capitals", "WeChat writes an AppID in small letters")
	}
	if u, err := url.Parse(c.WeChat.APIURL); err != nil || u.Hostname() != realWeChat {
		return // a simulator has secrets of its own, and another Hufu has client keys
	}
	for i, s := range a.Secrets {
		if text := s.Reveal(); appSecret.MatchString(text) && !secretShape.MatchString(text) {
			r.warn(join(path, "secret")+"["+strconv.Itoa(i)+"]", "is not 32 hexadecimal digits, as an AppSecret is", "copy it anew from WeChat's console")
		}
	}
}

// granted warns of grants that lead nowhere yet.
func (r *report) granted(path string, k *Client, apps map[credential.App]int, c *Config) {
	web := c.WebURL != ""
	for i, id := range k.Apps {
		n, ok := apps[id]
		if ok {
			web = web || c.Apps[n].WebURL != ""
		} else if id != AllApps {
			r.warn(join(path, "apps["+strconv.Itoa(i)+"]"), "no such app is declared", "it may still be added at run time")
		}
	}
	if len(k.RedirectURIs) > 0 && !web {
		r.warn(join(path, "redirect_uris"), "no user can log in without a web_url", "give web_url, for all or for the app")
	}
}

// somebody warns where nobody could use what is configured.
func (r *report) somebody(c *Config) {
	admin := false
	for _, k := range c.Clients {
		admin = admin || k.Allow.Has(Admin)
	}
	switch {
	case len(c.Clients) == 0 && !r.unread("clients"):
		r.warn("clients", "there are none, so nobody can ask for anything", "hufu client key makes a key for one")
	case len(c.Apps) == 0 && !admin && !r.unread("apps"):
		r.warn("apps", "there are none, and no client that may add one", "")
	}
}
