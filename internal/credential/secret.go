package credential

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
)

const redacted = "[redacted]"

// Secret is a string that must not be seen: an AppSecret, a token, a ticket.
// It prints as "[redacted]" through fmt and slog and refuses to be marshalled;
// Reveal is the one way out. The zero Secret is empty.
type Secret struct{ text string }

// NewSecret wraps s.
func NewSecret(s string) Secret { return Secret{s} }

// Reveal returns the text. Every caller of it is a place to look at.
func (s Secret) Reveal() string { return s.text }

// Empty reports whether there is no text.
func (s Secret) Empty() bool { return s.text == "" }

// Equal compares in time that depends on the lengths only.
func (s Secret) Equal(o Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.text), []byte(o.text)) == 1
}

// String, GoString, Format and LogValue redact.
func (s Secret) String() string { return redacted }

// GoString redacts %#v.
func (s Secret) GoString() string { return redacted }

// Format redacts every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue redacts in slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText fails: a Secret leaves the process by Reveal alone.
func (s Secret) MarshalText() ([]byte, error) {
	return nil, errors.New("a secret is not marshalled; use Reveal where it must leave")
}
