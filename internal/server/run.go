package server

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/hufu-project/hufu/internal/web"
)

// The end of a process, counted from the moment it is told to stop. An issue
// takes eight seconds at most, so the keeper is told early; a request takes as
// long as a report, five.
const (
	letGo        = 200 * time.Millisecond  // answers tell their clients to let go of connections
	keeperStops  = time.Second             // the keeper begins nothing new
	requestsStop = 6 * time.Second         // what still runs is cut
	allStops     = 9500 * time.Millisecond // the process ends, whatever hangs
)

// loadWait is how long the listeners wait for the registry: a client that was
// added at run time should not be told that its key is wrong.
const loadWait = 3 * time.Second

// Run answers until ctx ends or a listener fails; then it closes everything in
// order and returns, within ten seconds: nil if ctx ended.
func (s *Server) Run(ctx context.Context) error {
	follow := begin(func(ctx context.Context) { s.tell("follow the store", s.registry.Run(ctx)) })
	keep := begin(func(ctx context.Context) { s.tell("keep credentials", s.keeper.Run(ctx)) })
	rekey := begin(func(ctx context.Context) { s.store.Follow(ctx, s.config.started.MasterKeyFile, s.node, s.log) })
	reload := begin(func(ctx context.Context) { s.follower.Run(ctx, s.changed) })

	select {
	case <-s.registry.Loaded():
	case <-time.After(loadWait):
		s.log.Warn("the store has not been read yet; answering for what the configuration declares")
	case <-ctx.Done():
	}
	failed := make(chan error, len(s.sites))
	for _, l := range s.sites {
		go func() {
			if err := l.serve(); err != nil {
				failed <- err
			}
		}()
	}
	s.log.Info("started", "node", s.node, "version", s.version, "api", s.URL("api"), "web", s.URL("web"), "admin", s.URL("admin"))

	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
		s.log.Error("a listener failed", "err", err)
	}
	return errors.Join(err, s.stop(follow, keep, reload, rekey))
}

// stop ends the parts in order: listeners and requests, keeper, registry, and
// then what New opened. The keeper is told a little before the last requests
// are done, since an issue that is under way needs the time.
func (s *Server) stop(follow, keep, reload, rekey *part) error {
	began := time.Now()
	s.log.Info("stopping: no new connections; requests under way are answered")
	reload.end()
	s.drain()
	requests := begin(func(context.Context) { s.drainSites(began.Add(requestsStop)) })
	requests.wait(began.Add(keeperStops))
	keep.stop()
	requests.wait(began.Add(allStops))
	err := s.audit.Close() // no more records come, and a stuck sink takes its time, too
	if !keep.wait(began.Add(allStops)) {
		// Its attempt stands in the store, so the next start heals it.
		s.log.Error("an issue is still under way and is left behind")
	}
	follow.end()
	rekey.stop()
	rekey.wait(began.Add(allStops))
	err = errors.Join(err, s.Close())
	s.log.Info("stopped", "took", time.Since(began).Round(time.Millisecond).String())
	return err
}

func (s *Server) drainSites(deadline time.Time) {
	// A connection that is idle now may carry its next request already.
	time.Sleep(letGo)
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	servers := make([]*http.Server, len(s.sites))
	for i, l := range s.sites {
		servers[i] = l.server
	}
	if err := web.Drain(ctx, servers...); err != nil {
		s.log.Warn("some requests were cut off", "err", err)
	}
}

// tell logs that a part ended by itself.
func (s *Server) tell(what string, err error) {
	if err != nil {
		s.log.Error("a part of the server ended", "part", what, "err", err)
	}
}

// part is something that runs until it is stopped.
type part struct {
	stop context.CancelFunc
	done chan struct{}
}

// begin runs f in a goroutine of its own.
func begin(f func(context.Context)) *part {
	ctx, stop := context.WithCancel(context.Background())
	p := &part{stop: stop, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		f(ctx)
	}()
	return p
}

// end stops the part and waits for it.
func (p *part) end() {
	p.stop()
	<-p.done
}

// wait reports whether the part ended before the deadline.
func (p *part) wait(deadline time.Time) bool {
	select {
	case <-p.done:
		return true
	case <-time.After(time.Until(deadline)):
		return false
	}
}
