package webauth

// text is what one page says.
type text struct{ title, body string }

// language's words.
type wording struct {
	again, request, scan string
	pages                map[pageKind]text
}

// view is all that a page shows.
type view struct {
	lang    string
	words   wording
	text    text
	home    string
	request string
	qr      string // SVG
}

var words = map[string]wording{
	"zh": {
		again: "重新开始", request: "请求编号", scan: "请用微信「扫一扫」扫描",
		pages: map[pageKind]text{
			refused:      {"无法登录", "这个登录链接不正确，或者没有登记过。请回到原来的网站重新登录；如果仍然不行，请联系该网站。"},
			denied:       {"没有授权", "你没有同意授权，所以没有登录。如果想继续，请重新开始。"},
			expired:      {"登录已过期", "这次登录已经结束，或者时间太久了。请回到网站重新登录。"},
			otherBrowser: {"请重新登录", "这次登录是在另一个浏览器里开始的。为了你的账号安全，请在这里重新开始，不要使用别人转发的链接。"},
			outside:      {"请在微信中打开", "这个页面需要在微信里打开。"},
			snapshot:     {"请使用完整服务", "当前是微信的快照页面，不能登录。请点击页面下方的「使用完整服务」，然后再登录。"},
			tooMany:      {"请稍后再试", "正在进行的登录太多了。请过几分钟再试。"},
			failed:       {"出了点问题", "暂时无法完成登录，请稍后重试。如果一直这样，请把下面的请求编号告诉网站的管理员。"},
			nothing:      {"没有这个页面", "这里没有内容。"},
		},
	},
	"en": {
		again: "Start again", request: "Request", scan: "Scan with WeChat",
		pages: map[pageKind]text{
			refused:      {"Cannot sign in", "This sign-in link is wrong or not registered. Go back to the site and sign in again; if that does not help, tell the site."},
			denied:       {"Not authorized", "You did not agree, so you are not signed in. Start again if you want to go on."},
			expired:      {"Sign-in is over", "This sign-in is finished, or too much time has passed. Go back to the site and sign in again."},
			otherBrowser: {"Please start again", "This sign-in began in another browser. To keep your account safe, start again here, and do not use links that others passed on."},
			outside:      {"Open this in WeChat", "This page must be opened in WeChat."},
			snapshot:     {"Use the full service", "WeChat shows a snapshot of the page, in which nobody can sign in. Tap 使用完整服务 (use full service) at the bottom, then sign in."},
			tooMany:      {"Try again later", "Too many sign-ins are under way. Try again in a few minutes."},
			failed:       {"Something went wrong", "The sign-in cannot be finished now. Try again later; if it goes on like this, tell the site's operator the request number below."},
			nothing:      {"No such page", "There is nothing here."},
		},
	},
}
