package session

import (
	"context"
	"errors"
	"time"

	pb "github.com/blazz/blazz/engine-host/internal/enginepb"
	"github.com/blazz/blazz/engine-host/internal/failpoint"
	"go.mau.fi/whatsmeow"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	// WhatsApp's life times of QR codes: the first of six lives 60 s, each other 20 s.
	firstQRLifetime = 60 * time.Second
	nextQRLifetime  = 20 * time.Second
	fullQRSet       = 6
	pairCodeWait    = 15 * time.Second // from the start to the server's readiness to pair
	// The name must be a known "browser (system)", the server checks it.
	pairCodeDisplay = "Chrome (Linux)"
	codeLost        = "the connection was lost before the code was typed, so it is void"
	stopGrace       = 5 * time.Second // for a pairing that is being completed when the session is stopped ...
	holdGrace       = time.Second     // ... and when only its connection is closed
)

// ceremony is a way of linking that cannot go on over another connection; lost says so.
type ceremony struct {
	conn context.Context
	lost string
}

// onQR begins to show the codes that the server offered. A later offer (after a reconnect) replaces an earlier one, but
// the time for pairing ends when the first offer would have ended.
func (s *Session) onQR(codes []string) {
	ctx, cancel := context.WithCancel(s.connContext())
	now := time.Now()
	s.mu.Lock()
	if s.tied.conn != nil && s.tied.conn != s.conn {
		lost := s.tied.lost
		s.mu.Unlock()
		cancel()
		s.final(&pb.State{State: pb.SessionState_SESSION_STATE_PAIR_FAILED, Detail: lost})
		return
	}
	if s.stopQR != nil {
		s.stopQR()
	}
	s.stopQR = cancel
	if s.pairUntil.IsZero() {
		s.pairUntil = now.Add(qrTime(codes))
	}
	until := s.pairUntil
	close(s.ready)
	s.ready = make(chan struct{})
	s.pairable, s.passkey = true, passkeyNone
	s.mu.Unlock()
	s.mail.put(signal{kind: sigReady})
	go s.showQR(ctx, codes, until)
}

func qrTime(codes []string) time.Duration {
	total := time.Duration(len(codes)) * nextQRLifetime
	if len(codes) == fullQRSet {
		total += firstQRLifetime - nextQRLifetime
	}
	return total
}

func (s *Session) showQR(ctx context.Context, codes []string, until time.Time) {
	for i, code := range codes {
		lifetime := nextQRLifetime
		if len(codes) == fullQRSet && i == 0 {
			lifetime = firstQRLifetime
		}
		lifetime = min(lifetime, time.Until(until))
		if lifetime <= 0 {
			break
		}
		if s.useQR {
			event := s.event()
			event.Body = &pb.Event_Qr{Qr: &pb.QrCode{Code: code, LifetimeS: lifetime.Seconds(), Number: int32(i + 1)}}
			s.m.cfg.Hub.Post(event, true)
		}
		timer := time.NewTimer(lifetime)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
	s.expire(ctx, &pb.State{State: pb.SessionState_SESSION_STATE_QR_EXPIRED, Detail: "the time for linking is over"})
}

// expire ends the session in a state unless ctx has ended: a pairing has begun, or another step of the linking.
func (s *Session) expire(ctx context.Context, state *pb.State) {
	s.mu.Lock()
	over := ctx.Err() == nil
	s.pairOver = s.pairOver || over
	s.mu.Unlock()
	if over {
		s.final(state)
	}
}

// endQR stops showing codes.
func (s *Session) endQR() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pairable, s.passkey = false, passkeyNone
	if s.stopQR != nil {
		s.stopQR()
		s.stopQR = nil
	}
}

// pairingBegins is called when the phone has accepted us and the library is about to store that. From here on neither time
// nor a caller ends the connection before the pairing is complete: the phone would show a device that nobody is. It
// returns false where it is too late for that; the library then refuses, and the phone says so.
func (s *Session) pairingBegins() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping || s.pairOver || s.conn.Err() != nil {
		return false
	}
	if s.stopQR != nil {
		s.stopQR()
		s.stopQR = nil
	}
	s.pairable, s.passkey = false, passkeyNone
	s.pairing = make(chan struct{})
	return true
}

// pairingEnds is called when the library has completed a pairing or given it up.
func (s *Session) pairingEnds() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pairing != nil {
		close(s.pairing)
		s.pairing = nil
	}
}

// awaitPairing waits for the end of a pairing that is being completed, for a time at most.
func (s *Session) awaitPairing(within time.Duration) {
	s.mu.Lock()
	end := s.pairing
	s.mu.Unlock()
	if end == nil {
		return
	}
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-end:
	case <-timer.C:
		s.log.Warn("a pairing was not completed in time")
	}
}

func (s *Session) onPairError(err error) {
	defer s.pairingEnds()
	if errors.Is(err, whatsmeow.ErrPairRejectedLocally) {
		// too late for the old connection; the library may have closed the next one
		s.mail.put(signal{kind: sigReset, detail: "the connection ended while the phone accepted it"})
		return
	}
	if s.device.ID != nil { // the library could not forget an identity that WhatsApp does not know
		s.store.Remove()
	}
	s.final(&pb.State{State: pb.SessionState_SESSION_STATE_PAIR_FAILED, Detail: errorText(err)})
}

func (s *Session) onPaired() {
	defer s.pairingEnds()
	s.remember()
	s.endQR()
	_ = s.m.cfg.Fail.Hit(failpoint.PairAfterSuccess)
	s.mail.put(signal{kind: sigPaired})
	s.report(&pb.State{State: pb.SessionState_SESSION_STATE_PAIRED})
}

// PairCode asks for a code to type on the phone.
func (s *Session) PairCode(ctx context.Context, phone string) (string, error) {
	if s.linked() {
		return "", status.Error(codes.FailedPrecondition, "invalid: the session is linked already")
	}
	ctx, cancel := context.WithTimeout(ctx, pairCodeWait)
	defer cancel()
	for {
		s.mu.Lock()
		pairable, ready := s.pairable, s.ready
		s.mu.Unlock()
		if pairable {
			break
		}
		select {
		case <-ready:
		case <-s.done:
			return "", notRunning(s.id)
		case <-ctx.Done():
			return "", notConnected("the server is not ready to pair yet")
		}
	}
	if err := s.m.cfg.Guard.Allow(); err != nil {
		return "", queryError(err)
	}
	conn := s.connContext()
	code, err := s.client.PairPhone(ctx, phone, true, whatsmeow.PairClientChrome, pairCodeDisplay)
	switch {
	case err == whatsmeow.ErrPhoneNumberTooShort || err == whatsmeow.ErrPhoneNumberIsNotInternational:
		return "", invalid("%v", err)
	case err != nil:
		return "", queryError(err)
	}
	s.mu.Lock()
	s.tied = ceremony{conn: conn, lost: codeLost}
	s.mu.Unlock()
	return code, nil
}
