package main

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/hufu-project/hufu/wxsim"
)

// walker is a person with a browser in front of the demo. The demo's WeChat
// has all its moods, so now and then it fetches a callback twice, answers
// late, or keeps a no to itself.
type walker struct {
	*tab
	d *demonstration
}

func (d *demonstration) walker(t *testing.T) *walker {
	t.Helper()
	w := &walker{newBrowser(t, ""), d}
	w.wears(glances[0])
	return w
}

// callbacks are the addresses by which WeChat sends browsers back to Hufu.
func (w *walker) callbacks() string { return w.d.server.URL("web") + "/callback?*" }

// is says who holds the phone.
func (w *walker) is(user string) {
	w.t.Helper()
	w.open(w.d.wechat.APIURL() + "/connect/users")
	w.at("body#users")
	w.follow("button[value=" + user + "]")
	w.at("button.yes[value=" + user + "]")
}

// shop goes to the shop, where nobody is signed in.
func (w *walker) shop() {
	w.t.Helper()
	w.open(w.d.shop.url)
	w.at("body#home #login-base")
}

// signedIn waits until the shop greets a user.
func (w *walker) signedIn(user string) {
	w.t.Helper()
	w.at("body#home #openid")
	if got, want := w.text("#openid"), wxsim.OpenID(demoApps[0].id, user); got != want {
		w.t.Errorf("the openid is %s, want %s's, which is %s", got, user, want)
	}
}

// silently signs a user in who is asked nothing.
func (w *walker) silently(user string) {
	w.t.Helper()
	w.shop()
	w.follow("#login-base")
	w.signedIn(user)
}

// allow lets the shop know the user.
func (w *walker) allow(user string) {
	w.t.Helper()
	w.at("body#consent")
	w.follow("button[value=allow]")
	w.allowed(user)
}

// allowed waits until the shop greets a user who has pressed allow. When WeChat
// is too busy to say who came, Hufu asks for a second code, and the user is
// asked once more.
func (w *walker) allowed(user string) {
	w.t.Helper()
	w.at("body#consent, body#home #openid")
	if get[string](w.tab, "document.body.id") == "consent" {
		w.follow("button[value=allow]")
	}
	w.signedIn(user)
}

func TestABrowserSignsInSilently(t *testing.T) {
	t.Parallel()
	w := staged(t, demoQuirks).walker(t)
	w.shop()
	w.follow("#login-base")
	w.at("body#users") // the simulator has to know whose phone it is, once
	w.follow("button[value=xiaoming]")
	w.signedIn("xiaoming")
	if n := get[int](w.tab, `document.querySelectorAll("#nickname").length`); n != 0 {
		t.Error("a silent login gave a nickname")
	}
	if scope := w.text("#scope"); !strings.HasPrefix(scope, "snsapi_base") {
		t.Errorf("the scope is %s", scope)
	}
	w.follow("#logout")
	w.silently("xiaoming")
}

func TestABrowserSignsInWithConsent(t *testing.T) {
	t.Parallel()
	w := staged(t, demoQuirks).walker(t)
	w.is("xiaohong")
	w.shop()
	w.follow("#login-userinfo")
	w.allow("xiaohong")
	if name := w.text("#nickname"); name != "小红" {
		t.Errorf("the nickname is %s", name)
	}
	if scope := w.text("#scope"); !strings.Contains(scope, "snsapi_userinfo") {
		t.Errorf("the scope is %s", scope)
	}
	if user, app := w.text("#user-token"), w.text("#app-token"); user == app || user == "" || app == "" {
		t.Errorf("the two tokens begin with %q and %q", user, app)
	}
}

func TestANoLeadsToThePageThatSaysSo(t *testing.T) {
	t.Parallel()
	w := staged(t, demoQuirks).walker(t)
	w.is("xiaoming")
	w.sayNo()
	w.follow("#again")
	w.allow("xiaoming")
}

// sayNo denies until the shop hears of it: one of the three forms that a no has
// with WeChat is silence.
func (w *walker) sayNo() {
	w.t.Helper()
	for range 60 {
		w.shop()
		w.follow("#login-userinfo")
		w.at("body#consent")
		w.follow("button[value=deny]")
		w.at("body#denied")
		if strings.HasPrefix(w.url(), w.d.shop.url) {
			return
		}
	}
	w.t.Fatal("the shop never hears of a no")
}

// WeChat's own browser asks twice now and then, and throws the first answer
// away.
func TestACallbackThatIsFetchedTwiceArrives(t *testing.T) {
	t.Parallel()
	w := staged(t, demoQuirks).walker(t)
	w.is("xiaoming")
	for range 60 { // it is one in four
		w.shop()
		callback := w.hold(w.callbacks(), func() { w.press("#login-base") })
		callback.let()
		w.signedIn("xiaoming")
		if w.asked(callback.url) > 1 {
			return
		}
		w.follow("#logout")
	}
	t.Error("no callback was fetched twice")
}

