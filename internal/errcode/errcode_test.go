package errcode

import (
	"slices"
	"testing"
	"unicode"
)

func TestTableIsCompleteAndSpeaksBothLanguages(t *testing.T) {
	t.Parallel()
	seen := map[int]bool{}
	for i, e := range table {
		if seen[e.Code] {
			t.Errorf("%d stands twice", e.Code)
		}
		seen[e.Code] = true
		if i > 2 && table[i-1].Code > e.Code {
			t.Errorf("%d is out of order", e.Code)
		}
		for _, w := range []string{e.EN.Meaning, e.EN.Hint, e.ZH.Meaning, e.ZH.Hint} {
			if w == "" {
				t.Errorf("%d has no words", e.Code)
			}
		}
		if !chinese(e.ZH.Meaning) || !chinese(e.ZH.Hint) || chinese(e.EN.Meaning) {
			t.Errorf("%d mixes its languages", e.Code)
		}
		waits := slices.ContainsFunc([]Class{e.Issue, ForIssueWith(e.Code)}, func(c Class) bool { return c == Block || c == Wait })
		if waits != (e.Pause > 0) {
			t.Errorf("%d: class %s, pause %v", e.Code, e.Issue, e.Pause)
		}
	}
}

func chinese(s string) bool {
	for _, r := range s {
		if unicode.Is(unicode.Han, r) {
			return true
		}
	}
	return false
}

// What a number asks of us, by the pages of WeChat that table.go names.
func TestClasses(t *testing.T) {
	t.Parallel()
	for class, codes := range map[Class][]int{
		Block:   {40001, 40002, 40013, 40125, 40164, 40243, 41002, 41004, 48004, 50002, 50004, 50007, 61004, 89503, 89506, 89507},
		Quota:   {45009},
		Wait:    {45011},
		Unclear: {-1, -1000, 0, 99999, 42001},
	} {
		for _, code := range codes {
			if got := ForIssue(code); got != class {
				t.Errorf("%d to an issue asks for %q, want %q", code, got, class)
			}
		}
	}
	// With a token in place of the AppSecret a dead token is the token's news.
	for class, codes := range map[Class][]int{
		Renew:   {40001, 40014, 42001},
		Block:   {40013, 40097, 40164, 41001, 48001, 48004, 50004, 61007, 89503},
		Quota:   {45009},
		Wait:    {45011},
		Unclear: {-1, 0, 99999},
	} {
		for _, code := range codes {
			if got := ForIssueWith(code); got != class {
				t.Errorf("%d to an issue with a token asks for %q, want %q", code, got, class)
			}
		}
	}
	for code, dead := range map[int]bool{
		40001: true, 40014: true, 42001: true,
		0: false, -1: false, 41001: false, 42007: false, 45009: false, 48001: false, 61007: false, 40164: false, 40125: false,
	} {
		if DeadToken(code) != dead {
			t.Errorf("%d: dead %v, want %v", code, DeadToken(code), dead)
		}
	}
}

func TestAnUnknownNumberSaysSo(t *testing.T) {
	t.Parallel()
	e, ok := Lookup(123456)
	if ok || e.Code != 123456 || e.EN.Meaning == "" || e.ZH.Meaning == "" {
		t.Errorf("%+v, %v", e, ok)
	}
}
