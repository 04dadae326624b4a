// Package session runs WhatsApp sessions: one whatsmeow client with its store, its own reconnection, and the translation
// between whatsmeow's events and the contract's.
package session

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/blazz/blazz/engine-host/internal/crash"
	pb "github.com/blazz/blazz/engine-host/internal/enginepb"
	"github.com/blazz/blazz/engine-host/internal/events"
	"github.com/blazz/blazz/engine-host/internal/failpoint"
	"github.com/blazz/blazz/engine-host/internal/media"
	"github.com/blazz/blazz/engine-host/internal/network"
	"github.com/blazz/blazz/engine-host/internal/store"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Config is what all sessions of a host share.
type Config struct {
	Network *network.Network
	Version *network.ClientVersion
	Guard   network.Guard
	Hub     *events.Hub
	Stores  OpenStore
	Media   *media.Dir
	Fail    *failpoint.Set
	Crash   *crash.Recorder
	Log     *slog.Logger
}

// Counters are totals since the start of the host.
type Counters struct {
	Panics, Resets atomic.Uint64
}

// Manager holds the sessions and enforces the rule of epochs.
type Manager struct {
	cfg      Config
	Counters Counters

	mu      sync.Mutex
	entries map[string]*entry
	resumed chan struct{} // closed and renewed when the dead-man switch opens again
	closed  bool
}

// entry remembers a session id for the life of the host, so that an epoch can never go back.
type entry struct {
	change  sync.Mutex // serialises start, stop and log-out of one session
	epoch   uint64
	session *Session // nil when stopped
}

// NewManager returns a manager without sessions.
func NewManager(cfg Config) *Manager {
	return &Manager{cfg: cfg, entries: map[string]*entry{}, resumed: make(chan struct{})}
}

func (m *Manager) entry(id string) *entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.entries[id]
	if e == nil {
		e = &entry{}
		m.entries[id] = e
	}
	return e
}

func staleEpoch(given, running uint64) error {
	return status.Errorf(codes.FailedPrecondition, "stale_epoch: epoch %d was given, %d is current", given, running)
}

// current returns the running session, or nil, and checks the epoch.
func (m *Manager) current(id string, epoch uint64) (*Session, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.entries[id]
	if e == nil {
		return nil, nil
	}
	if e.epoch != epoch {
		return nil, staleEpoch(epoch, e.epoch)
	}
	return e.session, nil
}

// Get returns the running session of exactly this epoch.
func (m *Manager) Get(id string, epoch uint64) (*Session, error) {
	s, err := m.current(id, epoch)
	if err != nil {
		return nil, err
	}
	if s == nil || s.ended() {
		return nil, notRunning(id)
	}
	return s, nil
}

// Start opens the store and begins to connect. It is idempotent for the running epoch; a higher epoch replaces the
// running session; a lower one is refused.
func (m *Manager) Start(ctx context.Context, q *pb.StartSessionRequest) (*Session, error) {
	if q.SessionId == "" || len(q.SessionId) > 128 {
		return nil, invalid("session id")
	}
	e := m.entry(q.SessionId)
	e.change.Lock()
	defer e.change.Unlock()
	m.mu.Lock()
	epoch, running, closed := e.epoch, e.session, m.closed
	m.mu.Unlock()
	switch {
	case closed:
		return nil, notConnected("the host is stopping")
	case q.Epoch < epoch:
		return nil, staleEpoch(q.Epoch, epoch)
	case running != nil && !running.ended() && q.Epoch == epoch:
		return running, nil
	case running != nil:
		running.stop("replaced by a new start", pb.SessionState_SESSION_STATE_UNSPECIFIED)
	}
	m.mu.Lock()
	e.epoch, e.session = q.Epoch, nil
	m.mu.Unlock()
	s, err := m.open(ctx, q)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	e.session = s
	m.mu.Unlock()
	go s.run()
	return s, nil
}

// Stop ends a session. It is idempotent. Its success says that nothing touches the store any more; an error store_failure
// that the session is disconnected, but its storage does not answer.
func (m *Manager) Stop(id string, epoch uint64) error {
	e := m.entry(id)
	e.change.Lock()
	defer e.change.Unlock()
	m.mu.Lock()
	current := e.epoch
	if e.session == nil && current == 0 {
		delete(m.entries, id)
	}
	m.mu.Unlock()
	if current == 0 {
		return nil
	}
	s, err := m.current(id, epoch)
	if err != nil || s == nil {
		return err
	}
	s.stop("stopped by the caller", pb.SessionState_SESSION_STATE_STOPPED)
	if !s.store.Closed() {
		return storeError(store.ErrHung)
	}
	m.forget(e)
	return nil
}

// LogOut removes the pairing at WhatsApp and ends the session; its store is set aside.
func (m *Manager) LogOut(ctx context.Context, id string, epoch uint64) error {
	e := m.entry(id)
	e.change.Lock()
	defer e.change.Unlock()
	s, err := m.Get(id, epoch)
	if err != nil {
		return err
	}
	if err = s.logOut(ctx); err != nil {
		return err
	}
	m.forget(e)
	return nil
}

func (m *Manager) forget(e *entry) {
	m.mu.Lock()
	e.session = nil
	m.mu.Unlock()
}

func (m *Manager) all() []*Session {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []*Session
	for _, e := range m.entries {
		if e.session != nil && !e.session.ended() {
			list = append(list, e.session)
		}
	}
	return list
}

// Count returns running and connected sessions.
func (m *Manager) Count() (sessions, connected int) {
	list := m.all()
	for _, s := range list {
		if s.up.Load() {
			connected++
		}
	}
	return len(list), connected
}

// Hold disconnects all sessions because the owner's deadline is near. They stay started.
func (m *Manager) Hold() {
	for _, s := range m.all() {
		s.mail.put(signal{kind: sigHold, detail: "the owner's deadline is near"})
	}
}

// Resume lets held sessions connect again.
func (m *Manager) Resume() {
	m.mu.Lock()
	close(m.resumed)
	m.resumed = make(chan struct{})
	m.mu.Unlock()
}

func (m *Manager) resumeChannel() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.resumed
}

// Close stops every session, in parallel, and returns when all are stopped or ctx ends. Nothing can be started after.
func (m *Manager) Close(ctx context.Context) {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	var group sync.WaitGroup
	for _, s := range m.all() {
		group.Go(func() { s.stop("the host is stopping", pb.SessionState_SESSION_STATE_UNSPECIFIED) })
	}
	done := make(chan struct{})
	go func() { group.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
	}
}
