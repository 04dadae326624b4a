// Package deadman ends this process when its owner stops renewing the deadline, so that two owners never speak for one
// number. Times are CLOCK_BOOTTIME: they go on while the machine sleeps and are the same for parent and child.
package deadman

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// CloseBefore is how long before the deadline connections are closed politely.
	CloseBefore = 1500 * time.Millisecond
	// maxAhead refuses a deadline that no lease of the product can produce (a unit error of the caller).
	maxAhead = 10 * time.Minute
	tick     = 100 * time.Millisecond
)

// ErrClosing says that the deadline is too near for anything new to be started.
var ErrClosing = errors.New("deadline of the owner is near or past")

// Clock returns nanoseconds that never go backwards.
type Clock func() int64

// Switch holds the deadline. Create it with New.
type Switch struct {
	clock    Clock
	deadline atomic.Int64
	exit     func()
	once     sync.Once

	mu      sync.Mutex
	beaten  bool // a heartbeat has replaced the grace
	closing bool
	onClose func()
	onOpen  func()
}

// New starts with grace as the first deadline. exit is called once, at the deadline, and must not return normally.
func New(clock Clock, grace time.Duration, exit func()) *Switch {
	s := &Switch{clock: clock, exit: exit, onClose: func() {}, onOpen: func() {}}
	s.deadline.Store(clock() + int64(grace))
	return s
}

// OnChange sets what happens when the closing window begins, and when a later deadline ends it.
func (s *Switch) OnChange(onClose, onOpen func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onClose, s.onOpen = onClose, onOpen
}

// Now returns the switch's clock in nanoseconds.
func (s *Switch) Now() int64 { return s.clock() }

// Move sets the deadline (nanoseconds of the same clock). The first one replaces the grace; after that an earlier one
// than the present is ignored, because heartbeats may overtake each other. A deadline that has passed is not taken back:
// the process exits.
func (s *Switch) Move(deadline int64) error {
	now := s.clock()
	if deadline > now+int64(maxAhead) {
		return fmt.Errorf("deadline is %v ahead, at most %v is accepted", time.Duration(deadline-now), maxAhead)
	}
	if now >= s.deadline.Load() {
		s.die()
		return ErrClosing
	}
	s.mu.Lock()
	if !s.beaten || deadline > s.deadline.Load() {
		s.deadline.Store(deadline)
	}
	s.beaten = true
	s.mu.Unlock()
	s.Check()
	return nil
}

// Allow returns nil when something new may be started: a dial, a login, a stanza asked for by a caller.
func (s *Switch) Allow() error {
	s.mustLive()
	if s.clock() >= s.deadline.Load()-int64(CloseBefore) {
		return ErrClosing
	}
	return nil
}

// Write is the last check before bytes leave: after the deadline it ends the process instead of returning.
func (s *Switch) Write() { s.mustLive() }

func (s *Switch) mustLive() {
	if s.clock() >= s.deadline.Load() {
		s.die()
	}
}

func (s *Switch) die() { s.once.Do(s.exit) }

// Check applies the present state once; Run calls it regularly.
func (s *Switch) Check() {
	s.mustLive()
	closing := s.clock() >= s.deadline.Load()-int64(CloseBefore)
	s.mu.Lock()
	changed := closing != s.closing
	s.closing = closing
	onClose, onOpen := s.onClose, s.onOpen
	s.mu.Unlock()
	if !changed {
		return
	}
	if closing {
		onClose()
	} else {
		onOpen()
	}
}

// Run watches the deadline until ctx ends. The exit at the deadline has a goroutine of its own, so that a slow polite
// close cannot delay it.
func (s *Switch) Run(ctx context.Context) {
	go s.every(ctx, s.mustLive)
	s.every(ctx, s.Check)
}

func (s *Switch) every(ctx context.Context, do func()) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			do()
		}
	}
}
