package session

import (
	"context"
	"encoding/json"
	"time"

	pb "github.com/blazz/blazz/engine-host/internal/enginepb"
	"go.mau.fi/whatsmeow/types"
	waevents "go.mau.fi/whatsmeow/types/events"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	// WhatsApp gives ten minutes; what it says in the request counts within these bounds.
	shortestPasskey = 30 * time.Second
	longestPasskey  = 10 * time.Minute
	// From the accepted passkey to the confirmation: somebody looks at two screens.
	confirmPasskey = 3 * time.Minute
	maxCredential  = 64 << 10
	slotPasskey    = "passkey"
	passkeyLost    = "the connection was lost while the passkey was asked for"
)

// passkeyState is how far a session is with a passkey; guarded by Session.mu.
type passkeyState int

const (
	passkeyNone passkeyState = iota
	passkeyDemanded
	passkeyAnswered
	passkeyAccepted
)

// onPasskey handles what the library tells of a passkey. It returns false for anything else.
func (s *Session) onPasskey(event any) bool {
	switch e := event.(type) {
	case *waevents.PairPasskeyRequest:
		s.demandPasskey(e.PublicKey)
	case *waevents.PairPasskeyConfirmation:
		s.passkeyAccepted(e)
	case *waevents.PairPasskeyError:
		s.final(&pb.State{State: pb.SessionState_SESSION_STATE_PAIR_FAILED, Detail: errorText(e.Error)})
	default:
		return false
	}
	return true
}

func (s *Session) demandPasskey(options *types.WebAuthnPublicKey) {
	text, err := json.Marshal(options)
	if err != nil {
		s.final(&pb.State{State: pb.SessionState_SESSION_STATE_PAIR_FAILED, Detail: "the passkey request cannot be read"})
		return
	}
	lifetime := longestPasskey
	if given := time.Duration(options.Timeout) * time.Millisecond; given > 0 {
		lifetime = max(shortestPasskey, min(longestPasskey, given))
	}
	s.setPasskey(passkeyDemanded, lifetime)
	event := s.event()
	event.Body = &pb.Event_PasskeyRequest{PasskeyRequest: &pb.PasskeyRequest{
		Options: string(text), LifetimeS: lifetime.Seconds(),
	}}
	s.m.cfg.Hub.Keep(event, slotPasskey)
}

func (s *Session) passkeyAccepted(e *waevents.PairPasskeyConfirmation) {
	s.setPasskey(passkeyAccepted, confirmPasskey)
	event := s.event()
	event.Body = &pb.Event_PasskeyConfirmation{PasskeyConfirmation: &pb.PasskeyConfirmation{
		Code: e.Code, Proven: e.SkipHandoffUX, LifetimeS: confirmPasskey.Seconds(),
	}}
	s.m.cfg.Hub.Keep(event, slotPasskey)
}

// setPasskey enters a step that must be left within a time; codes are shown no more.
func (s *Session) setPasskey(state passkeyState, within time.Duration) {
	ctx, cancel := context.WithCancel(s.connContext())
	s.mu.Lock()
	if s.stopQR != nil {
		s.stopQR()
	}
	s.stopQR, s.passkey, s.pairable = cancel, state, false
	s.tied = ceremony{conn: s.conn, lost: passkeyLost}
	s.mu.Unlock()
	go func() {
		timer := time.NewTimer(within)
		defer timer.Stop()
		select {
		case <-timer.C:
			s.expire(ctx, &pb.State{
				State: pb.SessionState_SESSION_STATE_PAIR_FAILED, Detail: "the passkey was not given in time",
			})
		case <-ctx.Done():
		}
	}()
}

func noPasskey(why string) error { return status.Error(codes.FailedPrecondition, "no_passkey: "+why) }

// stepPasskey moves from one step to the next, or says that this is not the time.
func (s *Session) stepPasskey(from, to passkeyState) error {
	if s.linked() {
		return noPasskey("the session is linked already")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.passkey != from {
		return noPasskey("WhatsApp does not wait for this now")
	}
	s.passkey = to
	return nil
}

// AnswerPasskey hands the authenticator's answer to WhatsApp.
func (s *Session) AnswerPasskey(ctx context.Context, credential string) error {
	var response types.WebAuthnResponse
	if len(credential) > maxCredential {
		return invalid("the credential is too long")
	}
	if err := json.Unmarshal([]byte(credential), &response); err != nil || len(response.RawID) == 0 {
		return invalid("the credential cannot be read")
	}
	if err := s.m.cfg.Guard.Allow(); err != nil {
		return queryError(err)
	}
	if err := s.stepPasskey(passkeyDemanded, passkeyAnswered); err != nil {
		return err
	}
	if err := s.client.SendPasskeyResponse(ctx, &response); err != nil {
		_ = s.stepPasskey(passkeyAnswered, passkeyDemanded) // a better answer may follow
		return queryError(err)
	}
	return nil
}

// ConfirmPasskey says that the codes on both screens are the same.
func (s *Session) ConfirmPasskey(ctx context.Context) error {
	if err := s.m.cfg.Guard.Allow(); err != nil {
		return queryError(err)
	}
	if err := s.stepPasskey(passkeyAccepted, passkeyNone); err != nil {
		return err
	}
	if err := s.client.SendPasskeyConfirmation(ctx); err != nil {
		_ = s.stepPasskey(passkeyNone, passkeyAccepted)
		return queryError(err)
	}
	return nil
}
