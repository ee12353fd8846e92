package engine

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/store/bolt"
	"github.com/hufu-project/hufu/internal/store/sealed"
)

// ErrNoneYet is what Check says of an embedded store that the first
// start will make, ErrInUse of one that a running node has open.
var (
	ErrNoneYet = errors.New("there is no such store yet; the first start makes it")
	ErrInUse   = errors.New("a running hufu has the store open")
)

// Check opens the store of a configuration as Open would, and says what is
// wrong with it or with the master key. It writes no record; an empty database
// is given its table. Doubts are what may cost records there, in words for
// people; a wrong master key is both an *Error and a *sealed.UnknownKey. It blocks
// for half a minute at most.
func Check(ctx context.Context, cfg *config.Config) (doubts []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	path, embedded := File(cfg)
	if embedded {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return nil, ErrNoneYet
		}
	}
	inner, empty, err := openBare(ctx, cfg, func(doubt string) { doubts = append(doubts, doubt) })
	if embedded && errors.Is(err, bolt.ErrInUse) {
		return nil, ErrInUse
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, inner.Close()) }()
	file, err := sealed.LoadKeys(cfg.MasterKeyFile)
	if empty && errors.Is(err, fs.ErrNotExist) {
		return doubts, nil // it will be made
	}
	if err != nil {
		return doubts, err
	}
	err = sealed.Check(ctx, inner, sealed.NewKeyring(file[0], file[1:]...))
	if unknown, ok := errors.AsType[*sealed.UnknownKey](err); ok {
		return doubts, errors.Join(wrongKey(cfg, unknown), unknown)
	}
	return doubts, err
}
