package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// glance is one way to look at a page.
type glance struct {
	lang          string
	width, height int64
	dark          bool
}

// glances are how every page is looked at: on a phone, by night, on a desk. For
// pictures it is each of them in each language.
var glances = []glance{
	{lang: "zh", width: 390, height: 844},
	{lang: "en", width: 390, height: 844, dark: true},
	{lang: "zh", width: 1280, height: 800},
}

// shots is the folder for pictures; none without.
func shots() string { return os.Getenv("HUFU_SHOTS") }

func (g glance) String() string {
	if g.dark {
		return fmt.Sprintf("%s-%d-dark", g.lang, g.width)
	}
	return fmt.Sprintf("%s-%d", g.lang, g.width)
}

// languages are what the browser asks for.
var languages = map[string]string{"zh": "zh-CN,zh,en", "en": "en-GB,en"}

// wears makes the browser one with that size, language and light.
func (p *tab) wears(g glance) {
	p.t.Helper()
	size := []chromedp.EmulateViewportOption{chromedp.EmulateScale(1)}
	agent := "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"
	if g.width < 600 {
		size = []chromedp.EmulateViewportOption{chromedp.EmulateScale(2), chromedp.EmulateMobile}
	}
	light := "light"
	if g.dark {
		light = "dark"
	}
	p.do("wear "+g.String(), chromedp.EmulateViewport(g.width, g.height, size...),
		call(emulation.SetUserAgentOverride, emulation.SetUserAgentOverrideParams{UserAgent: agent, AcceptLanguage: languages[g.lang]}),
		call(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: light}}}),
	)
}

// call is a command of the protocol as a step.
func call[P, R any](command cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, t *chromedp.Target) (v chromedp.Void, err error) {
		_, err = cdp.Call(ctx, t, command, params)
		return v, err
	}
}

// look opens the page that the browser is at in both languages and on several
// screens, and minds what a person would. zh and en are its headings; a page
// without an English one is Chinese for everybody. With HUFU_SHOTS=folder it
// leaves pictures there, as name-language-width.png.
func (p *tab) look(name, zh, en string) {
	p.t.Helper()
	address, _, _ := strings.Cut(p.url(), "#") // with a fragment nothing would be opened
	p.glance(name, zh, en, func() { p.open(address) })
}

// glimpse looks at a page that cannot be opened again, such as the answer to a
// form.
func (p *tab) glimpse(name, zh string) { p.t.Helper(); p.glance(name, zh, "", func() {}) }

func (p *tab) glance(name, zh, en string, again func()) {
	p.t.Helper()
	headings := map[string]string{"zh": zh, "en": en}
	for _, g := range glances {
		langs := []string{g.lang}
		switch {
		case en == "":
			langs = []string{"zh"}
		case shots() != "":
			langs = []string{"zh", "en"}
		}
		for _, g.lang = range langs {
			p.wears(g)
			again()
			p.see(name+"-"+g.String(), g, headings[g.lang])
		}
	}
}

// see minds what is wrong with a page, and draws it.
func (p *tab) see(name string, g glance, heading string) {
	p.t.Helper()
	p.at("h1")
	if got := p.text("h1"); got != heading {
		p.t.Errorf("%s: the heading is %q, want %q", name, got, heading)
	}
	if lang := get[string](p, "document.documentElement.lang"); !strings.HasPrefix(lang, g.lang) {
		p.t.Errorf("%s: the page says that its language is %q", name, lang)
	}
	if wide := get[int64](p, "document.documentElement.scrollWidth"); wide > g.width {
		p.t.Errorf("%s: it is %d wide, and has to be scrolled", name, wide)
	}
	for _, pale := range get[[]string](p, paleText) {
		p.t.Errorf("%s: hard to read: %s", name, pale)
	}
	for _, small := range get[[]string](p, smallButtons) {
		p.t.Errorf("%s: hard to hit with a finger: %s", name, small)
	}
	if dir := shots(); dir != "" {
		png, err := chromedp.Run(p.ctx, chromedp.FullScreenshot(100))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644)
		}
		if err != nil {
			p.t.Error(err)
		}
	}
}

// paleText finds text whose contrast with what is behind it is below 4.5, which
// WCAG 2.2 wants (1.4.3).
const paleText = `(() => {
	const parse = c => (c.match(/[\d.]+/g) || []).map(Number);
	const light = c => c.slice(0, 3).map(v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
		.reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
	const behind = e => {
		for (; e; e = e.parentElement) {
			const c = parse(getComputedStyle(e).backgroundColor);
			if (c.length == 3 || c[3] == 1) return c;
		}
		return matchMedia("(prefers-color-scheme: dark)").matches && getComputedStyle(document.documentElement).colorScheme.includes("dark") ? [18, 18, 18] : [255, 255, 255];
	};
	const pale = [];
	for (const e of document.body.querySelectorAll("*")) {
		if (![...e.childNodes].some(n => n.nodeType == 3 && n.data.trim()) || !e.checkVisibility() || e.closest("svg, script, style")) continue;
		const [a, b] = [light(parse(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
		const ratio = (a + .05) / (b + .05);
		if (ratio < 4.5) pale.push(e.tagName.toLowerCase() + " " + ratio.toFixed(2) + " " + e.innerText.slice(0, 40));
	}
	return pale;
})()`

// smallButtons finds what is to be pressed and is lower than 44 pixels, if it
// is no word in a text.
const smallButtons = `[...document.querySelectorAll("a, button")]
	.filter(e => e.checkVisibility() && getComputedStyle(e).display != "inline" && e.getBoundingClientRect().height < 44)
	.map(e => e.innerText + " " + e.getBoundingClientRect().height)`
