package wechat

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"

	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/errcode"
)

// Outcome is what an issue that brought no value proves.
type Outcome string

// The outcomes. What is neither Refused nor NotSent is Ambiguous: WeChat may
// have made a token that nobody knows.
const (
	Refused   Outcome = "refused"
	NotSent   Outcome = "not_sent"
	Ambiguous Outcome = "ambiguous"
)

// Error is an issue or a probe that brought no value. Its text holds neither
// an address with a query nor any of the secrets that were sent.
type Error struct {
	// Op is what was done: "issue access_token", "probe".
	Op      string
	Outcome Outcome
	// Code is WeChat's errcode; 0 where WeChat did not answer with one.
	Code int
	// Status is the HTTP status where it was not 200.
	Status int
	// Message is WeChat's text or ours, cut and cleaned, for people only.
	Message string
	// IP is the address that WeChat saw, out of the text of 40164 and its like.
	IP string
}

// Error names the operation, the number and the text.
func (e *Error) Error() string {
	if e.Code != 0 {
		return e.Op + ": WeChat answered " + strconv.Itoa(e.Code) + ": " + e.Message
	}
	return e.Op + ": " + e.Message
}

// errLate is what the send guard says: too much time went by since the attempt
// was written down, so another node may already be at it.
var errLate = errors.New("too late to send: the attempt is too old")

// notSent marks an error after which it is certain that no byte of the request
// left this process.
type notSent struct{ error }

func (e notSent) Unwrap() error { return e.error }

// transportError turns a RoundTripper's error into ours. Only what surely came
// before the request counts as not sent.
func transportError(op, host string, err error) *Error {
	e := &Error{Op: op, Outcome: Ambiguous, Message: host + ": " + answered(err)}
	var (
		mark    notSent
		dns     *net.DNSError
		netOp   *net.OpError
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
		verify  *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &mark), errors.As(err, &dns),
		errors.As(err, &netOp) && (netOp.Op == "dial" || netOp.Op == "proxyconnect"),
		errors.As(err, &unknown), errors.As(err, &name), errors.As(err, &invalid), errors.As(err, &verify):
		e.Outcome = NotSent
	}
	if e.Outcome == NotSent && !errors.Is(err, errLate) {
		e.Message = "cannot reach " + host + ": " + plain(err)
	}
	if errors.Is(err, context.Canceled) && e.Outcome != NotSent {
		e.Message = host + ": given up while waiting for the answer"
	}
	return e
}

// answered is the text of an error that came once the request was out. net/http
// quotes what it cannot read of an answer, and that may be a token, or our own
// request where something echoes it: only the errors of the connection are
// shown.
func answered(err error) string {
	var (
		op   *net.OpError
		mark notSent
	)
	switch {
	case errors.As(err, &mark), errors.As(err, &op), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return plain(err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection ended before an answer came"
	}
	return "what came back is not HTTP; is wechat.api_url right, and what stands in between?"
}

// ipText finds the address in "invalid ip 203.0.113.9 ipv6 ::ffff:203.0.113.9,
// not in whitelist" and in "requestIP: 203.0.113.9". It is the one place where
// the text of an answer is looked at, and only to show it to a person.
var ipText = regexp.MustCompile(`(?i)(?:invalid ip|requestip:?)\s+([0-9a-f.:]+)`)

// refusal is the error for a number that WeChat answered, of that class.
func (a answer) refusal(op string, code int, class errcode.Class, secrets ...credential.Secret) *Error {
	e := &Error{Op: op, Code: code, Outcome: Refused, Message: a.text(secrets)}
	if class == errcode.Unclear {
		e.Outcome = Ambiguous
	}
	if m := ipText.FindStringSubmatch(e.Message); m != nil && net.ParseIP(m[1]) != nil {
		e.IP = m[1]
	}
	return e
}

// text is errmsg for people: printable, at most 200 bytes, and never one of
// the secrets, should a stranger in WeChat's place echo them.
func (a answer) text(secrets []credential.Secret) string {
	s, _ := a.text1("errmsg")
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029' {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	for _, x := range secrets {
		if !x.Empty() {
			s = strings.ReplaceAll(s, x.Reveal(), x.String())
		}
	}
	if len(s) > 200 {
		s = strings.ToValidUTF8(s[:200], "") + "…"
	}
	return s
}
