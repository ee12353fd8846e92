package config

import (
	"cmp"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/hufu-project/hufu/internal/credential"
)

var (
	appID      = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	clientName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)
	appSecret  = regexp.MustCompile(`^[A-Za-z0-9_-]{1,256}$`)
	apiPath    = regexp.MustCompile(`^(/[A-Za-z0-9_-]+)*(/\*|/[A-Za-z0-9_-]+)$`)
)

// app checks one app and fills in its name. named says that it must have an
// appid by now.
func (r *report) app(path string, a *App, named bool) {
	if a.AppID != "" || named {
		r.appID(join(path, "appid"), a.AppID)
	}
	if a.Name == "" {
		a.Name = string(a.AppID)
	}
	if len(a.Name) > 128 || strings.ContainsFunc(a.Name, unseen) {
		r.fail(join(path, "name"), "must be one line of at most 128 bytes, without control or format characters", "")
	}
	r.secrets(join(path, "secret"), a.Secrets)
	r.words(path, reflect.ValueOf(*a))
	if a.Fallback == a.Source {
		r.fail(join(path, "fallback"), "is the source itself", "leave it out, or say source: stable")
	}
	if a.DailyQuota < 1 || a.DailyQuota > 100_000_000 {
		r.fail(join(path, "daily_quota"), "must be at least 1", "WeChat's is 2000")
	} else if a.DailyQuota < 100 {
		r.warn(join(path, "daily_quota"), "hardly covers the renewals of one day", "WeChat's is 2000, 200 for a test account")
	}
	a.WebURL = r.baseURL(join(path, "web_url"), a.WebURL, true)
}

// unseen reports whether c shows as nothing and may change how the text around
// it shows: a control character, a separator of lines, or one that sets the
// direction of writing.
func unseen(c rune) bool {
	return unicode.IsControl(c) || unicode.In(c, unicode.Cf, unicode.Zl, unicode.Zp)
}

func (r *report) appID(path string, id credential.App) {
	if id == "" {
		r.fail(path, "is missing", "")
	} else if !appID.MatchString(string(id)) {
		r.fail(path, "must be 1 to 64 letters, digits, _ or -", "")
	}
}

func (r *report) secrets(path string, secrets []credential.Secret) {
	if len(secrets) == 0 {
		r.fail(path, "is missing", "give secret: ${NAME} or secret_file")
	}
	if len(secrets) > 4 {
		r.fail(path, "are too many", "the old and the new one are enough")
		return
	}
	for i, s := range secrets {
		at := path + "[" + strconv.Itoa(i) + "]"
		switch text := s.Reveal(); {
		case text == "":
			r.fail(at, "is empty", "is the variable set?")
		case strings.ContainsAny(text, "{}<>$"):
			r.fail(at, "looks like a template that nobody filled in", "")
		case !appSecret.MatchString(text):
			r.fail(at, "must be letters, digits, _ or -", "an AppSecret has 32 of them")
		case strings.Trim(text, text[:1]) == "":
			r.fail(at, "is one character again and again", "")
		case slices.ContainsFunc(secrets[:i], s.Equal):
			r.fail(at, "stands here twice", "")
		}
	}
}

// words checks the keys of v that allow certain words only. What was read has
// passed already; what was made in code has not.
func (r *report) words(path string, v reflect.Value) {
	for _, f := range fields[v.Type()] {
		if f.oneof == nil {
			continue
		}
		text := v.Field(f.index).String()
		if wrong := oneOf(text, f.oneof); wrong.message != "" || text == "" && f.def != "" {
			r.fail(join(path, f.key), cmp.Or(wrong.message, "is empty"), wrong.hint)
		}
	}
}

// maxRedirectURIs bounds the work of comparing each with each.
const maxRedirectURIs = 200

