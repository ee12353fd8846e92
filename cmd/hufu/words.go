package main

import (
	"fmt"
	"strings"

	"github.com/hufu-project/hufu/internal/errcode"
)

// words is a language: what the program says to people. Programs read --json,
// which is the same in every language.
type words struct {
	table   map[string]string
	chinese bool
}

// wordsFor follows the locale, as POSIX says: LC_ALL, LC_MESSAGES, LANG.
func wordsFor(env func(string) (string, bool)) words {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if v, _ := env(name); v != "" {
			if strings.HasPrefix(strings.ToLower(v), "zh") {
				return words{chinese, true}
			}
			break
		}
	}
	return words{english, false}
}

// say gives the text under a key. A test makes sure that every key that the
// program names is in both tables.
func (w words) say(key string, args ...any) string {
	if len(args) == 0 {
		return w.table[key]
	}
	return fmt.Sprintf(w.table[key], args...)
}

// wordsOf is what WeChat's number means, and what to do.
func (w words) wordsOf(e errcode.Entry) errcode.Words {
	if w.chinese {
		return e.ZH
	}
	return e.EN
}
