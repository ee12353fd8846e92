package wxsim

import (
	"math/rand/v2"
	"sync"
)

// Quirk is a set of lawful oddities: things that WeChat does, or that its documentation allows,
// and that a caller must survive. Faults, which no caller deserves, are told by Fail.
type Quirk uint32

const (
	// RandomRID gives every request an id that cannot be foreseen, as WeChat's are: texts differ
	// from one answer to the next, so nobody may compare them. Off: ids count up.
	RandomRID Quirk = 1 << iota

	// ExtraFields adds a field that no documentation mentions to some answers: WeChat adds fields
	// without notice.
	ExtraFields

	// KeyOrder changes the order of an answer's keys; JSON gives it no meaning.
	KeyOrder

	// ContentTypes answers some calls as text/plain: both it and "application/json;
	// encoding=utf-8" have been seen on the same host.
	ContentTypes

	// OldTexts words some errors as in former years: the number is the contract, the text is not.
	OldTexts

	// LateTokens refuses a small share of new tokens with 40001 for up to two seconds (a 3600th of
	// the life): several reports blame the way between data centres. Valid does not know of it.
	LateTokens

	// ShortLives gives some classic tokens a life that is up to a 72nd shorter: the documentation
	// says "at present within 7200 seconds" and no more.
	ShortLives

	// Busy answers one request for a token in a hundred with -1, which is documented as "busy, try
	// again", half of them after a token was issued, or a code was used up: nothing promises that
	// busy means undone.
	Busy

	// SlowAnswers lets one answer in fifty take up to 1.5 s (of the caller; less where lives are
	// short): no time is promised.
	SlowAnswers

	// SlowConsole lets freezing, unfreezing and a change of the IP list take effect after ten
	// minutes, as the official pages say (developers/dev/api, developers/basic_func/ip_whitelist).
	// Off: at once.
	SlowConsole

	// ThreeTokens keeps every replaced token for its whole overlap; else a second replacement ends
	// it at once. WeChat promises "old and new", so either is lawful. Not among the defaults.
	ThreeTokens

	// CheckEveryIP checks the address on every call of cgi-bin, as official accounts have it; else
	// only where the AppSecret is sent, as mini programs have it. Not among the defaults.
	CheckEveryIP

	// NewIPCode answers half of the calls from an address that is not listed with 61004 in place of
	// 40164: WeChat's pages disagree. Not among the defaults.
	NewIPCode

	// MixedTokenCodes answers a bad token with any of 40001, 40014 and 42001: which one belongs to
	// which case is not documented, and callers must treat them as one. Not among the defaults.
	MixedTokenCodes

	// StrictOrder refuses an authorize address whose parameters are not in the documented order, or
	// are there twice: an older page says that the link is matched as text, and the FAQ blames the
	// order for "Scope 参数错误".
	StrictOrder

	// StrictState refuses a state that is missing (10013) or has more than 128 bytes or other
	// characters than letters and digits, as documented. Off: any state comes back as it was.
	StrictState

	// WeChatOnly shows nothing but 请在微信客户端打开链接 to a browser that is not WeChat's own.
	// Not among the defaults, so that people can try with any.
	WeChatOnly

	// DoubleFetch lets WeChat's browser fetch one callback in four twice, as many have seen on
	// Android: the second exchange of the same code is 40163.
	DoubleFetch

	// MixedDenials lets a user's no come back in any of the three forms that are documented or have
	// been seen, unless App.Denial says which. Off: with the state alone.
	MixedDenials

	// OldScopes puts a comma behind the scope of some answers, as old samples have it.
	OldScopes

	// NewRefreshTokens gives another refresh_token with every second refresh, and ends the old one:
	// no documentation says that it stays. Not among the defaults.
	NewRefreshTokens

	// MixedCodeErrors answers a used or an old code with any of 40029, 40163 and 42003: which one
	// belongs to which case is not documented. Not among the defaults.
	MixedCodeErrors

	// CallbackPorts is the one oddity that WeChat does not have: App.CallbackDomains may hold
	// addresses and host names with a port (127.0.0.1:8701, localhost:3000), and a redirect_uri may
	// lead there. WeChat refuses both (10003), so a login could not be tried on a laptop. Not among
	// the defaults.
	CallbackPorts

	// NoQuirks turns everything off: a platform at its dullest. It is a bit of its own, so that
	// the zero value can mean the defaults; it has no effect beside others.
	NoQuirks Quirk = 1 << 31

	// DefaultQuirks is what a Sim does unless told otherwise.
	DefaultQuirks = RandomRID | ExtraFields | KeyOrder | ContentTypes | OldTexts | LateTokens |
		ShortLives | Busy | SlowAnswers | SlowConsole | StrictOrder | StrictState | DoubleFetch |
		MixedDenials | OldScopes
)

// The rates of the quirks that do not happen always: one in so many.
const (
	rateExtraField = 4
	rateTextPlain  = 4
	rateOldText    = 3
	rateLateToken  = 20
	rateShortLife  = 4
	rateBusy       = 100
	rateSlow       = 50
	rateTwice      = 4
	rateOldScope   = 4
)

// dice is the one source of chance. A lock guards it, as requests come at once.
type dice struct {
	mu sync.Mutex
	r  *rand.Rand
}

func (d *dice) init(seed uint64) { d.r = rand.New(rand.NewPCG(seed, 0x6875667521)) }

// one is true once in n.
func (d *dice) one(n int) bool { return d.below(n) == 0 }

func (d *dice) below(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.r.IntN(n)
}

func (d *dice) chance(p float64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.r.Float64() < p
}

func (d *dice) word() uint32 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.r.Uint32()
}

func (d *dice) shuffle(n int, swap func(i, j int)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.r.Shuffle(n, swap)
}

// letters fills b with characters of the set, whose size must be a divisor of 256 to be fair, or
// small enough for nobody to care.
func (d *dice) letters(b []byte, set string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := 0; i < len(b); {
		for w, k := d.r.Uint64(), 0; k < 8 && i < len(b); k++ {
			b[i] = set[int(w&0xff)%len(set)]
			w >>= 8
			i++
		}
	}
}
