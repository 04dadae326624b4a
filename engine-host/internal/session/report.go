package session

import (
	pb "github.com/blazz/blazz/engine-host/internal/enginepb"
)

// slots group states: within one slot only the newest unacknowledged state is kept, across slots nothing is lost.
func slot(state pb.SessionState) string {
	switch state {
	case pb.SessionState_SESSION_STATE_CONNECTING, pb.SessionState_SESSION_STATE_CONNECTED,
		pb.SessionState_SESSION_STATE_DISCONNECTED, pb.SessionState_SESSION_STATE_CLIENT_OUTDATED:
		return "connection"
	case pb.SessionState_SESSION_STATE_OFFLINE_SYNC_DONE:
		return "offline"
	case pb.SessionState_SESSION_STATE_PAIRED:
		return "paired"
	}
	return "final"
}

// report tells the subscriber a state, with the identity filled in. It does not wait.
func (s *Session) report(state *pb.State) {
	s.mu.Lock()
	who := s.who
	s.mu.Unlock()
	state.Jid, state.Lid, state.PushName = who.jid, who.lid, who.pushName
	state.BusinessName, state.Platform = who.businessName, who.platform
	s.log.Info("state", "state", state.State.String(), "detail", state.Detail, "code", state.Code)
	event := s.event()
	event.Body = &pb.Event_State{State: state}
	s.m.cfg.Hub.Keep(event, slot(state.State))
}

func (s *Session) event() *pb.Event { return &pb.Event{SessionId: s.id, Epoch: s.epoch} }

// final ends the session in a state.
func (s *Session) final(state *pb.State) { s.mail.put(signal{kind: sigFinal, state: state}) }

// setCode remembers a numeric reason for the next report of a disconnection, and slows logins down where the network
// asks for it.
func (s *Session) setCode(code int32) {
	s.mu.Lock()
	s.code = code
	s.mu.Unlock()
	if code == 429 || code == 503 {
		s.m.cfg.Network.Gate.SlowDown()
	}
}

func (s *Session) takeCode() int32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	code := s.code
	s.code = 0
	return code
}
