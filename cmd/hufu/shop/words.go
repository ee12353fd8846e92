package shop

import (
	"net/http"
	"strings"
)

// words is what the shop says in one language. Text between backquotes is code.
type words struct {
	Lang string

	Shop, Welcome, Lead  string
	Userinfo, UserinfoIs string
	Base, BaseIs         string
	Steps                string
	StepList             []string

	Hello, Comma, Nickname, Logout, OnlyOpenID string
	TwoTokens, Caption, UserToken, AppToken    string
	Rows                                       []row
	Here, Lives, Keys                          string

	Denied, Mismatch struct{ Title, Text string }
	JSSDK            struct{ Title, Text, Signed, Browser, Back, Link string }
	Failed           string
	Errcodes         map[int]string
	OtherErrcode     string
	Unreachable      string
	Again            string
	Footer           string
}

// row compares the two tokens in one respect.
type row struct{ About, User, App string }

// wordsFor follows the languages that the browser lists, the best first.
// Chinese where it lists none.
func wordsFor(r *http.Request) *words {
	accept := r.Header.Get("Accept-Language")
	for tag := range strings.SplitSeq(strings.ToLower(accept), ",") {
		switch tag = strings.TrimSpace(tag); {
		case strings.HasPrefix(tag, "zh"):
			return &chinese
		case strings.HasPrefix(tag, "en"):
			return &english
		}
	}
	if accept == "" {
		return &chinese
	}
	return &english
}

var chinese = words{
	Lang: "zh-CN",

	Shop:       "虎符小店",
	Welcome:    "欢迎光临虎符小店",
	Lead:       "这是一个示例网站，通过虎符让访客用微信登录。它没有 AppSecret，也没有在微信登记过域名，手里只有一把虎符发的调用方密钥。",
	Userinfo:   "授权登录",
	UserinfoIs: "`snsapi_userinfo`：微信会问你是否同意。同意后，小店得到你的 openid 和昵称。",
	Base:       "静默授权",
	BaseIs:     "`snsapi_base`：什么都不用点。小店只得到你的 openid。",
	Steps:      "点下去会发生什么",
	StepList: []string{
		"小店把浏览器送到虎符的 `/connect/oauth2/authorize`，参数和微信文档里的一样。",
		"虎符再把它送到微信。在演示里是模拟的微信：先选一个用户，需要时点「允许」。",
		"微信把浏览器送回虎符，虎符换到用户的令牌，再带着自己的一次性 `code` 把浏览器送回小店。",
		"小店用 `code` 和调用方密钥，在虎符的 `/sns/oauth2/access_token` 换取用户的令牌；授权登录时再用它到 `/sns/userinfo` 取昵称。",
	},

	Hello:      "你好",
	Comma:      "，",
	Nickname:   "昵称",
	Logout:     "退出登录",
	OnlyOpenID: "静默授权只能得到 openid。想让小店知道你的昵称：",
	TwoTokens:  "两种 access_token，别弄混",
	Caption:    "微信有两样东西都叫 access_token。它们互不相干，谁也不能代替谁。",
	UserToken:  "用户的令牌",
	AppToken:   "应用的令牌",
	Rows: []row{
		{"微信的叫法", "网页授权 `access_token`", "全局接口调用凭据 `access_token`"},
		{"属于谁", "某个应用的某个用户，这里就是你", "整个应用，所有程序共用"},
		{"怎么来", "一次性 `code`，请求 `/sns/oauth2/access_token`", "appid 和密钥，请求 `/cgi-bin/token`"},
		{"限制", "没有每日上限，互不影响；有效 7200 秒，`refresh_token` 30 天", "普通版每天 2000 次；有效 7200 秒，取新的约五分钟后旧的失效"},
		{"用在哪", "`/sns/userinfo`、`/sns/auth`", "`/cgi-bin/*`、`/wxa/*`"},
		{"虎符做什么", "授权之后交给小店", "统一获取，提前续期，谁来取都是同一个"},
	},
	Here:  "这一次",
	Lives: "拿到时还有 %d 秒",
	Keys:  "微信文档里写 AppSecret 的地方，小店填的都是调用方密钥。AppSecret 只有虎符知道，这两个令牌也是虎符的替身令牌：只能经虎符使用，拿到别处一文不值。",

	Denied:   struct{ Title, Text string }{"你没有同意授权", "所以小店不知道你是谁，也没有登录。改变主意的话，可以再试一次。"},
	Mismatch: struct{ Title, Text string }{"这次登录不是在这个浏览器里开始的", "也可能已经过了十分钟。为了你的账号安全，请在这里重新开始，不要使用别人转发的链接。"},
	JSSDK: struct{ Title, Text, Signed, Browser, Back, Link string }{
		Title:   "给网页签名",
		Text:    "网页调用 JS-SDK 之前，要把下面四个值交给 `wx.config`。签名要用 `jsapi_ticket`，它由虎符保管：小店只告诉虎符网页的地址，拿到的就是签好的值。",
		Signed:  "签的地址",
		Browser: "微信浏览器说",
		Back:    "返回",
		Link:    "看看给网页签名",
	},
	Failed: "登录没有成功",
	Errcodes: map[int]string{
		-1:    "微信现在很忙，请稍后再试。",
		10005: "小店不认识这种授权范围。",
		40013: "小店的 appid 不对，或者虎符没有允许它使用这个应用。",
		40029: "这个 code 不对，或者已经过期。请重新登录。",
		40125: "小店的调用方密钥不对。",
		40163: "这个 code 已经用过了，它只能用一次。请重新登录。",
		41008: "回来的时候没有带 code。请重新登录。",
		42003: "这个 code 已经过期。请重新登录。",
		45011: "请求太频繁了，请稍后再试。",
	},
	OtherErrcode: "微信拒绝了请求，原因见下面的错误码。",
	Unreachable:  "小店连不上虎符，请稍后再试。",
	Again:        "重新开始",
	Footer:       "示例网站，源码在 `cmd/hufu/shop`。在 `hufu demo` 里，微信的时间比真实的快 60 倍。",
}

