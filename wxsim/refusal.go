package wxsim

// refusal is how the platform says one errcode: in today's words, and in words of former years,
// which OldTexts brings back. Handlers never write an error text themselves.
type refusal struct {
	text string
	old  []string
}

// refusals holds every errcode that the simulator knows. The texts of 895xx and of 50002 onwards
// are commonly known rather than documented.
var refusals = map[int]refusal{
	-1: {"system error", nil},
	40001: {
		"invalid credential, access_token is invalid or not latest, could get access_token by getStableAccessToken, more details at https://mmbizurl.cn/s/JtxxFh33r",
		[]string{"invalid credential, access_token is invalid or not latest"},
	},
	40002: {"invalid grant_type", nil},
	40003: {"invalid openid", nil},
	40004: {"invalid media type", nil},
	40007: {"invalid media_id", nil},
	40013: {"invalid appid", nil},
	40014: {"invalid access_token", nil},
	40029: {"invalid code", nil},
	40030: {"invalid refresh_token", nil},
	40037: {"invalid template_id", nil},
	40066: {"invalid url", nil},
	40097: {"invalid args", nil},
	40125: {"invalid appsecret", []string{"invalid appsecret, view more at http://t.cn/RAEkdVq"}},
	40163: {"code been used", nil},
	40164: {"invalid ip, not in whitelist", nil}, // the address is put in by ipText
	40226: {"code blocked", nil},
	40243: {"AppSecret已被冻结，请登录MP解冻后再次调用", nil},
	41001: {"access_token missing", nil},
	41002: {"appid missing", nil},
	41003: {"refresh_token missing", nil},
	41004: {"appsecret missing", nil},
	41005: {"media data missing", nil},
	41008: {"missing code", nil},
	41009: {"missing openid", nil},
	42001: {"access_token expired", nil},
	42002: {"refresh_token expired", nil},
	42003: {"code expired", nil},
	42007: {"access_token and refresh_token exception", nil},
	43001: {"require GET method", nil},
	43002: {"require POST method", nil},
	45009: {"reach max api daily quota limit", []string{"api freq out of limit"}},
	45011: {"api minute-quota reach limit  mustslower  retry next minute", nil}, // the double blanks are WeChat's
	47001: {"data format error", nil},
	48001: {"api unauthorized", nil},
	48004: {"api forbidden for irregularities, view detail on mp.weixin.qq.com", nil},
	48006: {"forbid to clear quota because of reaching the limit", nil},
	50002: {"user limited", nil},
	50004: {"user not allow to use accesstoken, maybe for punishment", nil},
	50007: {"account frozen", nil},
	61004: {"access clientip is not registered", nil},
	61024: {"must use api_component_token", nil},
	76001: {"rid not found", nil},
	76002: {"invalid rid", nil},
	76003: {"cgi_path not found", nil},
	89501: {"此IP正在等待管理员确认，请联系管理员", nil},
	89502: {"此IP被管理员拒绝", nil},
	89503: {"此次调用需要管理员确认，请耐心等候", nil},
	89504: {"此IP正在等待管理员确认", nil},
	89505: {"此IP正在等待管理员确认", nil},
	89506: {"24小时内该IP被管理员拒绝调用两次，24小时内不可再使用该IP调用", nil},
	89507: {"1小时内该IP被管理员拒绝调用一次，1小时内不可再使用该IP调用", nil},
}

// tokenQuota is what 45009 says on /cgi-bin/token since July 2023.
var tokenQuota = refusal{
	"reach max api daily quota limit, could get access_token by getStableAccessToken, more details at https://mmbizurl.cn/s/JtxxFh33r",
	[]string{"reach max api daily quota limit", "api freq out of limit"},
}

// refuse answers with an errcode.
func (s *Sim) refuse(c *call, errcode int) answer {
	if c.route != nil && c.route.pages {
		return s.errorPage(c, errcode)
	}
	r := refusals[errcode]
	before := " rid: "
	if c.route != nil && c.route.sns {
		before = ", rid: "
	}
	switch {
	case errcode == 40001 && c.route != nil && c.route.sns:
		r = refusal{text: r.old[0]} // without the advice, which is for the app's token
	case errcode == 40164:
		r.text, r.old = ipText(c.ip)
	case errcode == 45009 && c.path == pathToken:
		r = tokenQuota
	}
	text := r.text
	if len(r.old) > 0 && s.has(OldTexts) && s.dice.one(rateOldText) {
		text = r.old[s.dice.below(len(r.old))]
	}
	return answer{errcode: errcode, fields: []field{
		{"errcode", errcode},
		{"errmsg", text + before + c.rid},
	}}
}
