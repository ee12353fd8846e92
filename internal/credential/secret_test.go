package credential_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/hufu-project/hufu/internal/credential"
)

const canary = "5ecre7-5ecre7-5ecre7"

func TestSecretIsNotPrinted(t *testing.T) {
	t.Parallel()
	s := credential.NewSecret(canary)
	within := struct {
		Name   string
		Secret credential.Secret
		Many   []credential.Secret
		Ptr    *credential.Secret
	}{"x", s, []credential.Secret{s}, &s}
	c := credential.Credential{Value: s}
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{s, &s, within, &within, c, &c, []any{s}, map[string]credential.Secret{"k": s}} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
	}
	fmt.Fprint(&out, fmt.Errorf("wrap %w %v", errors.New("x"), s))
	var log bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		l := slog.New(h)
		l.Info("x", "secret", s, "ptr", &s, "within", within, "many", within.Many, "credential", c)
		l.With("secret", s).WithGroup("g").Info("y", slog.Any("z", s))
	}
	if all := out.String() + log.String(); strings.Contains(all, canary) || strings.Contains(all, fmt.Sprintf("%x", canary)) {
		t.Error("a secret was printed")
	}
}

func TestSecretIsNotMarshalled(t *testing.T) {
	t.Parallel()
	s := credential.NewSecret(canary)
	for _, v := range []any{s, &s, map[string]any{"s": s}, credential.Credential{Value: s}, map[credential.Secret]int{s: 1}} {
		if b, err := json.Marshal(v); err == nil {
			t.Errorf("%T became %s", v, b)
		}
	}
}

func TestSecretComparesAndReveals(t *testing.T) {
	t.Parallel()
	s := credential.NewSecret(canary)
	if s.Reveal() != canary || s.Empty() || !s.Equal(credential.NewSecret(canary)) {
		t.Error("a secret is not itself")
	}
	if !(credential.Secret{}).Empty() || s.Equal(credential.Secret{}) || s.Equal(credential.NewSecret(canary+"x")) {
		t.Error("another secret is the same")
	}
}

func TestUnavailableIsTestedFor(t *testing.T) {
	t.Parallel()
	var err error = &credential.Unavailable{Key: credential.Key{App: "wx1", Kind: credential.AccessToken}, Reason: "WeChat answered 40164"}
	if !errors.Is(fmt.Errorf("get: %w", err), credential.ErrUnavailable) || err.Error() != "wx1/access_token: WeChat answered 40164" {
		t.Error(err)
	}
}
