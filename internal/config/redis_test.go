package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRedisAddressIsRead(t *testing.T) {
	t.Parallel()
	// said is the address as the program understands it.
	said := func(r Redis) string {
		var b strings.Builder
		b.WriteString(strings.Join(r.Addrs, ","))
		for _, f := range [][2]string{
			{"user", r.User},
			{"password", r.Password.Reveal()},
			{"prefix", r.Prefix},
			{"sentinel", r.Sentinel},
			{"as", r.SentinelUser},
			{"with", r.SentinelPassword.Reveal()},
		} {
			if f[1] != "" {
				b.WriteString(" " + f[0] + "=" + f[1])
			}
		}
		return b.String()
	}
	for address, want := range map[string]string{
		"redis://h":                  "h:6379",
		"redis://h:1/":               "h:1",
		"redis://[::1]":              "[::1]:6379",
		"redis://:p%40ss@h":          "h:6379 password=p@ss",
		"redis://h?prefix=staging-1": "h:6379 prefix=staging-1",
		"redis://a:1?cluster=true&addr=b:2&addr=[::1]": "a:1,b:2,[::1]:6379",
		"redis://a?sentinel=m&addr=b:2":                "a:26379,b:2 sentinel=m",
		"redis://a?sentinel=m&sentinel_password=x%26y": "a:26379 sentinel=m with=x&y",
		"redis://a.b-c.example.com?cluster=false":      "a.b-c.example.com:6379",
		"redis://虎.example?sentinel=我的":                "虎.example:26379 sentinel=我的",
	} {
		r, err := ParseRedis(address)
		if err != nil {
			t.Errorf("%s: %v", address, err)
		}
		if got := said(r); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
		if r.TLS != nil {
			t.Errorf("%s: has TLS", address)
		}
	}
	r, err := ParseRedis("rediss://u:p@h/3?replicas=2")
	if err != nil || r.TLS == nil || r.User != "u" || r.DB != 3 || r.Replicas != 2 {
		t.Errorf("%+v, %v", r, err)
	}
	if d := cmp.Diff([]string{"h:6379"}, r.Addrs); d != "" {
		t.Error(d)
	}
}

func TestBadRedisAddressIsExplainedWithoutThePassword(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"redis://":                                                   "is no address",
		"redis://:" + canary:                                         "is no address",
		"redis://u:" + canary + "/x@h":                               "is no address",
		"redis://u:1/" + canary + "@h":                               "as in /0",
		"redis://u:1?" + canary + "@h":                               "a ? in the password is written %3F",
		"redis://u:1#" + canary + "@h":                               "escape",
		"redis://u:%zz" + canary + "@h":                              "is no address",
		"redis://" + canary + "@h":                                   "redis://:PASSWORD@HOST",
		"redis://:" + canary + "@h/one":                              "as in /0",
		"redis://:" + canary + "@h/-1":                               "as in /0",
		"redis://:" + canary + "@h?prefx=a":                          "did you mean \"prefix\"?",
		"redis://:" + canary + "@h?prefix=a/b":                       "prefix that is none",
		"redis://:" + canary + "@h?prefix=a&prefix":                  "twice",
		"redis://:" + canary + "@h?prefix=":                          "without a value",
		"redis://:" + canary + "@h?cluster=yes":                      "neither true nor false",
		"redis://:" + canary + "@h?replicas=-1":                      "replicas=1",
		"redis://:" + canary + "@h?addr=g":                           "say what they are",
		"redis://:" + canary + "@h?sentinel=m&addr=" + canary + "@g": "a host that is none",
		"redis://:" + canary + "@h?sentinel=m&addr=g:99999":          "a host that is none",
		"redis://:" + canary + "@h?cluster=true&sentinel=m":          "has no Sentinels",
		"redis://:" + canary + "@h/1?cluster=true":                   "only database 0",
		"redis://h?sentinel_password=" + canary:                      "sentinel=mymaster",
		"redis://h?sentinel=m&sentinel_user=u":                       "no sentinel_password",
		"redis://h?ca_file=/ca.pem":                                  "write rediss://",
		"rediss://h?ca_file=ca.pem":                                  "relative path",
		"rediss://h?ca_file=/no/such":                                "no such file",
		"rediss://h?ca_file=/dev/null":                               "without a certificate",
		"rediss://h?cert_file=/a":                                    "only one of",
	} {
		_, err := ParseRedis(address)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: %v, want %s", strings.ReplaceAll(address, canary, "…"), err, want)
		}
	}
}
