package config

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hufu-project/hufu/internal/credential"
)

// SQL is where a store in PostgreSQL or MySQL is to be found and how. In the
// settings it is one address:
//
//	postgres://hufu:PASSWORD@10.0.0.1:5432/hufu?sslmode=verify-full
//	postgres://hufu:PASSWORD@10.0.0.1/hufu?addr=10.0.0.2        whichever of the two takes writes
//	postgres://hufu@/hufu?socket=/var/run/postgresql            the folder of its socket
//	mysql://hufu:PASSWORD@10.0.0.1:3306/hufu?sslmode=require
//	mysql://hufu@/hufu?socket=/run/mysqld/mysqld.sock
type SQL struct {
	// Addrs are servers as host:port; empty where there is a Socket.
	Addrs    []string
	Socket   string
	User     string
	Password credential.Secret
	Database string
	// Schema is PostgreSQL's; empty: the user's default, mostly public.
	Schema string
	// TLS is nil without. ServerName is the caller's to set, for each host.
	TLS *tls.Config
	// Connections is the most that one node holds, besides one for changes.
	Connections int
	// Simple: nothing is prepared, for a pooler that lends a connection for
	// one transaction only (PostgreSQL).
	Simple bool
}

// sslmodes are PostgreSQL's own words, less those that give in to whoever says
// that there is no TLS.
var sslmodes = []string{"disable", "require", "verify-ca", "verify-full"}

var sqlQueries = map[string][]string{
	"postgres": {"addr", "socket", "schema", "connections", "simple_protocol", "sslmode", "ca_file", "cert_file", "key_file"},
	"mysql":    {"socket", "connections", "sslmode", "ca_file", "cert_file", "key_file"},
}

var schemaName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,62}$`)

// ParseSQL reads a postgres or mysql address. Its errors say what to write
// instead and quote nothing that could be a password. The files it names are
// read.
func ParseSQL(address string) (SQL, error) {
	s, wrong := parseSQL(address)
	switch {
	case wrong.message == "":
		return s, nil
	case wrong.hint == "":
		return s, errors.New(wrong.message)
	}
	return s, errors.New(wrong.message + "; " + wrong.hint)
}

func parseSQL(address string) (s SQL, wrong complaint) {
	fail := func(message, hint string) (SQL, complaint) { return SQL{}, complaint{message, hint} }
	u, err := url.Parse(address)
	if err != nil || u.Opaque != "" {
		return fail("is no address", "escape what is no letter or digit in the password as %XX; further hosts are given as ?addr=host:port")
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil || u.Fragment != "" {
		return fail("has a query that cannot be read", "escape what is no letter or digit as %XX")
	}
	allowed := sqlQueries[u.Scheme]
	for name, values := range q {
		switch {
		case !slices.Contains(allowed, name):
			// It is not quoted: it may be the end of a password with a ? in it.
			return fail("has a parameter that there is not",
				cmp.Or(didYouMean(name, allowed), "there are "+strings.Join(allowed, ", ")+"; a ? in the password is written %3F"))
		case len(values) > 1 && name != "addr":
			return fail("has the parameter "+name+" twice", "")
		case slices.Contains(values, ""):
			return fail("has the parameter "+name+" without a value", "")
		}
	}
	password, _ := u.User.Password()
	s = SQL{
		User: u.User.Username(), Password: credential.NewSecret(password), Socket: q.Get("socket"),
		Schema: q.Get("schema"), Simple: q.Get("simple_protocol") == "true",
	}
	if s.Database = strings.TrimPrefix(u.Path, "/"); s.Database == "" || strings.Contains(s.Database, "/") {
		return fail("names no database", "write "+u.Scheme+"://USER:PASSWORD@HOST/DATABASE")
	}
	switch simple := q.Get("simple_protocol"); {
	case s.User == "":
		return fail("names no user", "write "+u.Scheme+"://USER:PASSWORD@HOST/DATABASE")
	case (s.Socket == "") == (u.Host == ""):
		return fail("names no host", "name a host, or a socket as in ?socket=/var/run/postgresql")
	case s.Socket != "" && (!filepath.IsAbs(s.Socket) || q.Has("addr")):
		return fail("has a socket that is none", "write it from / on, and no hosts besides it")
	case s.Schema != "" && !schemaName.MatchString(s.Schema):
		return fail("has a schema that is none", "use letters, digits and _")
	case simple != "" && simple != "true" && simple != "false":
		return fail("has a simple_protocol that is neither true nor false", "")
	}
	s.Connections = 8
	if text := q.Get("connections"); text != "" {
		if s.Connections, err = strconv.Atoi(text); err != nil || s.Connections < 1 || s.Connections > 1000 {
			return fail("has a number of connections that is none", "say how many each node may hold, as in connections=8")
		}
	}
	if s.Socket == "" {
		port := map[string]string{"postgres": "5432", "mysql": "3306"}[u.Scheme]
		for _, addr := range append([]string{u.Host}, q["addr"]...) {
			full, ok := redisAddr(addr, port)
			if !ok {
				return fail("has a host that is none", "write HOST:PORT")
			}
			s.Addrs = append(s.Addrs, full)
		}
	}
	s.TLS, wrong = sqlTLS(q)
	return s, wrong
}

func sqlTLS(q url.Values) (*tls.Config, complaint) {
	mode := cmp.Or(q.Get("sslmode"), "disable")
	if !slices.Contains(sslmodes, mode) {
		return nil, complaint{"has an sslmode that there is not", "there are " + strings.Join(sslmodes, ", ")}
	}
	if mode == "disable" {
		if q.Has("ca_file") || q.Has("cert_file") || q.Has("key_file") {
			return nil, complaint{"names files for TLS and does not use it", "write sslmode=verify-full"}
		}
		return nil, complaint{}
	}
	t, wrong := redisTLS("rediss", q)
	if wrong.message != "" || mode == "verify-full" {
		return t, wrong
	}
	// The name is not looked at; the chain is, unless nothing is.
	t.InsecureSkipVerify = true
	if mode == "verify-ca" {
		roots := t.RootCAs
		t.VerifyConnection = func(state tls.ConnectionState) error {
			if len(state.PeerCertificates) == 0 {
				return errors.New("the server showed no certificate")
			}
			between := x509.NewCertPool()
			for _, c := range state.PeerCertificates[1:] {
				between.AddCert(c)
			}
			_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between})
			return err
		}
	}
	return t, complaint{}
}

// sql checks a postgres or mysql address.
func (r *report) sql(address, engine string) {
	s, wrong := parseSQL(address)
	if wrong.message != "" {
		r.fail("store", wrong.message, wrong.hint)
		return
	}
	away := slices.ContainsFunc(s.Addrs, func(addr string) bool {
		host, _, _ := net.SplitHostPort(addr)
		return !isLoopback(host)
	})
	if away && s.TLS == nil {
		r.warn("store", "reaches "+engine+" beyond loopback without TLS", "sslmode=verify-full has it")
	}
}
