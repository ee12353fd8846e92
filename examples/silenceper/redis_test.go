//go:build unix

package main

import (
	"context"
	"testing"
	"time"

	"github.com/go-redis/redis/v8"
	"github.com/silenceper/wechat/v2/cache"

	"github.com/hufu-project/hufu/internal/sdktest"
	"github.com/hufu-project/hufu/internal/store/redis/redistest"
)

// older takes from the life of each key what has passed in the bubble, whose
// time Redis does not know.
const older = `for _, k in ipairs(redis.call('KEYS', '*')) do redis.call('PEXPIRE', k, redis.call('PTTL', k) - ARGV[1]) end`

func TestTheRedisCache(t *testing.T) {
	server := redistest.Start(t)
	// It is made outside the bubbles and used in all of them, so it must use nothing
	// that belongs to one: no timers, and a connection for each call. While somebody
	// reads from a socket the time of the bubble stands still.
	c := cache.NewRedis(context.Background(), &cache.RedisOpts{Host: server.Addr, PoolSize: 200, ReadTimeout: -1, WriteTimeout: -1, IdleTimeout: -1})
	admin := redis.NewClient(&redis.Options{Addr: server.Addr, ReadTimeout: -1, WriteTimeout: -1, IdleTimeout: -1})
	t.Cleanup(func() { _ = admin.Close() })
	sdktest.Try(t, func(t *testing.T, h *sdktest.Hufu) sdktest.SDK {
		if err := admin.FlushAll(context.Background()).Err(); err != nil {
			t.Fatal(err)
		}
		s := sdk(h, c)
		s.Passed = func(d time.Duration) {
			if err := admin.Eval(context.Background(), older, nil, d.Milliseconds()).Err(); err != nil && err != redis.Nil {
				t.Fatal(err)
			}
		}
		return s
	})
}
