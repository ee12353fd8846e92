package redis

import (
	"context"
	"crypto/sha1" //nolint:gosec // Redis names scripts so
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/hufu-project/hufu/internal/store"
)

// script is what runs inside Redis, all or nothing, and nobody in between.
type script struct{ text, sha string }

var (
	//go:embed write.lua
	writeText string
	//go:embed read.lua
	readText string
	//go:embed keys.lua
	keysText string

	writeScript, readScript, keysScript = newScript(writeText), newScript(readText), newScript(keysText)
)

func newScript(text string) script {
	sum := sha1.Sum([]byte(text))
	return script{text, hex.EncodeToString(sum[:])}
}

// on runs the script by its name, and by its text where Redis does not know it
// (yet, or no more). The driver never sends a command twice by itself.
func (sc script) on(ctx context.Context, c rueidis.CoreClient, keys []string, args ...string) ([]rueidis.RedisMessage, error) {
	do := func(command, what string) rueidis.RedisResult {
		return c.Do(ctx, c.B().Arbitrary(command, what, strconv.Itoa(len(keys))).Keys(keys...).Args(args...).Build())
	}
	answer := do("EVALSHA", sc.sha)
	if e, ok := rueidis.IsRedisErr(answer.Error()); ok && e.IsNoScript() {
		answer = do("EVAL", sc.text)
	}
	return answer.ToArray()
}

// run runs a script that writes nothing.
func (s *Store) run(ctx context.Context, sc script, keys []string, args ...string) ([]rueidis.RedisMessage, error) {
	return await(ctx, func(ctx context.Context) ([]rueidis.RedisMessage, error) {
		return sc.on(ctx, s.client, keys, args...)
	})
}

// replicaTime is how long a write waits for replicas.
const replicaTime = time.Second

// runDurably runs a script that writes and, where that is asked for, waits
// until enough replicas have what it wrote.
func (s *Store) runDurably(ctx context.Context, sc script, keys []string, args ...string) ([]rueidis.RedisMessage, error) {
	return await(ctx, func(ctx context.Context) (answer []rueidis.RedisMessage, err error) {
		if s.replicas == 0 {
			return sc.on(ctx, s.client, keys, args...)
		}
		// WAIT is about what its own connection wrote.
		err = s.client.Dedicated(func(c rueidis.DedicatedClient) error {
			if answer, err = sc.on(ctx, c, keys, args...); err != nil || len(answer) == 1 {
				return err
			}
			n, err := c.Do(ctx, c.B().Arbitrary("WAIT", strconv.Itoa(s.replicas), strconv.FormatInt(replicaTime.Milliseconds(), 10)).Build()).AsInt64()
			if err == nil && n < int64(s.replicas) {
				err = fmt.Errorf("only %d of %d replicas have it", n, s.replicas)
			}
			if err != nil {
				// Whatever Redis says now, it was written.
				err = fmt.Errorf("%w: %w", store.ErrUnsure, err)
			}
			return err
		})
		return answer, err
	})
}

// await gives what f gives, or ctx's error as soon as that ends. Then f goes
// on by itself and ends by the time-outs of the connection: a caller in a
// hurry must not break what other callers share.
func await[T any](ctx context.Context, f func(context.Context) (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := f(context.WithoutCancel(ctx))
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// unsent is an error from before a command was on its way.
type unsent struct{ error }

func (u unsent) Unwrap() error { return u.error }

// refusals are the first words of Redis's errors that come before a script's
// first write. Others may come from the middle of one.
var refusals = map[string]bool{
	"ASK": true, "BUSY": true, "CLUSTERDOWN": true, "CROSSSLOT": true, "DENIED": true, "LOADING": true, "MASTERDOWN": true, "MISCONF": true,
	"MOVED": true, "NOAUTH": true, "NOREPLICAS": true, "NOSCRIPT": true, "OOM": true, "READONLY": true, "TRYAGAIN": true, "WRONGPASS": true,
}

// unlessNothingWasWritten adds store.ErrUnsure to an error of a write that
// does not prove that there was none.
func unlessNothingWasWritten(err error) error {
	if errors.Is(err, store.ErrUnsure) || errors.As(err, new(unsent)) || errors.Is(err, rueidis.ErrNoSlot) {
		return err
	}
	if e, ok := rueidis.IsRedisErr(err); ok && refusals[code(e)] {
		return err
	}
	return fmt.Errorf("%w: %w", store.ErrUnsure, err)
}

// code is the first word of what Redis says.
func code(e *rueidis.RedisError) string {
	word, _, _ := strings.Cut(e.Error(), " ")
	return word
}
