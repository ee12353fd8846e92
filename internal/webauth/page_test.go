package webauth

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"rsc.io/qr"

	"github.com/hufu-project/hufu/internal/wechat"
)

func TestPagesSpeakTheBrowsersLanguage(t *testing.T) {
	t.Parallel()
	for accept, want := range map[string]string{
		"": "zh", "zh-CN,zh;q=0.9,en;q=0.8": "zh", "en-US,en;q=0.9": "en", "en;q=0.1, zh-TW": "zh", "zh;q=0,en;q=0.5": "en",
		"fr": "en", "*": "en", "zh;q=2": "en", ";;,,q=": "en", "EN": "en", "ZH": "zh",
	} {
		if got := language(accept); got != want {
			t.Errorf("%q: %s", accept, got)
		}
	}
	w := newWorld(t)
	resp := w.phone().get(webURL+authorizePath, func(r *http.Request) { r.Header.Set("Accept-Language", "en-GB") })
	if text := isPage(t, resp, http.StatusBadRequest, "Cannot sign in", `<html lang="en">`, `<body id="refused">`, "Request <code>"); strings.Contains(text, "无法登录") {
		t.Error(text)
	}
	isPage(t, w.phone().get(webURL+"/somewhere"), http.StatusNotFound, "没有这个页面")
	isPage(t, w.phone().get(webURL+"/a/%2e%2e/b"), http.StatusBadRequest, "无法登录")
}

func TestBothLanguagesHaveEveryPage(t *testing.T) {
	t.Parallel()
	for _, kind := range pageKinds {
		for lang, w := range words {
			if p := w.pages[kind]; p.title == "" || p.what == "" || p.alone == "" {
				t.Errorf("%s has no words for %s", lang, kind)
			}
		}
	}
	if len(words["zh"].pages) != len(words["en"].pages) {
		t.Error("one language has more pages")
	}
}

// Whoever reads a page is told to press a button that is there, or told what to
// do without one.
func TestPagesSpeakOfTheButtonOnlyWhereThereIsOne(t *testing.T) {
	t.Parallel()
	for lang, again := range map[string]string{"zh": "重新开始", "en": "Start again"} {
		for _, kind := range pageKinds {
			for _, home := range []string{"", "https://home.example.com/"} {
				v := view{kind: kind, lang: lang, words: words[lang], home: home}
				var b strings.Builder
				must(t, show(v).Render(t.Context(), &b))
				_, text, _ := strings.Cut(b.String(), "</h1>")
				text, button, _ := strings.Cut(text, "<a ")
				if there := strings.Contains(button, "href="); there != (home != "") || strings.Contains(text, again) && !there {
					t.Errorf("%s, %s, home %q: %s", lang, kind, home, b.String())
				}
				if !strings.Contains(b.String(), `<body id="`+string(kind)+`">`) || strings.Trim(string(kind), "abcdefghijklmnopqrstuvwxyz") != "" {
					t.Errorf("%s: no id that a test finds it by", kind)
				}
			}
		}
	}
}

// Nothing that came with a request stands on a page: no state, no nickname, no
// address but home_url, which the operator wrote.
func TestPagesShowNothingThatCameWithTheRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.phone()
	callback := p.callback(authorize(shop, site, wechat.ScopeUserInfo, "<canary>"))
	for _, address := range []string{
		webURL + authorizePath + "?appid=<canary>&state=<canary>&redirect_uri=https://<canary>",
		webURL + "/<canary>?<canary>", callback + "&x=<canary>&state=<canary>", webURL + callbackPath + "?code=canary&state=canary",
	} {
		resp := p.get(strings.ReplaceAll(strings.ReplaceAll(address, "<", "%3C"), ">", "%3E"))
		if text := body(resp); strings.Contains(text, "canary") || resp.StatusCode < 400 {
			t.Errorf("%s: %d %s", address, resp.StatusCode, text)
		}
	}
	for _, kind := range pageKinds {
		var b strings.Builder
		must(t, show(view{kind: kind, lang: "zh", words: words["zh"], home: `https://home.example.com/?a="><script>`, request: "r"}).Render(t.Context(), &b))
		if strings.Contains(b.String(), "<script") || regexp.MustCompile(`(?i)\s(on\w+|style)=`).MatchString(b.String()) {
			t.Errorf("%s runs or styles something: %s", kind, b.String())
		}
	}
}

