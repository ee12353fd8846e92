package hufu

import "context"

// Source gives the token of one app in the shapes that Go's SDKs ask for:
//
//	silenceper/wechat   AccessTokenHandle and AccessTokenContextHandle
//	chanxuehong/wechat  core.AccessTokenServer
//
// Others take a function or a type of their own, for which TokenSourceOf and a
// closure do. What it gives is read from memory, as Client.Token does. It is
// safe for concurrent use, and works until its Client is closed.
type Source struct{ f *follower }

// Source is the source of an app's token. It asks nothing yet.
func (c *Client) Source(appid string) *Source {
	return &Source{c.lent(key{appid, AccessToken})}
}

// Token is Client.Token without a context. With nothing live in hand it waits
// for one answer of the server, ten seconds at most.
func (s *Source) Token() (string, error) {
	if v := s.f.hot.Load(); v != nil {
		return v.Value, nil
	}
	return s.GetAccessTokenContext(context.Background())
}

// GetAccessToken is Token.
func (s *Source) GetAccessToken() (string, error) { return s.Token() }

// GetAccessTokenContext is Client.Token.
func (s *Source) GetAccessTokenContext(ctx context.Context) (string, error) {
	v, err := s.f.read(ctx)
	if err != nil {
		return "", err
	}
	return v.Value, nil
}

// RefreshToken is Client.Report: it says that WeChat refused the current token,
// and returns the one to use now. An empty one is not reported.
func (s *Source) RefreshToken(current string) (string, error) {
	if current == "" {
		return s.Token()
	}
	const refused = 40001 // the caller does not say which of the three it was
	v, err := s.f.report(context.Background(), current, refused)
	if err != nil {
		return "", err
	}
	return v.Value, nil
}

// IID01332E16DF5011E5A9D5A4DB30FED8E1 does nothing. Chanxuehong's SDK knows by
// it that somebody meant to implement its interface.
func (s *Source) IID01332E16DF5011E5A9D5A4DB30FED8E1() {}

// TokenSource gives the token of one app as a type of another package.
type TokenSource[T any] struct {
	source *Source
	as     func(Credential) T
}

// TokenSourceOf makes a source of another package's tokens, so that this one
// need not import it. With golang.org/x/oauth2 it is an oauth2.TokenSource:
//
//	hufu.TokenSourceOf(source, func(c hufu.Credential) *oauth2.Token {
//		return &oauth2.Token{AccessToken: c.Value}
//	})
//
// Leave its Expiry unset: oauth2 would keep the token until then, when it may
// long have been replaced. And WeChat wants the token in the query, where
// Client.Transport puts it, and not in the header, where oauth2's would.
func TokenSourceOf[T any](s *Source, as func(Credential) T) *TokenSource[T] {
	return &TokenSource[T]{s, as}
}

// Token is Source.Token, made into a T.
func (s *TokenSource[T]) Token() (T, error) {
	v, err := s.source.f.read(context.Background())
	if err != nil {
		var none T
		return none, err
	}
	return s.as(v.Credential), nil
}
