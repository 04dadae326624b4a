package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

const (
	// copiesAtOnce bounds takeovers that copy: after a failover many come together, and a share answers none of them
	// faster when all are at it.
	copiesAtOnce = 8
	lookEvery    = time.Second
)

// registry knows which session directories are in use by this process, and looks at the open stores for operations
// that hang.
type registry struct {
	copies  chan struct{}
	between func() // tests act here between the copies of a store and of its journals

	mu     sync.Mutex
	claims map[string]chan struct{} // by directory; closed when it is free again
	open   map[*Store]struct{}
	ended  chan struct{}
	once   sync.Once
}

func newRegistry() *registry {
	r := &registry{
		copies: make(chan struct{}, copiesAtOnce), between: func() {}, claims: map[string]chan struct{}{},
		open: map[*Store]struct{}{}, ended: make(chan struct{}),
	}
	go r.run()
	return r
}

func (r *registry) stop() { r.once.Do(func() { close(r.ended) }) }

// claim gives a session's directory to one user at a time. Nothing else keeps two connections of one process apart: an
// opening that hangs may come back at any time.
func (r *registry) claim(ctx context.Context, dir string) (release func(), err error) {
	for {
		r.mu.Lock()
		taken := r.claims[dir]
		if taken == nil {
			free := make(chan struct{})
			r.claims[dir] = free
			r.mu.Unlock()
			return func() { r.free(dir, free) }, nil
		}
		r.mu.Unlock()
		select {
		case <-taken:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: the session's store is still in use", ErrHung)
		}
	}
}

func (r *registry) free(dir string, free chan struct{}) {
	r.mu.Lock()
	delete(r.claims, dir)
	r.mu.Unlock()
	close(free)
}

// add begins to look at a store, until it is released.
func (r *registry) add(s *Store) {
	release := s.release
	r.mu.Lock()
	r.open[s] = struct{}{}
	r.mu.Unlock()
	s.release = func() {
		r.mu.Lock()
		delete(r.open, s)
		r.mu.Unlock()
		release()
	}
}

func (r *registry) run() {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-r.ended:
			return
		case <-ticker.C:
			for _, s := range r.all() {
				s.watch.look(s.limit)
			}
		}
	}
}

func (r *registry) all() []*Store {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Keys(r.open))
}

// within runs work and returns its error, or ErrHung when ctx ends first. Then late, if not nil, is called with the
// error as soon as the work does end: a system call on storage that hangs cannot be interrupted.
func within(ctx context.Context, work func() error, late func(error)) error {
	done := make(chan error, 1)
	go func() { done <- work() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	// the work may notice the end of ctx by itself and then knows better what happened
	select {
	case err := <-done:
		return err
	case <-time.After(lookEvery / 4):
	}
	if late != nil {
		go func() { late(<-done) }()
	}
	return ErrHung
}
