package wxsim

import (
	"bytes"
	"fmt"
	"html/template"
	"net/http"
)

// page is an answer for a browser.
type page struct {
	status int
	header http.Header
	body   []byte
}

// redirect is a page that nobody sees. No browser may keep it, since the next has another code.
func redirect(status int, address string) *page {
	return &page{status: status, header: http.Header{"Location": {address}, "Cache-Control": {"no-store"}}}
}

// Reasons of error pages for which WeChat gives no number. They are ours, and negative.
const (
	pageOutside      = -101 // not WeChat's browser
	pageAppID        = -102
	pageOrder        = -103
	pageState        = -104
	pageResponseType = -105
)

// pageErrors are the texts of the error pages in the WeChat browser.
var pageErrors = map[int]string{
	-1:    "系统繁忙，请稍后再试",
	10003: "redirect_uri域名与后台配置不一致",
	10004: "此公众号被封禁",
	10005: "此公众号并没有这些scope的权限",
	10006: "必须关注此测试号",
	10009: "操作太频繁了，请稍后重试",
	10010: "scope不能为空",
	10011: "redirect_uri不能为空",
	10012: "appid不能为空",
	10013: "state不能为空",
	10015: "公众号未授权第三方平台，请检查授权状态",
	10016: "不支持微信开放平台的Appid，请使用公众号Appid",

	pageOutside:      "请在微信客户端打开链接",
	pageAppID:        "AppID 参数错误",
	pageOrder:        "Scope 参数错误或没有 Scope 权限",
	pageState:        "state 参数错误",
	pageResponseType: "response_type 参数错误",
}

// qrErrors are the texts of the page with the QR code, which shows no numbers.
var qrErrors = map[int]string{
	10003: "redirect_uri 参数错误",
	10005: "Scope 参数错误或没有 Scope 权限",
	10010: "Scope 参数错误或没有 Scope 权限",
	10011: "redirect_uri 参数错误",
	10012: "AppID 参数错误",
}

// errorPage says in HTML what went wrong: status 200, and no way back to the site.
func (s *Sim) errorPage(c *call, code int) answer {
	text := pageErrors[code]
	if text == "" {
		text = "系统错误"
	}
	if code > 0 {
		text = fmt.Sprintf("%s，错误码:%d", text, code)
	}
	if t, ok := qrErrors[code]; ok && c.path == pathQRConnect {
		text = t
	}
	a := s.page("error", sheet{Title: "抱歉，出错了", Text: text, Code: code})
	a.errcode = code
	return a
}

// usersPage asks who holds the phone.
func (s *Sim) usersPage(c *call) answer {
	v := s.visitor(c)
	return s.page("users", sheet{Title: "谁在使用这部手机？", Text: "模拟微信登录", Users: s.Users(), Visitor: v.user.ID, Entry: v.entry})
}

// scanPage is what a website shows on a computer.
func (s *Sim) scanPage(*call) answer {
	return s.page("scan", sheet{Title: "微信登录", Text: "使用微信扫一扫登录", Users: s.Users()})
}

// consentPage asks for a yes or a no.
func (s *Sim) consentPage(_ *call, a *app, u User, scanned bool) answer {
	text := "申请使用你的昵称、头像"
	if scanned {
		text = "网站申请用你的微信帐号登录"
	}
	return s.page("consent", sheet{Title: "授权登录", Text: text, App: a.id, User: u, Scanned: scanned})
}

// deniedPage is where a no ends that the site never hears of.
func (s *Sim) deniedPage(*call) answer {
	return s.page("denied", sheet{Title: "已拒绝", Text: "你已拒绝授权，可关闭此页面"})
}

// twicePage fetches a callback, and 200 ms later goes there. The fetch goes wherever it is sent, as
// WeChat's does, but without those cookies that a site keeps for visits from itself.
func (s *Sim) twicePage(_ *call, address string) answer {
	return s.page("twice", sheet{Title: "正在跳转", Next: address})
}

// sheet is what the template needs to know.
type sheet struct {
	ID, Title, Text string
	Code            int
	App             string
	User            User
	Scanned         bool // the user is named by the form, not by a cookie
	Users           []User
	Visitor         string
	Entry           Entry
	Next            string
}

func (s *Sim) page(id string, d sheet) answer {
	d.ID = id
	var b bytes.Buffer
	if err := sheets.Execute(&b, d); err != nil {
		panic(err) // the template and the type are both ours
	}
	return answer{page: &page{status: http.StatusOK, header: http.Header{"Cache-Control": {"no-store"}}, body: b.Bytes()}}
}

