package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"

	"github.com/hufu-project/hufu/wxsim"
)

// dull is a WeChat that does the same every time.
const dull = wxsim.StrictOrder | wxsim.StrictState | wxsim.NoQuirks

// unknown is a state that Hufu might have drawn, and has not.
var unknown = strings.Repeat("s", 32)

// Everything that Hufu itself shows to people.
func TestEveryPageOfHufuIsReadable(t *testing.T) {
	t.Parallel()
	s := newStand(t, dull, "")
	p := newBrowser(t, s.proxy)
	auth := "http://" + authHost

	p.open(auth + "/nothing")
	p.look("hufu-nothing", "没有这个页面", "No such page")

	p.open(s.login("wx9999999999999999", "/callback", "snsapi_base"))
	p.look("hufu-refused", "无法登录", "Cannot sign in")

	p.open(auth + "/callback?code=C&state=" + unknown)
	p.look("hufu-unknown", "登录已过期", "Sign-in is over")

	s.choose(p, "xiaoming", "")
	p.open(s.login(standApp, "/callback", "snsapi_userinfo"))
	p.at("body#consent")
	callback := p.hold(auth+"/callback*", func() { p.press("button.yes") })
	other := newBrowser(t, s.proxy)
	other.open(callback.url)
	other.look("hufu-other-browser", "请重新登录", "Please start again")
	other.open(regexp.MustCompile(`code=\w+&`).ReplaceAllString(callback.url, ""))
	other.look("hufu-denied", "没有授权", "Not authorized")
	callback.let()
	p.at("body#site")
	p.open(strings.Replace(callback.url, "code=", "code=other", 1))
	p.look("hufu-other-code", "登录已过期", "Sign-in is over")
	for range 4 { // five codes a login
		p.open(callback.url)
		p.at("body#site")
	}
	p.open(callback.url)
	p.look("hufu-expired", "登录已过期", "Sign-in is over")

	s.choose(p, "xiaoming", "snapshot")
	p.open(s.login(standApp, "/careful", "snsapi_userinfo"))
	p.look("hufu-snapshot", "请使用完整服务", "Use the full service")

	healthy := s.sim.Fail(wxsim.Fault{Path: "/sns/oauth2/access_token", Mode: wxsim.Errcode, Errcode: 40013})
	p.open(s.login(standApp, "/callback", "snsapi_base"))
	p.look("hufu-failed", "出了点问题", "Something went wrong")
	healthy()

	crowd := newBrowser(t, s.proxy)
	for range 20 {
		crowd.open(s.login(standApp, "/callback", "snsapi_userinfo"))
	}
	crowd.open(s.login(standApp, "/callback", "snsapi_userinfo"))
	crowd.look("hufu-too-many", "请稍后再试", "Try again later")

	real := newStand(t, dull, "https://open.weixin.qq.com")
	p = newBrowser(t, real.proxy)
	p.open(real.login(standApp, "/callback", "snsapi_userinfo"))
	p.look("hufu-outside", "请在微信中打开", "Open this in WeChat")
}

// Everything that the simulator shows in WeChat's place. It speaks Chinese, as
// WeChat does.
func TestEveryPageOfTheSimulatorIsReadable(t *testing.T) {
	t.Parallel()
	s := newStand(t, dull|wxsim.DoubleFetch, "")
	p := newBrowser(t, s.proxy)
	login := s.login(standApp, "/callback", "snsapi_userinfo")

	p.open(login)
	p.look("wechat-users", "谁在使用这部手机？", "")
	p.follow("button[value=xiaoming]")
	p.at("body#consent")
	p.look("wechat-consent", "授权登录", "")

	p.open(s.login(standSite, "/callback", "snsapi_login"))
	p.look("wechat-scan", "微信登录", "")
	p.follow("button[value=laowang]")
	p.at("body#consent")
	p.glimpse("wechat-scan-consent", "授权登录")
	p.follow("button[value=deny]")
	p.at("body#denied")
	p.glimpse("wechat-denied", "已拒绝")

	p.open("http://" + openHost + "/connect/oauth2/authorize?appid=" + standApp + "&redirect_uri=http%3A%2F%2Felsewhere.test%2F&response_type=code&scope=snsapi_base&state=S")
	p.look("wechat-error", "抱歉，出错了", "")

	p.do("disable scripts", call(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}))
	for get[string](p, "document.body.id") != "twice" {
		p.open(s.login(standApp, "/callback", "snsapi_base"))
	}
	p.glimpse("wechat-twice", "正在跳转")
}

// choose says who holds the phone, and how they come to the page.
func (s *stand) choose(p *tab, user, entry string) {
	p.t.Helper()
	p.open("http://" + openHost + "/connect/users")
	p.at("body#users")
	p.press("input[value='" + entry + "']")
	p.follow("button[value=" + user + "]")
	p.at("button.yes[value=" + user + "]")
}
