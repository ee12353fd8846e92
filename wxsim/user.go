package wxsim

import (
	"net/http"
	"slices"
	"strings"
)

func userRoutes() []route {
	return []route{
		{path: "/cgi-bin/user/get", method: http.MethodGet, keyed: true, daily: 500, serve: (*Sim).followers},
		{path: "/cgi-bin/user/info", method: http.MethodGet, keyed: true, daily: 5_000_000, serve: (*Sim).userInfo},
	}
}

// followers lists the openids of an app's followers, in one page.
func (s *Sim) followers(c *call) answer {
	a := c.token.app
	a.mu.Lock()
	list := slices.Clone(a.cfg.Followers)
	a.mu.Unlock()
	last := ""
	if len(list) > 0 {
		last = list[len(list)-1]
	}
	return answer{fields: []field{
		{"total", len(list)},
		{"count", len(list)},
		{"data", map[string][]string{"openid": list}},
		{"next_openid", last},
	}}
}

// userInfo tells of one user of the app: much of a follower, hardly anything of another. Nickname
// and picture are gone since December 2021.
func (s *Sim) userInfo(c *call) answer {
	openid := c.query.Get("openid")
	a := c.token.app
	a.mu.Lock()
	follows := slices.Contains(a.cfg.Followers, openid)
	a.mu.Unlock()
	if !follows {
		if len(openid) != 28 || !strings.HasPrefix(openid, "o") {
			return s.refuse(c, 40003)
		}
		return answer{fields: []field{{"subscribe", 0}, {"openid", openid}}}
	}
	return answer{fields: []field{
		{"subscribe", 1},
		{"openid", openid},
		{"subscribe_time", s.start.Unix()},
		{"remark", ""},
		{"groupid", 0},
		{"tagid_list", []int{}},
		{"subscribe_scene", "ADD_SCENE_QR_CODE"},
		{"qr_scene", 0},
		{"qr_scene_str", ""},
	}}
}
