package server

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hufu-project/hufu/internal/access"
	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/store/engine"
)

// keyFileName is the file, next to the store, that holds the key of the one
// client of the environment. It is one line and of mode 0600.
const keyFileName = "client.key"

// EnvClient is the one client of a process that was configured by HUFU_APPID
// and HUFU_SECRET alone.
type EnvClient struct {
	Name string
	Key  credential.Secret
	File string // where the key stands
	Made bool   // it was drawn by this start
}

// loadEnvClient reads the key of the environment's client, or draws it where
// there is no such file.
func loadEnvClient(cfg *config.Config) (*EnvClient, error) {
	if !cfg.EnvClient {
		return nil, nil
	}
	dir := "."
	if path, ok := engine.File(cfg); ok {
		dir = filepath.Dir(path)
	}
	c := &EnvClient{Name: cfg.Clients[0].Name, File: filepath.Join(dir, keyFileName)}
	text, err := os.ReadFile(c.File)
	switch {
	case err == nil:
		c.Key = credential.NewSecret(strings.TrimSpace(string(text)))
		return c, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("client key: %w", err)
	}
	c.Key, _ = access.NewKey()
	c.Made = true
	if err := c.save(); err != nil {
		return nil, fmt.Errorf("client key: %w", err)
	}
	return c, nil
}

// save makes the file, and takes it away again if it is not whole.
func (c *EnvClient) save() error {
	f, err := os.OpenFile(c.File, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(c.Key.Reveal() + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(c.File))
	}
	return nil
}

// clients is the configuration's clients, the environment's with its key.
func (c *EnvClient) clients(cfg *config.Config) []config.Client {
	if c == nil {
		return cfg.Clients
	}
	all := slices.Clone(cfg.Clients)
	all[0].KeySHA256 = []config.KeyHash{config.HashKey(c.Key)}
	return all
}

// check shows the key to the guard: a file that was cut or edited is noticed
// now and not by the first program that uses it.
func (c *EnvClient) check(g *access.Guard) error {
	if c == nil {
		return nil
	}
	if _, err := g.Authenticate(c.Key.Reveal(), netip.Addr{}, access.Request{}); err != nil {
		where, _ := filepath.Abs(c.File) // empty where there is no working directory
		return &Error{
			Err:  fmt.Errorf("client key: %s does not hold a client key, or a damaged one", cmp.Or(where, c.File)),
			Hint: "remove the file and a new key is made at the next start; programs then need the new one",
		}
	}
	return nil
}