func TestOutsideOfWeChatThereIsACodeToScan(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.phone()
	p.ua = "Mozilla/5.0 (X11; Linux x86_64) Chrome/140"
	address := authorize(shop, site, wechat.ScopeBase, "S1")
	text := isPage(t, p.get(address), http.StatusBadRequest, "请在微信中打开", "<svg ", "扫一扫", `<body id="outside">`)
	if w.logins() != 0 {
		t.Error("a login was begun")
	}
	// What is drawn is the address itself: compared with the library's own.
	code, err := qr.Encode(address, qr.L)
	must(t, err)
	dark := map[[2]int]bool{}
	for _, m := range regexp.MustCompile(`M(\d+) (\d+)h(\d+)v1`).FindAllStringSubmatch(text, -1) {
		for i := range number(t, m[3]) {
			dark[[2]int{number(t, m[1]) - 4 + i, number(t, m[2]) - 4}] = true
		}
	}
	for y := range code.Size {
		for x := range code.Size {
			if dark[[2]int{x, y}] != code.Black(x, y) {
				t.Fatalf("the dot at %d, %d is wrong", x, y)
			}
		}
	}
	// Another platform than WeChat's own may take any browser.
	open, closed := *w.conf, w.conf
	open.WeChat.OpenURL = "http://127.0.0.1:8780"
	w.conf = &open
	if resp := p.get(address); resp.StatusCode != http.StatusSeeOther {
		t.Error(resp.StatusCode)
	}
	if drawQR(strings.Repeat("x", 4000)) != "" {
		t.Error("what does not fit is drawn")
	}
	w.conf = closed
	long := authorize(shop, site, wechat.ScopeBase, strings.Repeat("虎", maxState/3))
	if text := isPage(t, p.get(long), http.StatusBadRequest, "请复制浏览器里的地址"); strings.Contains(text, "<svg") || strings.Contains(text, "扫一扫") {
		t.Error("a code is spoken of that is not there:", text)
	}
}

func number(t *testing.T, s string) (n int) {
	t.Helper()
	for _, c := range s {
		n = 10*n + int(c-'0')
	}
	return n
}

func TestVerifyFilesAreServedAtTheRootAndBelowAPath(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, path := range []string{"/MP_verify_AbCdEf0123456789.txt", "/wx/MP_verify_AbCdEf0123456789.txt"} {
		if resp := w.phone().get(webURL + path); resp.StatusCode != http.StatusOK || body(resp) != "AbCdEf0123456789" {
			t.Error(path, resp.StatusCode)
		}
	}
	head := w.phone().get(webURL+"/MP_verify_AbCdEf0123456789.txt", func(r *http.Request) { r.Method = http.MethodHead })
	if head.StatusCode != http.StatusOK {
		t.Error(head.StatusCode)
	}
	isPage(t, w.phone().get(webURL+"/MP_verify_x.txt"), http.StatusNotFound)
}

func TestAWebURLMayHaveAPathAndBeAnApps(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range w.apps {
		if w.apps[i].AppID == shop {
			w.apps[i].WebURL = "https://auth.example.com/wx"
		}
	}
	w.declare()
	p := w.phone()
	u, err := url.Parse(p.callback(authorize(shop, site, wechat.ScopeBase, "S")))
	if err != nil || u.Path != "/wx/callback" {
		t.Fatal(u, err)
	}
	p.arrive(u.RequestURI())
}
