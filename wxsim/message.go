package wxsim

import "net/http"

// Messages to users: the calls that must not happen twice.
func messageRoutes() []route {
	return []route{
		{path: "/cgi-bin/message/template/send", method: http.MethodPost, keyed: true, daily: 100_000, serve: (*Sim).sendTemplate},
		{path: "/cgi-bin/message/custom/send", method: http.MethodPost, keyed: true, daily: 500_000, serve: (*Sim).sendCustom},
	}
}

// sendTemplate answers with a msgid, as the page on template messages has it.
func (s *Sim) sendTemplate(c *call) answer {
	to, ok := c.text("touser")
	template, ok2 := c.text("template_id")
	switch {
	case c.json == nil, !ok, !ok2:
		return s.refuse(c, 47001)
	case to == "":
		return s.refuse(c, 40003)
	case template == "":
		return s.refuse(c, 40037)
	}
	n := s.deliver(c)
	return answer{fields: []field{{"errcode", 0}, {"errmsg", "ok"}, {"msgid", s.start.Unix()*1000 + int64(n)}}}
}

func (s *Sim) sendCustom(c *call) answer {
	if to, ok := c.text("touser"); c.json == nil || !ok {
		return s.refuse(c, 47001)
	} else if to == "" {
		return s.refuse(c, 40003)
	}
	s.deliver(c)
	return answer{fields: []field{{"errcode", 0}, {"errmsg", "ok"}}}
}

// maxMessages is how many messages of an app are remembered.
const maxMessages = 10_000

// deliver puts a message into a user's hands, which cannot be undone.
func (s *Sim) deliver(c *call) (n int) {
	a := c.token.app
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sent++
	if len(a.messages) < maxMessages {
		a.messages = append(a.messages, string(c.body))
	}
	return a.sent
}

// Messages are the messages that users have received from an app, oldest first, each the whole body
// of the call that sent it; the first ten thousand.
func (s *Sim) Messages(appid string) (list []string) {
	s.look(appid, func(a *app) { list = append(list, a.messages...) })
	return list
}
