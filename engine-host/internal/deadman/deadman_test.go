package deadman

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"
)

type world struct {
	now    atomic.Int64
	exits  atomic.Int32
	closed atomic.Int32
	opened atomic.Int32
}

func start(grace time.Duration) (*world, *Switch) {
	w := &world{}
	w.now.Store(int64(time.Hour))
	s := New(w.now.Load, grace, func() { w.exits.Add(1) })
	s.OnChange(func() { w.closed.Add(1) }, func() { w.opened.Add(1) })
	return w, s
}

func (w *world) pass(d time.Duration) { w.now.Add(int64(d)) }

func (w *world) in(d time.Duration) int64 { return w.now.Load() + int64(d) }

func TestWithoutHeartbeatTheGraceIsTheDeadline(t *testing.T) {
	w, s := start(15 * time.Second)
	w.pass(13 * time.Second)
	if s.Check(); s.Allow() != nil || w.closed.Load() != 0 {
		t.Fatal("closed before the window")
	}
	w.pass(600 * time.Millisecond)
	if s.Check(); !errors.Is(s.Allow(), ErrClosing) || w.closed.Load() != 1 || w.exits.Load() != 0 {
		t.Fatal("must close politely 1.5 s before the deadline, and not exit yet")
	}
	w.pass(1400 * time.Millisecond)
	if s.Check(); w.exits.Load() != 1 {
		t.Fatal("must exit at the deadline")
	}
}

func TestTheFirstHeartbeatReplacesTheGrace(t *testing.T) {
	w, s := start(time.Minute)
	if err := s.Move(w.in(6 * time.Second)); err != nil {
		t.Fatal(err)
	}
	w.pass(6 * time.Second)
	if s.Check(); w.exits.Load() != 1 {
		t.Fatal("the grace must not outlive the first heartbeat's deadline")
	}
}

func TestAnOvertakenHeartbeatDoesNotShortenTheLease(t *testing.T) {
	w, s := start(time.Minute)
	for _, ahead := range []time.Duration{6 * time.Second, 3 * time.Second} {
		if err := s.Move(w.in(ahead)); err != nil {
			t.Fatal(err)
		}
	}
	w.pass(4 * time.Second)
	if s.Check(); s.Allow() != nil {
		t.Fatal("an older heartbeat shortened the lease")
	}
}

func TestASlowParentGetsItsSessionsBack(t *testing.T) {
	w, s := start(6 * time.Second)
	w.pass(5 * time.Second)
	s.Check()
	if err := s.Move(w.in(6 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if w.closed.Load() != 1 || w.opened.Load() != 1 || s.Allow() != nil {
		t.Fatal("a later deadline must open again")
	}
}

func TestAfterTheDeadlineNothingIsWrittenAndNoHeartbeatHelps(t *testing.T) {
	for name, act := range map[string]func(*world, *Switch){
		"write":     func(_ *world, s *Switch) { s.Write() },
		"dial":      func(_ *world, s *Switch) { _ = s.Allow() },
		"heartbeat": func(w *world, s *Switch) { _ = s.Move(w.in(time.Minute)) },
	} {
		w, s := start(6 * time.Second)
		w.pass(7 * time.Second) // as after a suspended machine: no timer has run
		if act(w, s); w.exits.Load() != 1 {
			t.Errorf("%s after the deadline must end the process", name)
		}
	}
}

func TestADeadlineInTheWrongUnitIsRefused(t *testing.T) {
	w, s := start(6 * time.Second)
	if s.Move(w.in(time.Hour)) == nil {
		t.Fatal("accepted a deadline an hour ahead")
	}
}

func TestRunExitsAtTheDeadlineByItself(t *testing.T) {
	exited := make(chan struct{})
	s := New(BootTime, 200*time.Millisecond, func() { close(exited) })
	s.OnChange(func() { select {} }, func() {}) // a polite close that hangs
	go s.Run(t.Context())
	select {
	case <-exited:
	case <-time.After(5 * time.Second):
		t.Fatal("still alive")
	}
}