var english = words{
	Lang: "en",

	Shop:       "Hufu's corner shop",
	Welcome:    "Welcome to Hufu's corner shop",
	Lead:       "A sample site that logs its visitors in with WeChat, through Hufu. It has no AppSecret and no callback domain at WeChat, only a client key of Hufu's.",
	Userinfo:   "Sign in with consent",
	UserinfoIs: "`snsapi_userinfo`: WeChat asks whether you agree. Then the shop learns your openid and nickname.",
	Base:       "Sign in silently",
	BaseIs:     "`snsapi_base`: nothing to press. The shop learns your openid and no more.",
	Steps:      "What happens when you press",
	StepList: []string{
		"The shop sends the browser to Hufu's `/connect/oauth2/authorize`, with the parameters of WeChat's documentation.",
		"Hufu sends it on to WeChat. In the demo that is a simulated one: choose who you are, and press 允许 (allow) if you are asked.",
		"WeChat sends the browser back to Hufu, which obtains the user's token, and sends the browser back to the shop with a one-time `code` of its own.",
		"The shop brings the `code` and its client key to Hufu's `/sns/oauth2/access_token` and is given the user's token; with consent it then asks `/sns/userinfo` for the nickname.",
	},

	Hello:      "Hello",
	Comma:      ", ",
	Nickname:   "nickname",
	Logout:     "Sign out",
	OnlyOpenID: "A silent login gives the openid and no more. To tell the shop your nickname:",
	TwoTokens:  "Two tokens, one name",
	Caption:    "WeChat calls two things access_token. Neither does the other's work.",
	UserToken:  "The user's token",
	AppToken:   "The app's token",
	Rows: []row{
		{"WeChat calls it", "网页授权 `access_token`", "全局接口调用凭据 `access_token`"},
		{"Belongs to", "one user of one app: here, you", "one app: all its programs share it"},
		{"Obtained with", "a one-time `code`, from `/sns/oauth2/access_token`", "appid and secret, from `/cgi-bin/token`"},
		{"Limits", "none a day, and nobody else's is touched; lives 7200 s, its `refresh_token` 30 days", "2000 a day on the classic line; lives 7200 s, and a new one ends the old within about 5 minutes"},
		{"Used on", "`/sns/userinfo`, `/sns/auth`", "`/cgi-bin/*`, `/wxa/*`"},
		{"What Hufu does", "hands it to the shop after the login", "obtains it alone, renews it in time, and gives everybody the same"},
	},
	Here:  "This time",
	Lives: "%d s to live when it came",
	Keys:  "Where WeChat's documentation says AppSecret, the shop puts its client key. Only Hufu knows the AppSecret. Both tokens are phantom tokens, too: they work through Hufu, and nowhere else.",

	Denied:   struct{ Title, Text string }{"You did not agree", "So the shop does not know who you are, and you are not signed in. Should you change your mind, try again."},
	Mismatch: struct{ Title, Text string }{"This login did not begin in this browser", "Or more than ten minutes have passed. To keep your account safe, start again here, and do not use links that others passed on."},
	JSSDK: struct{ Title, Text, Signed, Browser, Back, Link string }{
		Title:   "A page that is signed",
		Text:    "Before a page calls the JS-SDK it gives these four values to `wx.config`. Signing takes the `jsapi_ticket`, which Hufu keeps: the shop says which address the page has, and is given the values.",
		Signed:  "signed address",
		Browser: "WeChat's browser says",
		Back:    "Back",
		Link:    "See a page that is signed",
	},
	Failed: "The login did not succeed",
	Errcodes: map[int]string{
		-1:    "WeChat is busy. Try again in a moment.",
		10005: "The shop knows no such scope.",
		40013: "The shop's appid is wrong, or Hufu does not let it use that app.",
		40029: "The code is wrong, or too old. Please sign in again.",
		40125: "The shop's client key is wrong.",
		40163: "The code was used before, and works once. Please sign in again.",
		41008: "You came back without a code. Please sign in again.",
		42003: "The code is too old. Please sign in again.",
		45011: "Too many requests. Try again in a moment.",
	},
	OtherErrcode: "WeChat refused; the number below says why.",
	Unreachable:  "The shop cannot reach Hufu. Try again in a moment.",
	Again:        "Start again",
	Footer:       "A sample site; its source is `cmd/hufu/shop`. In `hufu demo`, WeChat's time passes 60 times as fast as yours.",
}
