package session

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	pb "github.com/blazz/blazz/engine-host/internal/enginepb"
	"go.mau.fi/whatsmeow"
	wastore "go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
)

type removableStore struct {
	openStore
	removed bool
}

func (r *removableStore) Remove() { r.removed = true }

// linking returns a session on a connection, waiting for a pairing.
func linking() *Session {
	s := &Session{
		log: slog.New(slog.NewTextHandler(io.Discard, nil)), mail: newMailbox(), device: &wastore.Device{},
		store: &removableStore{}, ready: make(chan struct{}),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.conn, s.dropConn = context.WithCancel(s.ctx)
	return s
}

func (s *Session) mailed(t *testing.T) signal {
	t.Helper()
	got, ok := s.mail.take()
	if !ok {
		t.Fatal("nothing was said")
	}
	return got
}

func TestTheTimeForLinkingEndsNoPairingThatHasBegun(t *testing.T) {
	s := linking()
	ctx, cancel := context.WithCancel(s.conn)
	s.stopQR = cancel
	if !s.pairingBegins() {
		t.Fatal("the pairing was refused")
	}
	s.expire(ctx, &pb.State{State: pb.SessionState_SESSION_STATE_QR_EXPIRED})
	if got, ok := s.mail.take(); ok {
		t.Errorf("the session ends: %v", got.state)
	}
}

func TestAPairingThatComesTooLateIsRefused(t *testing.T) {
	for name, end := range map[string]func(*Session){
		"expired": func(s *Session) { s.expire(s.conn, &pb.State{State: pb.SessionState_SESSION_STATE_QR_EXPIRED}) },
		"stopped": func(s *Session) { s.stopping = true },
		"cut off": func(s *Session) { s.cutConn() },
	} {
		s := linking()
		end(s)
		if s.pairingBegins() {
			t.Errorf("%s: the pairing was accepted", name)
		}
	}
}

func TestAStopWaitsForAPairingThatIsBeingCompleted(t *testing.T) {
	s := linking()
	s.awaitPairing(time.Hour) // there is none
	s.pairingBegins()
	waited := make(chan struct{})
	go func() { s.awaitPairing(time.Hour); close(waited) }()
	select {
	case <-waited:
		t.Fatal("it was not waited for")
	case <-time.After(20 * time.Millisecond):
	}
	s.onPairError(fmt.Errorf("failed to send pairing confirmation"))
	<-waited
	s.pairingBegins()
	s.awaitPairing(time.Millisecond) // not for ever
}

func TestAFailedPairingLeavesNoHalfLinkedDevice(t *testing.T) {
	for _, id := range []*types.JID{nil, {User: "1", Device: 1, Server: types.DefaultUserServer}} {
		s := linking()
		s.device.ID = id
		s.onPairError(fmt.Errorf("failed to send pairing confirmation"))
		if state := s.mailed(t).state; state.GetState() != pb.SessionState_SESSION_STATE_PAIR_FAILED {
			t.Errorf("it ends as %v", state)
		}
		if s.store.(*removableStore).removed != (id != nil) {
			t.Errorf("identity %v: the store was kept or removed wrongly", id)
		}
	}
}

func TestARefusedPairingBeginsANewConnection(t *testing.T) {
	s := linking()
	s.onPairError(whatsmeow.ErrPairRejectedLocally)
	if got := s.mailed(t); got.kind != sigReset || got.after != 0 {
		t.Errorf("got %v", got)
	}
}

func TestACodeIsVoidOnAnotherConnection(t *testing.T) {
	s := linking()
	s.tied = ceremony{conn: s.conn, lost: codeLost}
	s.onQR([]string{"code"})
	if got := s.mailed(t); got.kind != sigReady {
		t.Fatalf("on the same connection: %v", got)
	}
	s.endQR()
	s.conn, s.dropConn = context.WithCancel(s.ctx)
	s.onQR([]string{"code"})
	if got := s.mailed(t); got.state.GetState() != pb.SessionState_SESSION_STATE_PAIR_FAILED || got.state.Detail != codeLost {
		t.Errorf("on another one: %v", got)
	}
}
