package wxsim

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// Browser is a user with a phone, for tests in one process: it opens addresses as WeChat's browser
// does, and presses what the user presses. It needs no sockets. It is safe for concurrent use, as
// two tabs are, once Jar is set.
type Browser struct {
	Sim  *Sim
	User string // the User.ID of who holds it
	Deny bool   // say no when asked
	// Entry is how the user comes to the pages.
	Entry Entry
	// Twice fetches every callback twice, not only when DoubleFetch has it so.
	Twice bool

	// UserAgent is what it calls itself; "" is WeChat on Android.
	UserAgent string
	// Jar keeps the cookies of the sites; nil: Visit makes one.
	Jar http.CookieJar
	// Transport is the way to the sites; nil means http.DefaultTransport. The platform is reached
	// without it.
	Transport http.RoundTripper
	// Host is where the platform is besides open.weixin.qq.com and Options.Hosts, such as
	// "127.0.0.1:8780".
	Host string
}

const wechatAgent = "Mozilla/5.0 (Linux; Android 14; Simulated) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/126.0.0.0 Mobile Safari/537.36 MicroMessenger/8.0.50 WeChat/arm64 Language/zh_CN"

// PageError is a page of WeChat's at which the way ended.
type PageError struct {
	// Page is "error", "denied" or, where the platform does not know the user, "users".
	Page string
	// Code is WeChat's number on an error page. It is negative where WeChat gives none.
	Code int
	Text string
}

func (e *PageError) Error() string {
	return fmt.Sprintf("wxsim: the page %q was shown, code %d: %s", e.Page, e.Code, e.Text)
}

// errLost is a way that never ends.
var errLost = errors.New("wxsim: browser: too many redirects")

const maxHops = 20

// Authorize opens an address of the platform and follows it until it leaves: it returns the
// callback, or the same callback twice if the browser fetches it twice. Nothing of the site is
// fetched. The error is a *PageError if the user ended on a page of WeChat's. It blocks as long as
// the platform's faults and quirks do, at most until ctx ends.
func (b *Browser) Authorize(ctx context.Context, address string) ([]string, error) {
	var form url.Values
	for first, hops := true, 0; hops < maxHops; first, hops = false, hops+1 {
		u, err := url.Parse(address)
		if err != nil {
			return nil, fmt.Errorf("wxsim: browser: %w", err)
		}
		if !b.here(u) {
			if first {
				return nil, fmt.Errorf("wxsim: browser: %s is not a host of the platform", u.Host)
			}
			if b.Twice {
				return []string{address, address}, nil
			}
			return []string{address}, nil
		}
		if first {
			b.Sim.judge.opened(b.Sim, u)
		}
		resp, body, err := b.open(ctx, u, form)
		if err != nil {
			return nil, err
		}
		form = nil
		if to := resp.Header.Get("Location"); to != "" {
			if address, err = follow(u, to); err != nil {
				return nil, err
			}
			continue
		}
		switch id := found(pageID, body); id {
		case "consent":
			form = url.Values{"answer": {"allow"}}
			if b.Deny {
				form.Set("answer", "deny")
			}
			if strings.Contains(body, `type="hidden" name="user"`) {
				form.Set("user", b.User)
			}
		case "scan":
			form = url.Values{"user": {b.User}}
			if _, ok := b.Sim.user(b.User); !ok {
				return nil, &PageError{Page: id, Text: "no user " + b.User}
			}
		case "twice":
			next := html.UnescapeString(found(pageNext, body))
			return []string{next, next}, nil
		case "":
			return nil, fmt.Errorf("wxsim: browser: status %d and no page of WeChat's", resp.StatusCode)
		default:
			e := &PageError{Page: id, Text: html.UnescapeString(found(pageText, body))}
			e.Code, _ = strconv.Atoi(found(pageCode, body)) // most pages have none
			return nil, e
		}
	}
	return nil, errLost
}

