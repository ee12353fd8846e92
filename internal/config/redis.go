package config

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hufu-project/hufu/internal/credential"
)

// Redis is where a store in Redis is to be found and how. In the settings it
// is one address:
//
//	redis://hufu:PASSWORD@10.0.0.1:6379/0?prefix=staging     one server
//	rediss://…                                               the same over TLS
//	rediss://hufu:PASSWORD@10.0.0.1:26379?sentinel=mymaster&addr=10.0.0.2:26379&addr=10.0.0.3:26379
//	rediss://hufu:PASSWORD@10.0.0.1:6379?cluster=true&addr=10.0.0.2:6379
type Redis struct {
	// Addrs are servers, Sentinels, or nodes of a cluster, each as host:port.
	Addrs []string
	// User and Password are of the servers. Without a User it is Redis's own
	// "default".
	User     string
	Password credential.Secret
	DB       int // the number of the database; a cluster has only 0
	// Prefix tells several Hufus on one Redis apart; it is part of every key.
	Prefix string
	// Sentinel is the name under which the Sentinels know the primary. Empty:
	// there are none.
	Sentinel         string
	SentinelUser     string
	SentinelPassword credential.Secret
	Cluster          bool
	// TLS is nil without. It checks names and chains, against the system's
	// authorities or the file of ca_file.
	TLS *tls.Config
	// Replicas is how many replicas must have a write before it counts as
	// written; 0 waits for none.
	Replicas int
}

// ParseRedis reads an address. Its errors say what to write instead and quote
// nothing that could be a password. The files it names are read.
func ParseRedis(address string) (Redis, error) {
	r, wrong := parseRedis(address)
	switch {
	case wrong.message == "":
		return r, nil
	case wrong.hint == "":
		return r, errors.New(wrong.message)
	}
	return r, errors.New(wrong.message + "; " + wrong.hint)
}

var (
	redisPrefix  = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)
	redisQueries = []string{
		"addr", "prefix", "cluster", "replicas", "sentinel", "sentinel_user", "sentinel_password", "ca_file", "cert_file", "key_file",
	}
)

func parseRedis(address string) (r Redis, wrong complaint) {
	fail := func(message, hint string) (Redis, complaint) { return Redis{}, complaint{message, hint} }
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || u.Opaque != "" {
		return fail("is no address", "escape what is no letter or digit in the password as %XX; further hosts are given as ?addr=host:port")
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil || u.Fragment != "" {
		return fail("has a query that cannot be read", "escape what is no letter or digit as %XX")
	}
	for name, values := range q {
		switch {
		case !slices.Contains(redisQueries, name):
			// It is not quoted: it may be the end of a password with a ? in it.
			return fail("has a parameter that there is not",
				cmp.Or(didYouMean(name, redisQueries), "there are "+strings.Join(redisQueries, ", ")+"; a ? in the password is written %3F"))
		case len(values) > 1 && name != "addr":
			return fail("has the parameter "+name+" twice", "")
		case slices.Contains(values, ""):
			return fail("has the parameter "+name+" without a value", "")
		}
	}
	if r.DB, err = strconv.Atoi(strings.TrimPrefix(u.Path, "/")); u.Path != "" && u.Path != "/" && (err != nil || r.DB < 0 || r.DB > 1<<16) {
		return fail("names no database", "what follows the host is the database's number, as in /0")
	}
	r.User = u.User.Username()
	password, has := u.User.Password()
	if r.Password = credential.NewSecret(password); r.User != "" && !has {
		return fail("has a user and no password", "write redis://USER:PASSWORD@HOST, or redis://:PASSWORD@HOST for the user default")
	}
	r.Prefix, r.Sentinel, r.SentinelUser = q.Get("prefix"), q.Get("sentinel"), q.Get("sentinel_user")
	r.SentinelPassword = credential.NewSecret(q.Get("sentinel_password"))
	if r.Prefix != "" && !redisPrefix.MatchString(r.Prefix) {
		return fail("has a prefix that is none", "use up to 32 letters, digits, - and _")
	}
	if c := q.Get("cluster"); c != "" && c != "true" && c != "false" {
		return fail("has a cluster that is neither true nor false", "")
	}
	r.Cluster = q.Get("cluster") == "true"
	if text := q.Get("replicas"); text != "" {
		if r.Replicas, err = strconv.Atoi(text); err != nil || r.Replicas < 0 || r.Replicas > 100 {
			return fail("has a number of replicas that is none", "say how many replicas must have a write, as in replicas=1")
		}
	}
	port := "6379"
	if r.Sentinel != "" {
		port = "26379"
	}
	for _, addr := range append([]string{u.Host}, q["addr"]...) {
		full, ok := redisAddr(addr, port)
		if !ok {
			return fail("has a host that is none", "write HOST:PORT")
		}
		r.Addrs = append(r.Addrs, full)
	}
	switch {
	case r.Cluster && r.Sentinel != "":
		return fail("names a cluster and Sentinels", "a cluster has no Sentinels; leave one of the two out")
	case r.Cluster && r.DB != 0:
		return fail("names a database of a cluster", "a cluster has only database 0")
	case !r.Cluster && r.Sentinel == "" && len(r.Addrs) > 1:
		return fail("has several hosts", "say what they are: ?cluster=true, or ?sentinel= and the name of the primary")
	case r.Sentinel == "" && (r.SentinelUser != "" || !r.SentinelPassword.Empty()):
		return fail("has a user or password of Sentinels, and there are none", "name the primary too: sentinel=mymaster")
	case r.SentinelUser != "" && r.SentinelPassword.Empty():
		return fail("has a sentinel_user and no sentinel_password", "")
	}
	r.TLS, wrong = redisTLS(u.Scheme, q)
	return r, wrong
}

// redisAddr gives addr with a port.
func redisAddr(addr, port string) (full string, ok bool) {
	if _, _, err := net.SplitHostPort(addr); err != nil {
		addr += ":" + port
	}
	u, err := url.Parse("redis://" + addr)
	if err != nil || u.Host != addr || u.Hostname() == "" || u.Port() == "" || u.User != nil {
		return "", false
	}
	if n, err := strconv.Atoi(u.Port()); err != nil || n < 1 || n > 65535 {
		return "", false
	}
	return net.JoinHostPort(u.Hostname(), u.Port()), true
}

func redisTLS(scheme string, q url.Values) (*tls.Config, complaint) {
	ca, cert, key := q.Get("ca_file"), q.Get("cert_file"), q.Get("key_file")
	if scheme != "rediss" {
		if ca+cert+key != "" {
			return nil, complaint{"names files for TLS and does not use it", "write rediss://"}
		}
		return nil, complaint{}
	}
	for _, name := range []string{ca, cert, key} {
		if name != "" && !filepath.IsAbs(name) {
			return nil, complaint{"names a file by a relative path", "write ca_file, cert_file and key_file from / on"}
		}
	}
	if (cert == "") != (key == "") {
		return nil, complaint{"has only one of cert_file and key_file", ""}
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca != "" {
		data, err := os.ReadFile(ca)
		if err != nil {
			return nil, complaint{"cannot read ca_file: " + cause(err).Error(), ""}
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(data) {
			return nil, complaint{"has a ca_file without a certificate in it", ""}
		}
	}
	if cert != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, complaint{"cannot use cert_file and key_file: " + cause(err).Error(), ""}
		}
		t.Certificates = []tls.Certificate{pair}
	}
	return t, complaint{}
}
