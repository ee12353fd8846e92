package wxsim

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sync"
	"time"
)

// User is a person who uses WeChat. Every platform begins with three: xiaoming, xiaohong and
// laowang, who has no picture.
type User struct {
	ID       string `json:"id"`                   // names the person here; letters, digits, "-" and "_"
	Nickname string `json:"nickname,omitempty"`   // the ID if empty
	Avatar   string `json:"headimgurl,omitempty"` // an address, or nothing
	// Blocked is a risky user, whose js_code is answered with 40226.
	Blocked bool `json:"blocked,omitempty"`
}

func firstUsers() []User {
	return []User{
		{ID: "xiaoming", Nickname: "小明", Avatar: "https://thirdwx.qlogo.cn/mmopen/vi_32/simulatedxiaoming/132"},
		{ID: "xiaohong", Nickname: "小红", Avatar: "https://thirdwx.qlogo.cn/mmopen/vi_32/simulatedxiaohong/132"},
		{ID: "laowang", Nickname: "老王"},
	}
}

// OpenID is who a user is to an app: the same in every run. A method of the platform is not
// needed, so that App.Followers can be written before there is one.
func OpenID(appid, user string) string { return personal("openid", appid, user) }

// UnionID is who a user is to all apps that are bound to one account of the open platform.
func UnionID(openPlatform, user string) string { return personal("unionid", openPlatform, user) }

// snapshotOf is the stranger that a snapshot page makes of a user.
func snapshotOf(user string) string { return user + " in a snapshot" }

// personal has the looks of an openid: 28 characters that begin with an o.
func personal(sort, at, user string) string {
	sum := sha256.Sum256([]byte(sort + "\x00" + at + "\x00" + user))
	return "o" + base64.RawURLEncoding.EncodeToString(sum[:])[:27]
}

// people is everybody, and what they allowed whom. Its lock is the innermost: whoever holds it
// takes no other.
type people struct {
	mu    sync.Mutex
	users []User

	codes    map[string]*code
	codeList []*code // oldest first

	byAccess  map[string]*grant // under every access token it ever had
	byRefresh map[string]*grant // under every refresh token
	grants    []*grant          // oldest first

	exchanges map[string]int           // successful ones, by appid
	sessions  map[sessionKey]sessioned // calls of jscode2session in the minute that runs
}

func (p *people) init() {
	p.users = firstUsers()
	p.codes = make(map[string]*code)
	p.byAccess = make(map[string]*grant)
	p.byRefresh = make(map[string]*grant)
	p.exchanges = make(map[string]int)
	p.sessions = make(map[sessionKey]sessioned)
}

var userID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// AddUser lets one more person use WeChat. It fails if the ID has other characters than
// User.ID allows, or is taken.
func (s *Sim) AddUser(u User) error {
	if !userID.MatchString(u.ID) {
		return errors.New(`wxsim: add user: the id must be 1 to 64 letters, digits, "-" and "_"`)
	}
	u.Nickname = cmp.Or(u.Nickname, u.ID)
	s.people.mu.Lock()
	defer s.people.mu.Unlock()
	if _, there := s.people.find(u.ID); there {
		return fmt.Errorf("wxsim: add user %s: already there", u.ID)
	}
	s.people.users = append(s.people.users, u)
	return nil
}

// Users is everybody, in the order in which they came.
func (s *Sim) Users() []User {
	s.people.mu.Lock()
	defer s.people.mu.Unlock()
	return slices.Clone(s.people.users)
}

func (s *Sim) user(id string) (User, bool) {
	s.people.mu.Lock()
	defer s.people.mu.Unlock()
	return s.people.find(id)
}

func (p *people) find(id string) (User, bool) {
	i := slices.IndexFunc(p.users, func(u User) bool { return u.ID == id })
	if i < 0 {
		return User{}, false
	}
	return p.users[i], true
}

// known is an error for an act that names a user who is not there.
func (s *Sim) knownUser(act, id string) error {
	if _, ok := s.user(id); !ok {
		return fmt.Errorf("wxsim: %s: no user %q", act, id)
	}
	return nil
}

// Follow makes a user follow the app, or no longer.
func (s *Sim) Follow(appid, user string, on bool) error {
	if err := s.knownUser("follow", user); err != nil {
		return err
	}
	openid := OpenID(appid, user)
	return s.meddle(appid, "follow", func(a *app, _ time.Time) {
		rest := slices.DeleteFunc(slices.Clone(a.cfg.Followers), func(v string) bool { return v == openid })
		if on {
			rest = append(rest, openid)
		}
		a.cfg.Followers = rest
	})
}

// ChangePassword ends every token of a user, of all apps: 42007 from now on.
func (s *Sim) ChangePassword(user string) error {
	if err := s.knownUser("change password", user); err != nil {
		return err
	}
	s.people.mu.Lock()
	defer s.people.mu.Unlock()
	for _, g := range s.people.grants {
		if g.user == user {
			g.broken = true
		}
	}
	return nil
}

// ExpireUser ends the access tokens that a user gave the app as if their time had come: 42001 from
// now on. The refresh tokens live on.
func (s *Sim) ExpireUser(appid, user string) error {
	if err := s.knownUser("expire user", user); err != nil {
		return err
	}
	return s.meddle(appid, "expire user", func(a *app, now time.Time) {
		s.people.mu.Lock()
		defer s.people.mu.Unlock()
		for _, g := range s.people.grants {
			if g.app == a && g.user == user && now.Before(g.expires) {
				g.expires = now
			}
		}
	})
}