// Visit opens any address and goes wherever it is sent, through sites and the platform, up to 20
// redirects. It returns the last answer of a site, whose Request.URL is the address that is shown
// in the end; the caller closes its Body. Where a callback is fetched twice the first answer is
// thrown away. Errors are as for Authorize, or those of Transport.
func (b *Browser) Visit(ctx context.Context, address string) (*http.Response, error) {
	if b.Jar == nil {
		b.Jar, _ = cookiejar.New(nil) // never fails
	}
	for range maxHops {
		u, err := url.Parse(address)
		if err != nil {
			return nil, fmt.Errorf("wxsim: browser: %w", err)
		}
		callbacks := []string{address}
		if b.here(u) {
			if callbacks, err = b.Authorize(ctx, address); err != nil {
				return nil, err
			}
		}
		var resp *http.Response
		for i, callback := range callbacks {
			if resp, err = b.fetch(ctx, callback); err != nil {
				return nil, err
			}
			if i+1 < len(callbacks) {
				resp.Body.Close()
			}
		}
		to := resp.Header.Get("Location")
		if resp.StatusCode/100 != 3 || to == "" {
			return resp, nil
		}
		resp.Body.Close()
		if address, err = follow(resp.Request.URL, to); err != nil {
			return nil, err
		}
	}
	return nil, errLost
}

// here reports whether an address is the platform's.
func (b *Browser) here(u *url.URL) bool {
	return u.Host == b.Host && u.Host != "" || b.Sim.hosts[u.Host]
}

// open fetches a page of the platform, with the cookies of the phone's owner.
func (b *Browser) open(ctx context.Context, u *url.URL, form url.Values) (*http.Response, string, error) {
	method, body := http.MethodGet, ""
	if form != nil {
		method, body = http.MethodPost, form.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, method, u.String(), strings.NewReader(body))
	if err != nil {
		return nil, "", fmt.Errorf("wxsim: browser: %w", err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.Header.Set("User-Agent", b.agent())
	r.AddCookie(&http.Cookie{Name: userCookie, Value: b.User})
	if b.Entry != FromLink {
		r.AddCookie(&http.Cookie{Name: entryCookie, Value: string(b.Entry)})
	}
	resp, err := b.Sim.Transport().RoundTrip(r)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	return resp, string(page), err
}

// fetch is one request to a site.
func (b *Browser) fetch(ctx context.Context, address string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("wxsim: browser: %w", err)
	}
	r.Header.Set("User-Agent", b.agent())
	for _, k := range b.Jar.Cookies(r.URL) {
		r.AddCookie(k)
	}
	way := b.Transport
	if way == nil {
		way = http.DefaultTransport
	}
	resp, err := way.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Request = r
	b.Jar.SetCookies(r.URL, resp.Cookies())
	return resp, nil
}

func (b *Browser) agent() string {
	if b.UserAgent != "" {
		return b.UserAgent
	}
	return wechatAgent
}

// follow is where a Location leads. The text is kept as it is where it can be, since the state in
// it must not change by a byte. No fragment lives on, though browsers have it so: whoever reads a
// callback wants to see what the platform wrote.
func follow(from *url.URL, to string) (string, error) {
	u, err := url.Parse(to)
	if err != nil {
		return "", fmt.Errorf("wxsim: browser: redirected to nowhere: %w", err)
	}
	if !u.IsAbs() {
		to = from.ResolveReference(u).String()
	}
	return to, nil
}

// opened looks at an address that a browser was sent to.
func (j *judge) opened(s *Sim, u *url.URL) {
	if (u.Path == pathAuthorize || u.Path == pathQRConnect) && u.Fragment != "wechat_redirect" {
		j.find(&call{arrived: s.Now(), appid: readRequest(u.RawQuery).appid}, NoWechatRedirect, "a browser was sent to %s without #wechat_redirect", u.Path)
	}
}

var (
	pageID   = regexp.MustCompile(`<body id="([a-z]+)">`)
	pageNext = regexp.MustCompile(`data-next="([^"]*)"`)
	pageCode = regexp.MustCompile(`data-code="(-?[0-9]+)"`)
	pageText = regexp.MustCompile(`<p(?: data-code="-?[0-9]+")?>([^<]*)</p>`)
)

// found is the group of the first match; "" if there is none.
func found(re *regexp.Regexp, text string) string {
	if m := re.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}
