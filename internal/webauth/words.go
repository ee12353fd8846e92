package webauth

// text is what one page says: what happened, and what to do, where there is a
// button to begin again and where there is none.
type text struct{ title, what, button, alone string }

// wording is one language's words.
type wording struct {
	again, back, request string
	paste                string // what to do outside of WeChat with an address that is too long for a code
	pages                map[pageKind]text
}

// view is all that a page shows.
type view struct {
	kind    pageKind
	lang    string
	words   wording
	home    string
	request string
	qr      string // SVG
}

func (v view) text() text { return v.words.pages[v.kind] }

// todo is what the person should do.
func (v view) todo() string {
	switch t := v.text(); {
	case v.kind == outside && v.qr == "":
		return v.words.paste
	case v.home == "" || t.button == "":
		return t.alone
	default:
		return t.button
	}
}

// label is what stands on the button. Nobody begins again in a browser in which
// it cannot go on.
func (v view) label() string {
	if v.kind == outside {
		return v.words.back
	}
	return v.words.again
}

var words = map[string]wording{
	"zh": {
		again: "重新开始", back: "返回网站", request: "请求编号",
		paste: "请复制浏览器里的地址，发到微信里打开。",
		pages: map[pageKind]text{
			refused: {
				"无法登录", "这个登录链接不正确，或者没有登记过。",
				"请点「重新开始」，再登录一次。", "请回到原来的网站重新登录。如果还是不行，请把下面的请求编号告诉网站的管理员。",
			},
			denied: {
				"没有授权", "你没有同意授权，所以没有登录，网站也没有得到你的信息。",
				"如果想继续，请点「重新开始」，然后点「允许」。", "如果想继续，请回到网站再登录一次，然后点「允许」。",
			},
			expired: {
				"登录已过期", "这次登录已经完成，或者等得太久了。",
				"请点「重新开始」，再登录一次。", "请回到网站，再登录一次。",
			},
			otherBrowser: {
				"请重新登录", "这次登录不是在这个浏览器里开始的，链接可能是别人转发的。为了你的账号安全，登录没有继续。",
				"请点「重新开始」，在这里登录。如果总是这样，请允许浏览器使用 Cookie。", "请回到网站，在这里重新登录。如果总是这样，请允许浏览器使用 Cookie。",
			},
			outside: {
				"请在微信中打开", "这个页面只能在微信里打开。",
				"", "请用微信「扫一扫」扫描二维码。如果正在用手机，可以先截图，再在「扫一扫」里从相册选取。",
			},
			snapshot: {
				"请使用完整服务", "现在看到的是微信的快照页面，在这里不能登录。",
				"", "请点击页面下方的「使用完整服务」，然后再登录。",
			},
			tooMany: {
				"请稍后再试", "正在进行的登录太多了。",
				"请过几分钟，再点「重新开始」。", "请过几分钟，回到网站再试。",
			},
			failed: {
				"出了点问题", "登录暂时无法完成，你的账号不受影响。",
				"请稍后点「重新开始」。如果一直这样，请把下面的请求编号告诉网站的管理员。", "请稍后回到网站再试。如果一直这样，请把下面的请求编号告诉网站的管理员。",
			},
			nothing: {"没有这个页面", "这个地址没有内容。", "", "请检查链接，或者回到原来的网站。"},
		},
	},
	"en": {
		again: "Start again", back: "Back to the site", request: "Request",
		paste: "Copy the address out of your browser, send it to yourself in WeChat, and open it there.",
		pages: map[pageKind]text{
			refused: {
				"Cannot sign in", "This sign-in link is wrong, or not registered.",
				"Tap Start again and sign in once more.", "Go back to the site and sign in again. If that does not help, tell the site's operator the request number below.",
			},
			denied: {
				"Not authorized", "You did not agree, so you are not signed in, and the site has learnt nothing about you.",
				"If you want to go on, tap Start again, then Allow.", "If you want to go on, go back to the site, sign in again, and tap Allow.",
			},
			expired: {
				"Sign-in is over", "This sign-in is finished, or it took too long.",
				"Tap Start again and sign in once more.", "Go back to the site and sign in once more.",
			},
			otherBrowser: {
				"Please start again", "This sign-in did not begin in this browser; somebody may have passed the link on. To keep your account safe, it was not carried on.",
				"Tap Start again and sign in here. If you keep seeing this page, let your browser use cookies.", "Go back to the site and sign in here. If you keep seeing this page, let your browser use cookies.",
			},
			outside: {
				"Open this in WeChat", "This page works in WeChat only.",
				"", "Scan the code with WeChat. On a phone, take a screenshot first, then choose it from the album in WeChat's Scan.",
			},
			snapshot: {
				"Use the full service", "WeChat is showing a snapshot of the page, in which nobody can sign in.",
				"", "Tap 使用完整服务 (use full service) at the bottom of the page, then sign in.",
			},
			tooMany: {
				"Try again later", "Too many sign-ins are under way.",
				"Wait a few minutes, then tap Start again.", "Wait a few minutes, then go back to the site and try again.",
			},
			failed: {
				"Something went wrong", "The sign-in cannot be finished now. Your account is not affected.",
				"Tap Start again in a while. If it goes on like this, tell the site's operator the request number below.", "Go back to the site in a while. If it goes on like this, tell the site's operator the request number below.",
			},
			nothing: {"No such page", "There is nothing at this address.", "", "Look at the link again, or go back to the site you came from."},
		},
	},
}
