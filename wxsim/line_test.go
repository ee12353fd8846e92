package wxsim

import (
	"regexp"
	"testing"
	"testing/synctest"
	"time"
)

func TestClassicSuccessReplacesTheToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := dull(t, Options{})
		first := k.wantToken("first", k.classic())
		time.Sleep(time.Hour)
		second := k.wantToken("second", k.classic())
		if first.token == second.token {
			t.Fatal("a classic token was handed out twice")
		}
		if first.expiresIn != 7200 || second.expiresIn != 7200 {
			t.Errorf("expires_in: got %d and %d, want 7200", first.expiresIn, second.expiresIn)
		}
		time.Sleep(5*time.Minute - 1)
		if !k.Valid(appID, first.token) || k.use(first.token) != 0 {
			t.Error("the replaced token died before its overlap was over")
		}
		time.Sleep(time.Nanosecond)
		if k.Valid(appID, first.token) {
			t.Error("the replaced token outlived its overlap")
		}
		if code := k.use(first.token); code != 40001 {
			t.Errorf("superseded: got %d, want 40001", code)
		}
		time.Sleep(2*time.Hour - 5*time.Minute - 1)
		if !k.Valid(appID, second.token) {
			t.Error("the current token died early")
		}
		time.Sleep(time.Nanosecond)
		if code := k.use(second.token); code != 42001 || k.Valid(appID, second.token) {
			t.Errorf("aged out: got %d, want 42001", code)
		}
	})
}

func TestOverlapNeverLengthensALife(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := dull(t, Options{})
		first := k.classic().token
		time.Sleep(2*time.Hour - time.Minute)
		k.classic()
		time.Sleep(time.Minute)
		if k.Valid(appID, first) {
			t.Error("a replaced token lived longer than was told")
		}
	})
}

func TestThirdTokenEndsTheFirst(t *testing.T) {
	t.Parallel()
	for _, three := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			o := Options{Quirks: NoQuirks}
			if three {
				o.Quirks |= ThreeTokens
			}
			k := dull(t, o)
			first, second, third := k.classic().token, k.classic().token, k.classic().token
			if got := k.Valid(appID, first); got != three {
				t.Errorf("ThreeTokens %v: first token valid: got %v", three, got)
			}
			if !k.Valid(appID, second) || !k.Valid(appID, third) {
				t.Error("the second token is in its overlap and the third is current; one is refused")
			}
			time.Sleep(5 * time.Minute)
			if k.Valid(appID, first) || k.Valid(appID, second) || !k.Valid(appID, third) {
				t.Error("after the overlap only the third may live")
			}
		})
	}
}

func TestStableRepeatsTheTokenUntilItsLastOverlap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := dull(t, Options{})
		first := k.wantToken("first", k.stableAsk(false))
		time.Sleep(115*time.Minute - time.Second)
		again := k.stableAsk(false)
		if again.token != first.token || again.expiresIn != 301 {
			t.Errorf("got the same token %v with expires_in %d, want true with 301", again.token == first.token, again.expiresIn)
		}
		time.Sleep(time.Second)
		next := k.stableAsk(false)
		if next.token == first.token || next.expiresIn != 7200 {
			t.Errorf("with 300 s left: got the same token %v, expires_in %d", next.token == first.token, next.expiresIn)
		}
		time.Sleep(5*time.Minute - 1)
		if !k.Valid(appID, first.token) {
			t.Error("the old token must live its life to the end")
		}
		time.Sleep(time.Nanosecond)
		if k.Valid(appID, first.token) || !k.Valid(appID, next.token) {
			t.Error("the old token must end and the new one live")
		}
		if n := k.IssuesOf(appID, Stable); n != 2 {
			t.Errorf("issues: got %d, want 2", n)
		}
		if n := k.Asked(appID, Stable); n != 3 {
			t.Errorf("asked: got %d, want 3", n)
		}
	})
}

func TestForcingTwiceKillsALeakedToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := dull(t, Options{})
		leaked := k.stableAsk(false).token
		second := k.stableAsk(true).token
		if second == leaked || !k.Valid(appID, leaked) {
			t.Fatal("one force_refresh: want a new token and an overlap for the leaked one")
		}
		time.Sleep(30*time.Second - 1)
		if soon := k.stableAsk(true); soon.token != second {
			t.Error("within 30 s force_refresh must hand out the current token")
		}
		time.Sleep(time.Nanosecond)
		third := k.stableAsk(true).token
		if third == second || k.Valid(appID, leaked) || !k.Valid(appID, second) {
			t.Error("the second force_refresh must end the leaked token at once")
		}
	})
}

func TestTwentyForcedRefreshesADay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := dull(t, Options{})
		for range 20 {
			k.wantToken("forced", k.stableAsk(true))
			time.Sleep(30 * time.Second)
		}
		k.wantCode("the 21st", k.stableAsk(true), 45009)
		k.wantToken("not forced", k.stableAsk(false))
		time.Sleep(time.Until(midnight(time.Now())))
		k.wantToken("after midnight", k.stableAsk(true))
	})
}

func TestLinesDoNotEndEachOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := dull(t, Options{})
		stable := k.stableAsk(false).token
		for range 5 {
			k.classic()
		}
		if !k.Valid(appID, stable) || k.use(stable) != 0 {
			t.Error("classic requests ended the stable token")
		}
		classic := k.Current(appID, Classic)
		for range 3 {
			time.Sleep(30 * time.Second)
			k.stableAsk(true)
		}
		if !k.Valid(appID, classic) || k.use(classic) != 0 {
			t.Error("forced refreshes ended the classic token")
		}
	})
}

func TestTokensLookLikeWeChats(t *testing.T) {
	t.Parallel()
	shape := regexp.MustCompile(`^[0-9]+_[A-Za-z0-9_-]+[A-Z]{6}$`)
	for _, c := range []struct{ length, classic, stable int }{{0, 157, 136}, {512, 512, 512}} {
		k := dull(t, Options{TokenLength: c.length})
		a, b := k.classic().token, k.stableAsk(false).token
		if len(a) != c.classic || len(b) != c.stable || !shape.MatchString(a) || !shape.MatchString(b) {
			t.Errorf("got %q (%d) and %q (%d)", a, len(a), b, len(b))
		}
	}
}

func TestSameSeedSameTokens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, b, c := dull(t, Options{Seed: 7}), dull(t, Options{Seed: 7}), dull(t, Options{})
		x, y, z := a.classic().token, b.classic().token, c.classic().token
		if x != y || x == z || c.Seed() == 0 {
			t.Errorf("seed 7 twice gave %q and %q; another seed %q", x, y, z)
		}
	})
}

func TestSpeedMakesTheDayPassFaster(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := dull(t, Options{Speed: 60})
		begin := k.Now()
		first := k.classic()
		if first.expiresIn != 120 {
			t.Errorf("expires_in: got %d, want 120 seconds of the caller", first.expiresIn)
		}
		time.Sleep(time.Minute)
		if d := k.Now().Sub(begin); d != time.Hour {
			t.Errorf("a minute of the caller: got %v of the platform, want 1h", d)
		}
		k.classic()
		time.Sleep(5*time.Second - 1)
		if !k.Valid(appID, first.token) {
			t.Error("the overlap is 5 s of the caller; the token died before")
		}
		time.Sleep(time.Nanosecond)
		if k.Valid(appID, first.token) {
			t.Error("the overlap is 5 s of the caller; the token lived longer")
		}
		forced := k.stableAsk(true).token
		time.Sleep(500 * time.Millisecond)
		if k.stableAsk(true).token == forced {
			t.Error("forced refreshes are 500 ms of the caller apart")
		}
	})
}

func TestShortLivesScaleTheirOverlap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := dull(t, Options{Life: 24 * time.Second})
		first := k.classic()
		k.classic()
		if first.expiresIn != 24 {
			t.Errorf("expires_in: got %d, want 24", first.expiresIn)
		}
		time.Sleep(time.Second - 1)
		if !k.Valid(appID, first.token) {
			t.Error("the overlap of 24 s is 1 s; the token died before")
		}
		time.Sleep(time.Nanosecond)
		if k.Valid(appID, first.token) {
			t.Error("the overlap of 24 s is 1 s; the token lived longer")
		}
	})
}

func TestNoOverlapEndsTheOldTokenAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := dull(t, Options{Overlap: -1})
		first := k.classic().token
		k.classic()
		if k.Valid(appID, first) {
			t.Error("without overlap the old token must be dead")
		}
	})
}

func TestOracleForgetsOnlyTheLongDead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := dull(t, Options{})
		if at := k.LastIssue(appID); !at.IsZero() {
			t.Errorf("last issue before the first: got %v", at)
		}
		first := k.classic().token
		info, ok := k.TokenInfo(appID, first)
		if !ok || !info.Current || !info.Alive || info.Line != Classic || info.Generation != 1 || !info.Ends.Equal(info.Issued.Add(2*time.Hour)) {
			t.Errorf("got %+v, %v", info, ok)
		}
		for range 3 * keep {
			time.Sleep(time.Hour)
			k.classic()
		}
		if _, ok := k.TokenInfo(appID, first); ok {
			t.Error("a token of two days ago is still remembered")
		}
		if n := len(k.tokens); n > keep+1 {
			t.Errorf("got %d tokens in memory, want at most %d", n, keep+1)
		}
		if n := k.Issues(appID); n != 3*keep+1 {
			t.Errorf("issues: got %d", n)
		}
		if n := k.IssuesWithin(appID, 10*time.Hour); n != 10 {
			t.Errorf("issues within ten hours: got %d, want 10", n)
		}
		if l, ok := k.Line(appID, k.Current(appID, Classic)); !ok || l != Classic {
			t.Errorf("line: got %v, %v", l, ok)
		}
		if k.Valid("wx-other", k.Current(appID, Classic)) {
			t.Error("a token is valid for another app")
		}
		if !k.LastIssue(appID).Equal(k.Now()) {
			t.Error("last issue was just now")
		}
	})
}
