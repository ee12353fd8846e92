package webauth

import (
	"errors"
	"sync"

	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/registry"
	"github.com/hufu-project/hufu/internal/wechat"
)

// errOtherSecret: the AppSecret was refused, and the app has another one.
var errOtherSecret = errors.New("the AppSecret was refused; the app's other one is used from now on")

// secrets remembers which AppSecret of an app WeChat refused, while it is being
// changed and there are two. A code that was brought with the wrong one is used
// up, so they cannot be tried one after the other.
type secrets struct {
	mu    sync.Mutex
	wrong map[credential.App]credential.Secret
}

// of is the AppSecret to use: the first that was not refused last.
func (s *secrets) of(app *registry.App) credential.Secret {
	s.mu.Lock()
	wrong := s.wrong[app.AppID]
	s.mu.Unlock()
	for _, secret := range app.Secrets {
		if !secret.Equal(wrong) {
			return secret
		}
	}
	return wrong
}

// refused reports whether err says that the AppSecret is wrong, and there is
// another one to use from now on.
func (s *secrets) refused(app *registry.App, secret credential.Secret, err error) bool {
	e, ok := errors.AsType[*wechat.Error](err)
	if !ok || e.Code != 40125 || len(app.Secrets) < 2 {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wrong[app.AppID] = secret
	return true
}
