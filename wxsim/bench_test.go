package wxsim

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func benchSim(b *testing.B) *Sim {
	s := New(Options{Quirks: NoQuirks})
	for i := range 1000 {
		if err := s.AddApp(App{ID: fmt.Sprintf("wx%016x", i), Secret: "s", DailyQuota: 1 << 40}); err != nil {
			b.Fatal(err)
		}
	}
	return s
}

// BenchmarkValid is the oracle, which tests call millions of times.
func BenchmarkValid(b *testing.B) {
	s := benchSim(b)
	id := "wx0000000000000007"
	a := s.app(id)
	value := s.rotate(a, Classic, s.Now()).value
	b.ReportAllocs()
	for b.Loop() {
		if !s.Valid(id, value) {
			b.Fatal("dead")
		}
	}
}

// BenchmarkIssue is a whole request on the classic line through Transport.
func BenchmarkIssue(b *testing.B) {
	s := benchSim(b)
	tr := s.Transport()
	r, err := http.NewRequest("GET", host+classicURL("wx0000000000000007", "s"), nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		resp, err := tr.RoundTrip(r)
		if err != nil || resp.StatusCode != 200 {
			b.Fatal(err)
		}
		resp.Body.Close()
	}
}

// BenchmarkAddApp tells what an app costs before its first request.
func BenchmarkAddApp(b *testing.B) {
	s := New(Options{})
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		if err := s.AddApp(App{ID: fmt.Sprintf("wx%016x", i), Secret: "s"}); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

// BenchmarkLogin is one silent authorization and the exchange of its code.
func BenchmarkLogin(b *testing.B) {
	s := New(Options{Quirks: NoQuirks})
	if err := s.AddApp(App{ID: appID, Secret: secret, CallbackDomains: []string{site}}); err != nil {
		b.Fatal(err)
	}
	phone := &Browser{Sim: s, User: "xiaoming"}
	tr := s.Transport()
	b.ReportAllocs()
	for b.Loop() {
		list, err := phone.Authorize(b.Context(), authorizeURL(scopeBase))
		if err != nil {
			b.Fatal(err)
		}
		_, query, _ := strings.Cut(list[0], "?")
		r, err := http.NewRequest("GET", host+pathExchange+"?appid="+appID+"&secret="+secret+"&grant_type=authorization_code&"+query, nil)
		if err != nil {
			b.Fatal(err)
		}
		resp, err := tr.RoundTrip(r)
		if err != nil || resp.StatusCode != 200 {
			b.Fatal(err)
		}
		resp.Body.Close()
	}
	if s.Logins(appID) == 0 {
		b.Fatal("no login")
	}
}
