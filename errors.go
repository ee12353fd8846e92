package hufu

import (
	"errors"
	"fmt"
	"time"
)

// What went wrong, for errors.Is. The error itself is an [*Error], except that
// a wait that the caller's context ended gives that context's error.
var (
	// ErrNotFound: there is no such app or kind, or not for this client.
	ErrNotFound = errors.New("hufu: not found")
	// ErrForbidden: this client may not do that, or not from this address.
	ErrForbidden = errors.New("hufu: forbidden")
	// ErrUnauthorized: the server does not know the client key.
	ErrUnauthorized = errors.New("hufu: unauthorized")
	// ErrUnavailable: the server cannot be reached, or has no live value
	// either. It goes away by itself, or by what the hint says.
	ErrUnavailable = errors.New("hufu: unavailable")
	// ErrClosed: the Client was closed.
	ErrClosed = errors.New("hufu: client closed")
)

// Error is an error of the server's, or of the way to it. It holds no secret.
type Error struct {
	Op     string // what was being done, as in "access_token of wx0123456789abcdef"
	Status int    // of HTTP; 0 where the server could not be reached
	Code   string // the server's, as listed in docs/api.md; "" where it sent none
	Detail string // what is wrong, for people
	Hint   string // what to do about it, for people; may be empty

	// RetryAfter is when the server expects to know better; 0 where it did not say.
	RetryAfter time.Duration

	// Errcode is WeChat's number and IP the address that it refused, where
	// WeChat is the reason.
	Errcode int
	IP      string

	// RequestID finds the request in the server's log and audit record.
	RequestID string

	// Err is one of the errors above or nil, and Cause what the network said.
	Err, Cause error
}

// Error says it in one line, the hint included.
func (e *Error) Error() string {
	text := fmt.Sprintf("hufu: %s: %s", e.Op, e.Detail)
	if e.Hint != "" {
		text += " (hint: " + e.Hint + ")"
	}
	return text
}

// Unwrap gives Err and Cause.
func (e *Error) Unwrap() (all []error) {
	for _, err := range []error{e.Err, e.Cause} {
		if err != nil {
			all = append(all, err)
		}
	}
	return all
}

// sentinel is the error that a code of the server's stands for. A status alone
// proves nothing: what stands between may send a 404 of its own.
func sentinel(status int, code string) error {
	switch {
	case code == "not_found":
		return ErrNotFound
	case code == "forbidden":
		return ErrForbidden
	case code == "unauthorized":
		return ErrUnauthorized
	case code == "" || status == 429 || status >= 500:
		return ErrUnavailable
	}
	return nil
}

// refused reports whether the server itself says that we may not have it.
func refused(err error) bool {
	return errors.Is(err, ErrNotFound) || errors.Is(err, ErrForbidden) || errors.Is(err, ErrUnauthorized)
}

// retryAfter is when the server asked to be asked again.
func retryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.RetryAfter
	}
	return 0
}