// client checks one client. named says that it must have a name by now.
func (r *report) client(path string, c *Client, named bool) {
	if c.Name == "" && named {
		r.fail(join(path, "name"), "is missing", "")
	} else if c.Name != "" && !clientName.MatchString(c.Name) {
		r.fail(join(path, "name"), "must be 1 to 64 letters, digits, _, - or ., the first a letter or a digit", "")
	}
	if len(c.KeySHA256) == 0 {
		r.fail(join(path, "key_sha256"), "is missing", "hufu client key makes a key and prints its SHA-256")
	}
	repeated(r, join(path, "key_sha256"), c.KeySHA256)
	r.grants(path, c)
	for key, n := range map[string]int{"from": len(c.From), "paths": len(c.Paths), "js_hosts": len(c.JSHosts)} {
		// Whoever empties a list means nothing by it, and would get everything.
		at := join(path, key)
		if n == 0 && r.given(at) {
			r.fail(at, "is an empty list, which would allow everything", "leave the key out if that is meant")
		}
	}
	for i, p := range c.Paths {
		if !apiPath.MatchString(p) {
			r.fail(join(path, "paths["+strconv.Itoa(i)+"]"),
				"must be a path of letters, digits, _, - and /, with /* as its end at most", "write it as /cgi-bin/user/*")
		}
	}
	repeated(r, join(path, "paths"), c.Paths)
	for key, n := range map[string]int{"limits.rate": c.Limits.Rate, "limits.concurrency": c.Limits.Concurrency} {
		if n < 0 || n > 1_000_000 {
			r.fail(join(path, key), "must be between 0 and 1000000", "0 is no limit")
		}
	}
	repeated(r, join(path, "from"), c.From)
	r.words(path, reflect.ValueOf(*c))
	r.redirects(path, c)
	r.jsHosts(path, c)
}

func (r *report) grants(path string, c *Client) {
	if len(c.Apps) == 0 {
		r.fail(join(path, "apps"), "is missing", `name appids, or write ["*"] for all`)
	}
	for i, id := range c.Apps {
		at := join(path, "apps["+strconv.Itoa(i)+"]")
		if id == AllApps && len(c.Apps) > 1 {
			r.fail(at, "means all apps already", `write ["*"] alone`)
		} else if id != AllApps {
			r.appID(at, id)
		}
	}
	repeated(r, join(path, "apps"), c.Apps)
	if len(c.Allow) == 0 {
		r.fail(join(path, "allow"), "is missing", "name what it may do: token, ticket, call, login, admin")
	}
	for i, a := range c.Allow {
		if !slices.Contains(allActions, a) {
			r.fail(join(path, "allow["+strconv.Itoa(i)+"]"), "is nothing that can be allowed", "")
		}
	}
	repeated(r, join(path, "allow"), c.Allow)
}

func (r *report) redirects(path string, c *Client) {
	if len(c.RedirectURIs) > maxRedirectURIs {
		r.fail(join(path, "redirect_uris"), "are more than 200", "register a prefix, or part the client")
		return
	}
	for i, uri := range c.RedirectURIs {
		at := join(path, "redirect_uris["+strconv.Itoa(i)+"]")
		root, err := checkRegistered(uri, c.Dev)
		switch {
		case err != nil:
			r.fail(at, err.Error(), "")
		case strings.HasSuffix(uri, "*") && c.Code == WeChatCode:
			r.fail(at, "is a prefix, and code: wechat needs exact addresses", "")
		case root:
			r.warn(at, "covers a whole host: any page there may receive a login", "name the path of the callback")
		}
		for j := range i {
			if overlap(c.RedirectURIs[j], uri) {
				r.fail(at, "is covered already by "+r.where(join(path, "redirect_uris["+strconv.Itoa(j)+"]")), "")
				break
			}
		}
	}
	if len(c.RedirectURIs) > 0 && !c.Allow.Has(Login) && !r.unread(join(path, "allow")) {
		r.warn(join(path, "redirect_uris"), "are of no use without allow: login", "")
	}
	if c.HomeURL != "" {
		if err := CheckRedirectURI(c.HomeURL, c.Dev); err != nil {
			r.fail(join(path, "home_url"), err.Error(), "")
		}
	}
}

// repeated complains about what stands in a list twice.
func repeated[T credential.App | string | Action | KeyHash | netip.Prefix](r *report, path string, list []T) {
	seen := map[T]bool{}
	for i, x := range list {
		if seen[x] {
			r.fail(path+"["+strconv.Itoa(i)+"]", "stands here twice", "")
		}
		seen[x] = true
	}
}
