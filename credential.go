package hufu

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"time"
)

// Kinds of credentials, in WeChat's spelling.
const (
	AccessToken  = "access_token"   // the app's token, of /cgi-bin/* and /wxa/*; never a user's
	JSAPITicket  = "jsapi_ticket"   // signs pages for the JS-SDK
	WxCardTicket = "wx_card_ticket" // signs cards and coupons
)

// Credential is a value with its dates. It prints, logs and marshals without
// the value.
type Credential struct {
	App, Kind string

	// Value is the secret itself.
	Value string

	// Phantom says that the value is a phantom token: Hufu takes it, WeChat does not.
	Phantom bool

	// Generation counts the values of this app and kind. It is zero while the
	// server could not save the value. Those of phantom tokens and of WeChat's
	// own are not comparable.
	Generation uint64

	// IssuedAt and ExpiresAt are by the server's clock. A new value usually
	// comes long before the old one expires.
	IssuedAt, ExpiresAt time.Time
}

// String names the credential without its value.
func (c Credential) String() string {
	return fmt.Sprintf("%s of %s, generation %d, until %s", c.Kind, c.App, c.Generation, c.ExpiresAt.UTC().Format(time.RFC3339))
}

// GoString is String, so that %#v shows no value either.
func (c Credential) GoString() string { return c.String() }

// LogValue is String, for log/slog.
func (c Credential) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalJSON gives String, as a JSON string.
func (c Credential) MarshalJSON() ([]byte, error) { return json.Marshal(c.String()) }

// value is a credential as it is held.
type value struct {
	Credential
	tag   string    // the server's entity tag, without quotes
	until time.Time // live before this moment of our own clock
}

// live reports whether the value may still be given. It works on nil.
func (v *value) live(now time.Time) bool { return v != nil && now.Before(v.until) }

// older reports whether v was surely issued before o, by the server's clock.
// Phantom tokens and WeChat's own tell different times.
func (v *value) older(o *value) bool {
	return v.Phantom == o.Phantom && v.IssuedAt.Before(o.IssuedAt)
}
