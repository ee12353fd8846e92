// Package wxsim is a WeChat platform for tests and laptops: the part of it that issues and accepts
// access tokens, and the part that tells a site who its user is.
//
// Its goals, in this order:
//
//   - to be faithful: both token lines with their overlap, quotas by Beijing's calendar, every
//     refusal with WeChat's number and words, the rules of the wire;
//   - to misbehave lawfully from the start, so that a caller that works here works there;
//   - to judge its caller: Violations lists what WeChat would mind, or what would have cost a token;
//   - to be useless in production: it forgets everything when it ends, makes random tokens, and
//     listens where no stranger can reach it.
//
// # In one process
//
//	sim := wxsim.New(wxsim.Options{})
//	sim.AddApp(wxsim.App{ID: "wx0123456789abcdef", Secret: "0123456789abcdef0123456789abcdef"})
//	client := &http.Client{Transport: sim.Transport()}
//	client.Get("https://api.weixin.qq.com/cgi-bin/token?grant_type=client_credential&appid=…&secret=…")
//
// There are no goroutines, no sockets and no clock to inject: inside a testing/synctest bubble a
// day passes in a moment. Outside, Options.Speed makes time run. Serve listens on two ports, one
// for the API and one for Management.
//
// # Web authorization
//
// The pages of open.weixin.qq.com are real pages, good on a phone: a person chooses who to be and
// says yes or no. Nothing on them leads to an absolute path, so they may stand below any. The id
// of their body says what they are: users, consent, scan, denied, twice or error. In one process a Browser
// plays the person:
//
//	sim.AddApp(wxsim.App{ID: …, Secret: …, CallbackDomains: []string{"site.example"}})
//	phone := wxsim.Browser{Sim: sim, User: "xiaoming"}
//	callbacks, err := phone.Authorize(ctx, "https://open.weixin.qq.com/connect/oauth2/authorize?appid=…#wechat_redirect")
//
// Three users are there from the start. A user's openid is the same in every run: see OpenID. A
// user's token is of no use on /cgi-bin, an app's is of none on /sns, and the judge minds both.
// Reasons that WeChat shows without a number count as negative errcodes in History.
//
// # Times
//
// All times of the platform follow Options.Life: with L the life of a token, the overlap is L/24
// (5 min of 2 h) and so is the life of a code, forced refreshes are L/240 apart (30 s), a minute of its limits is L/120. Days,
// months and the ten minutes of the console do not shrink with L, but pass Speed times as fast.
// An expires_in is in seconds of the caller.
//
// # Quirks
//
// A quirk is lawful: WeChat does it, or may. Each is a bit of Options.Quirks.
//
//	quirk            by default  what the caller sees
//	RandomRID        on          an unforeseeable request id at the end of each errmsg
//	ExtraFields      on          a field nobody documented, in one answer of 4
//	KeyOrder         on          keys of an answer in any order
//	ContentTypes     on          text/plain in one answer of 4
//	OldTexts         on          errmsg in older words, one time in 3
//	LateTokens       on          one new token in 20 is refused for its first 0-2 s
//	ShortLives       on          one classic token in 4 lives 7100-7200 s
//	Busy             on          -1 for one request in 100 for a token; half of them issued one
//	SlowAnswers      on          one answer in 50 takes up to 1.5 s
//	SlowConsole      on          freeze, unfreeze and IP list act after 10 minutes
//	ThreeTokens      off         a token replaced twice lives on for its own overlap
//	CheckEveryIP     off         the IP list holds for every call, not only those with a secret
//	NewIPCode        off         61004 in place of 40164, half of the time
//	MixedTokenCodes  off         40001, 40014 and 42001 for any bad token
//	StrictOrder      on          parameters of an authorize address count in the documented order only
//	StrictState      on          a state is 1-128 letters and digits; 10013 without one
//	DoubleFetch      on          one callback in 4 is fetched twice by WeChat's browser
//	MixedDenials     on          a user's no comes back in any of three forms
//	OldScopes        on          a comma behind the scope, in one answer of 4
//	WeChatOnly       off         the pages of authorize are for WeChat's own browser only
//	NewRefreshTokens off         every second refresh replaces the refresh_token
//	MixedCodeErrors  off         40029, 40163 and 42003 for any used or old code
//	CallbackPorts    off         callback domains may have a port or be an address; WeChat allows neither
//
// To turn one off: Options{Quirks: wxsim.DefaultQuirks &^ wxsim.Busy}. All: wxsim.NoQuirks.
//
// # Faults
//
// What no documentation allows happens only when Fail says so: a refused, reset or hanging
// connection, a lost answer, HTML, cut JSON, an expires_in of another type and so on; see Mode.
//
// # Growing
//
// A subject (tickets, the component platform …) is one file with a function that returns its routes; New
// lists these functions. State of an app stands in app, what people do in acts.go.
package wxsim