// sheets is all pages. The id of the body tells programs which one it is. Forms have no action, so
// that they go to the address they came from, whatever path the platform is below.
var sheets = template.Must(template.New("").Parse(`<!doctype html>
<html lang="zh-CN">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{{.Title}}</title>
<style>
body { margin: 0; background: #ededed; color: #111; font: 17px/1.5 system-ui, "PingFang SC", "Microsoft YaHei", sans-serif }
main { box-sizing: border-box; max-width: 26rem; min-height: 100vh; margin: 0 auto; padding: 2.5rem 1.25rem; background: #fff; display: flex; flex-direction: column; gap: 1.25rem; text-align: center; overflow-wrap: anywhere }
h1 { margin: 0; font-size: 1.4rem; font-weight: 600 }
p { margin: 0; color: #595959 }
form { display: flex; flex-direction: column; gap: .75rem }
button { min-height: 3rem; border: 0; border-radius: .5rem; padding: 0 1rem; background: #f2f2f2; color: #111; font: inherit; cursor: pointer }
button.yes { background: #07823f; color: #fff }
button.link { background: none; color: #4a5b82 }
button:focus-visible { outline: 3px solid #4a5b82; outline-offset: 2px }
fieldset { border: 1px solid #d9d9d9; border-radius: .5rem; text-align: left }
label { display: block; padding: .4rem 0 }
svg { width: 10rem; margin: 0 auto }
footer { margin-top: auto; color: #737373; font-size: .8rem }
</style>
</head>
<body id="{{.ID}}">
<main>
<h1>{{.Title}}</h1>
{{with .Text}}<p{{if $.Code}} data-code="{{$.Code}}"{{end}}>{{.}}</p>{{end}}
{{if eq .ID "users"}}
<form method="post">
<fieldset>
<legend>从哪里打开 · opened from</legend>
<label><input type="radio" name="entry" value=""{{if eq .Entry ""}} checked{{end}}> 链接 · a link</label>
<label><input type="radio" name="entry" value="menu"{{if eq .Entry "menu"}} checked{{end}}> 公众号菜单 · the account's menu</label>
<label><input type="radio" name="entry" value="snapshot"{{if eq .Entry "snapshot"}} checked{{end}}> 快照页 · a snapshot page</label>
</fieldset>
{{range .Users}}<button name="user" value="{{.ID}}"{{if eq .ID $.Visitor}} class="yes" aria-current="true"{{end}}>{{.Nickname}} ({{.ID}})</button>
{{end}}</form>
{{else if eq .ID "scan"}}
<svg viewBox="0 0 21 21" role="img" aria-label="模拟二维码" shape-rendering="crispEdges"><path d="M0 0h7v7H0zM14 0h7v7h-7zM0 14h7v7H0zM9 1h2v2H9zM8 5h1v3H8zM11 6h2v2h-2zM2 9h3v1H2zM7 10h2v3H7zM11 11h3v1h-3zM16 9h2v3h-2zM19 11h2v2h-2zM9 15h3v2H9zM14 15h2v2h-2zM18 16h3v1h-3zM9 19h2v2H9zM13 18h2v3h-2zM17 19h3v2h-3z"/><path fill="#fff" d="M1 1h5v5H1zM15 1h5v5h-5zM1 15h5v5H1z"/><path d="M2 2h3v3H2zM16 2h3v3h-3zM2 16h3v3H2z"/></svg>
<form method="post">
{{range .Users}}<button name="user" value="{{.ID}}">{{.Nickname}} 扫码 · scan as {{.ID}}</button>
{{end}}</form>
{{else if eq .ID "consent"}}
<p>{{.App}}</p>
<p><strong>{{.User.Nickname}}</strong> ({{.User.ID}})</p>
<form method="post">
{{if .Scanned}}<input type="hidden" name="user" value="{{.User.ID}}">{{end}}
<button class="yes" name="answer" value="allow">允许 · allow</button>
<button name="answer" value="deny">拒绝 · deny</button>
</form>
{{if not .Scanned}}<form method="post"><button class="link" name="user" value="">换一个用户 · another user</button></form>{{end}}
{{else if eq .ID "twice"}}
<p id="next" data-next="{{.Next}}">…</p>
<script>
fetch({{.Next}}, { mode: "no-cors", credentials: "include", keepalive: true }).catch(() => {});
setTimeout(() => location.replace({{.Next}}), 200);
</script>
{{end}}
<footer>wxsim：模拟的微信，仅供测试 · a simulated WeChat, for tests</footer>
</main>
</body>
</html>
`))
