package wxsim

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What the console allows.
const (
	maxDomains     = 2
	domainsMonthly = 5
)

// hostName is a name of at least two parts, as the console takes it.
var hostName = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)

// checkCallbackDomains refuses what the console does, as far as CallbackPorts does not allow it.
func (s *Sim) checkCallbackDomains(hosts []string) error {
	if len(hosts) > maxDomains {
		return fmt.Errorf("callback domains: %d are too many; two are allowed", len(hosts))
	}
	for i, h := range hosts {
		if !s.isCallbackDomain(h) {
			return fmt.Errorf("callback domain %q: give a full host name in lower case, without scheme, port and path; an address is none", h)
		}
		if slices.Contains(hosts[:i], h) {
			return fmt.Errorf("callback domain %q is there twice", h)
		}
	}
	return nil
}

func (s *Sim) isCallbackDomain(host string) bool {
	if s.has(CallbackPorts) {
		if name, port, ok := strings.Cut(host, ":"); ok {
			if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
				return false
			}
			host = name
		}
		return hostName.MatchString(host) || host == "localhost"
	}
	_, err := netip.ParseAddr(host)
	return err != nil && hostName.MatchString(host)
}

// VerifyFile is what the console gives the owner of an app to put at the root of each callback
// domain.
func VerifyFile(appid string) (name, content string) {
	content = strings.NewReplacer("-", "A", "_", "B").Replace(personal("verify", appid, "")[1:17])
	return "MP_verify_" + content + ".txt", content
}

// CallbackDomains replaces the hosts that web authorization sends browsers back to (网页授权域名): at
// most two, five changes a month. A subdomain is another host. With Options.Verify it fetches the
// app's VerifyFile from each host that is new, over https and then http, and blocks meanwhile.
func (s *Sim) CallbackDomains(appid string, hosts ...string) error {
	if err := s.checkCallbackDomains(hosts); err != nil {
		return fmt.Errorf("wxsim: app %s: %w", appid, err)
	}
	var had []string
	s.look(appid, func(a *app) { had = a.cfg.CallbackDomains })
	for _, h := range hosts {
		if s.opts.Verify == nil || slices.Contains(had, h) {
			continue
		}
		if err := verify(s.opts.Verify, h, appid); err != nil {
			return fmt.Errorf("wxsim: app %s: callback domain %s: %w", appid, h, err)
		}
	}
	var tooMany error
	hosts = slices.Clone(hosts)
	err := s.act(appid, "callback domains", func(a *app, now time.Time) {
		a.usage.roll(now)
		if a.usage.domains >= domainsMonthly {
			tooMany = fmt.Errorf("wxsim: app %s: the callback domains were changed %d times this month already", appid, domainsMonthly)
			return
		}
		a.usage.domains++
		a.cfg.CallbackDomains = hosts
	})
	return errors.Join(err, tooMany)
}

// verify fetches the file that proves a host to be the app owner's.
func verify(client *http.Client, host, appid string) error {
	name, want := VerifyFile(appid)
	var all []error
	for _, scheme := range []string{"https://", "http://"} {
		err := verifyAt(client, scheme+host+"/"+name, want)
		if err == nil {
			return nil
		}
		all = append(all, err)
	}
	return errors.Join(all...)
}

func verifyAt(client *http.Client, address, want string) error {
	resp, err := client.Get(address)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1024))
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", address, err)
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("%s: status %d", address, resp.StatusCode)
	case strings.TrimSpace(string(b)) != want:
		return fmt.Errorf("%s: the file has other content than %q", address, want)
	}
	return nil
}
