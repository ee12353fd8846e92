package main

import (
	"log/slog"
	"time"
)

// logger writes text to a terminal and JSON to anything else. HUFU_LOG is the
// least level: debug, info (as without), warn, error.
func (p *program) logger() (*slog.Logger, error) {
	level := slog.LevelInfo
	if v := p.variable("HUFU_LOG"); v != "" {
		if err := level.UnmarshalText([]byte(v)); err != nil {
			return nil, misused(p.say("log.level"), p.say("log.level.hint"))
		}
	}
	if !p.errTTY {
		return slog.New(slog.NewJSONHandler(p.err, &slog.HandlerOptions{Level: level})), nil
	}
	return slog.New(slog.NewTextHandler(p.err, &slog.HandlerOptions{
		Level: level,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey && len(groups) == 0 {
				return slog.String(a.Key, a.Value.Time().Format(time.TimeOnly))
			}
			return a
		},
	})), nil
}
