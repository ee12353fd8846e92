package config

import (
	"fmt"
	"strings"
	"testing"
)

func TestSQLAddressIsRead(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"postgres://u:p%40ss@h/d":                                 "[h:5432] u p@ss d 8",
		"postgres://u@h:1/d?addr=i&addr=[::1]:2":                  "[h:1 i:5432 [::1]:2] u d 8",
		"postgres://u@/d?socket=/run/postgresql":                  "[] /run/postgresql u d 8",
		"postgres://u@h/d?schema=hufu&connections=3":              "[h:5432] u d hufu 3",
		"postgres://u@h/d?simple_protocol=true":                   "[h:5432] u d 8 simple",
		"postgres://u@h/d?sslmode=disable":                        "[h:5432] u d 8",
		"postgres://u@h/d?sslmode=require":                        "[h:5432] u d 8 any",
		"postgres://u@h/d?sslmode=verify-ca":                      "[h:5432] u d 8 chain",
		"postgres://u@h/d?sslmode=verify-full":                    "[h:5432] u d 8 full",
		"mysql://u:p@h/d":                                         "[h:3306] u p d 8",
		"mysql://u@/d?socket=/run/mysqld/s&sslmode=disable":       "[] /run/mysqld/s u d 8",
		"mysql://u:p@h:3307/d?sslmode=verify-full&connections=20": "[h:3307] u p d 20 full",
	} {
		s, err := ParseSQL(address)
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		said := []string{fmt.Sprint(s.Addrs)}
		for _, field := range []string{s.Socket, s.User, s.Password.Reveal(), s.Database, s.Schema, fmt.Sprint(s.Connections)} {
			if field != "" {
				said = append(said, field)
			}
		}
		switch {
		case s.Simple:
			said = append(said, "simple")
		case s.TLS == nil:
		case !s.TLS.InsecureSkipVerify:
			said = append(said, "full")
		case s.TLS.VerifyConnection != nil:
			said = append(said, "chain")
		default:
			said = append(said, "any")
		}
		if got := strings.Join(said, " "); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
}

func TestBadSQLAddressIsExplainedWithoutThePassword(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"postgres://":                                                          "names no database",
		"postgres://u:" + canary + "@h":                                        "names no database",
		"postgres://u:" + canary + "@h/":                                       "names no database",
		"postgres://u:" + canary + "@h/a/b":                                    "names no database",
		"postgres://u:" + canary + "/x@h/d":                                    "is no address",
		"postgres://u:%zz" + canary + "@h/d":                                   "is no address",
		"postgres://u:1?" + canary + "@h/d":                                    "written %3F",
		"postgres://u:1#" + canary + "@h/d":                                    "cannot be read",
		"postgres://h/d":                                                       "names no user",
		"postgres://u:" + canary + "@/d":                                       "names no host",
		"postgres://u:" + canary + "@h/d?socket=/s":                            "names no host",
		"postgres://u:" + canary + "@/d?socket=s":                              "from / on",
		"postgres://u:" + canary + "@h/d?schema=a-b":                           "letters, digits",
		"postgres://u:" + canary + "@h/d?conections=2":                         "did you mean \"connections\"?",
		"postgres://u:" + canary + "@h/d?connections=0":                        "connections=8",
		"postgres://u:" + canary + "@h/d?sslmode=prefer":                       "there are disable, require",
		"postgres://u:" + canary + "@h/d?ca_file=/x":                           "sslmode=verify-full",
		"postgres://u:" + canary + "@h/d?simple_protocol=yes":                  "neither true nor false",
		"postgres://u:" + canary + "@h/d?schema=":                              "without a value",
		"postgres://u:" + canary + "@h/d?schema=a&schema=b":                    "twice",
		"postgres://u:" + canary + "@h/d?addr=g:99999":                         "a host that is none",
		"postgres://u:" + canary + "@h/d?sslmode=verify-full&ca_file=/no/such": "no such file",
		"mysql://u:" + canary + "@h/d?addr=i":                                  "a parameter that there is not",
		"mysql://u:" + canary + "@h/d?" + canary + "=1":                        "a parameter that there is not",
	} {
		_, err := ParseSQL(address)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: %v, want %s", strings.ReplaceAll(address, canary, "…"), err, want)
		}
	}
}

func TestPlainStoreBeyondLoopbackIsWarnedOf(t *testing.T) {
	t.Parallel()
	for store, warned := range map[string]bool{
		"postgres://u@10.0.0.1/d": true, "postgres://u@127.0.0.1/d?addr=10.0.0.1": true, "mysql://u@db/d": true,
		"postgres://u@127.0.0.1/d": false, "postgres://u@db/d?sslmode=require": false, "mysql://u@/d?socket=/s": false,
		"redis://10.0.0.1": true, "redis://127.0.0.1?sentinel=m&addr=db:26379": true, "redis://127.0.0.1": false, "redis://[::1]:6380": false, "rediss://db": false,
	} {
		c := mustLoad(t, "plaintext: true\nstore: "+store+"\n", env())
		got := false
		for _, w := range c.Warnings {
			got = got || w.Path == "store" && strings.Contains(w.Message, "without TLS")
		}
		if got != warned {
			t.Errorf("%s: warned %v, want %v", store, got, warned)
		}
	}
}
