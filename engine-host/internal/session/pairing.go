package session

import (
	"context"
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
)

// onQR begins to show the codes that the server offered. A later offer (after a reconnect) replaces an earlier one, but
// the time for pairing ends when the first offer would have ended.
func (s *Session) onQR(codes []string) {
	ctx, cancel := context.WithCancel(s.connContext())
	now := time.Now()
	s.mu.Lock()
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
	s.final(&pb.State{State: pb.SessionState_SESSION_STATE_QR_EXPIRED, Detail: "the time for linking is over"})
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

func (s *Session) onPaired() {
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
	code, err := s.client.PairPhone(ctx, phone, true, whatsmeow.PairClientChrome, pairCodeDisplay)
	switch {
	case err == whatsmeow.ErrPhoneNumberTooShort || err == whatsmeow.ErrPhoneNumberIsNotInternational:
		return "", invalid("%v", err)
	case err != nil:
		return "", queryError(err)
	}
	return code, nil
}