func TestACallbackThatIsReloadedArrivesToo(t *testing.T) {
	t.Parallel()
	w := staged(t, demoQuirks).walker(t)
	w.is("xiaoming")
	var callback held
	for {
		w.shop()
		before := w.d.exchanges()
		callback = w.hold(w.callbacks(), func() { w.press("#login-base") })
		callback.let()
		w.signedIn("xiaoming")
		if w.d.exchanges() == before+1 {
			break
		}
		w.follow("#logout") // WeChat was busy, so another callback led here
	}
	w.do("reload", chromedp.Reload())
	w.signedIn("xiaoming")
	reloads := 0
	for ; ; reloads++ {
		w.open(callback.url)
		if !strings.HasPrefix(w.url(), w.d.shop.url) {
			break
		}
		w.signedIn("xiaoming")
	}
	if reloads < 3 || reloads > 4 { // a login has five codes, and WeChat may have fetched twice
		t.Errorf("%d reloads arrived", reloads)
	}
	if heading := w.text("h1"); heading != "登录已过期" {
		t.Errorf("the page says %q", heading)
	}
	w.follow("main a")
	w.signedIn("xiaoming")
}

func TestTheBackButtonBreaksNothing(t *testing.T) {
	t.Parallel()
	w := staged(t, demoQuirks).walker(t)
	w.is("xiaoming")
	w.shop()
	w.follow("#login-userinfo")
	w.allow("xiaoming")
	w.back()
	w.at("body#consent")
	w.follow("button[value=allow]") // another code for a login that is over
	w.at("main a, #openid")
	if !strings.HasPrefix(w.url(), w.d.shop.url) {
		if heading := w.text("h1"); heading != "登录已过期" {
			t.Errorf("the page says %q", heading)
		}
		w.follow("main a")
	} // else WeChat was busy, so it was a login that may have two
	w.signedIn("xiaoming")
	w.follow("#logout")
	w.silently("xiaoming")
}

func TestTwoTabsSignInAtOnce(t *testing.T) {
	t.Parallel()
	one := staged(t, demoQuirks).walker(t)
	one.is("laowang")
	two := &walker{one.another(), one.d}
	for _, w := range []*walker{one, two} {
		w.shop()
	}
	for _, w := range []*walker{one, two} {
		w.follow("#login-userinfo")
		w.at("body#consent")
	}
	for _, w := range []*walker{one, two} {
		w.follow("button[value=allow]")
	}
	for _, w := range []*walker{one, two} {
		w.allowed("laowang")
	}
}

func TestAnotherBrowserIsRefusedAndBurnsNothing(t *testing.T) {
	t.Parallel()
	d := staged(t, demoQuirks)
	victim, thief := d.walker(t), d.walker(t)
	victim.is("xiaoming")
	victim.shop()
	callback := victim.hold(victim.callbacks(), func() { victim.press("#login-base") })

	for range 2 { // with no cookie of Hufu's, and with one of their own
		thief.open(callback.url)
		if heading := thief.text("h1"); heading != "请重新登录" {
			t.Errorf("the page says %q", heading)
		}
		thief.console()
		thief.follow("main a")
		thief.shop()
		thief.follow("#login-base")
		thief.at("body#users")
	}
	if n := d.exchanges(); n > 0 {
		t.Errorf("the code was exchanged %d times", n)
	}

	callback.let()
	victim.signedIn("xiaoming")
}

func TestTwoBrowsersAreTwoUsers(t *testing.T) {
	t.Parallel()
	d := staged(t, demoQuirks)
	one, two := d.walker(t), d.walker(t)
	one.is("xiaoming")
	two.is("xiaohong")
	one.silently("xiaoming")
	two.silently("xiaohong")
	one.do("reload", chromedp.Reload())
	one.signedIn("xiaoming")
}

// exchanges is how many codes were brought to WeChat.
func (d *demonstration) exchanges() (n int) {
	for _, r := range d.sim.History() {
		if r.Path == "/sns/oauth2/access_token" {
			n++
		}
	}
	return n
}

// Everything that the shop shows.
func TestEveryPageOfTheShopIsReadable(t *testing.T) {
	t.Parallel()
	w := staged(t, demoQuirks).walker(t)
	w.is("xiaoming")
	w.shop()
	w.look("shop-home", "欢迎光临虎符小店", "Welcome to Hufu's corner shop")
	w.open(w.d.shop.url + "/callback?error=access_denied&state=S")
	w.look("shop-mismatch", "这次登录不是在这个浏览器里开始的", "This login did not begin in this browser")
	w.open(w.d.shop.url + "/login?scope=none")
	w.look("shop-error", "登录没有成功", "The login did not succeed")
	w.silently("xiaoming")
	w.look("shop-base", "你好", "Hello")
	w.follow("#logout")
	w.follow("#login-userinfo")
	w.allow("xiaoming")
	w.look("shop-userinfo", "你好，小明", "Hello, 小明")
	w.follow("#logout")
	w.sayNo()
	w.look("shop-denied", "你没有同意授权", "You did not agree")
}
