package session

import (
	"fmt"

	pb "github.com/blazz/blazz/engine-host/internal/enginepb"
	"go.mau.fi/whatsmeow/store"
)

// announced returns the client version of the last login.
func (s *Session) announced() store.WAVersionContainer {
	if version, ok := s.version.Load().(store.WAVersionContainer); ok {
		return version
	}
	return s.m.cfg.Version.Current()
}

// waitForVersion returns when the session may log in with the version that this host announces.
func (s *Session) waitForVersion() error {
	if closed, wait := s.m.cfg.Version.Closed(); closed && wait > 0 {
		s.reportOutdated()
	}
	return s.m.cfg.Version.Wait(s.ctx)
}

// reportOutdated tells that the session waits for another client version.
func (s *Session) reportOutdated() {
	_, wait := s.m.cfg.Version.Closed()
	s.report(&pb.State{
		State: pb.SessionState_SESSION_STATE_CLIENT_OUTDATED, Code: 405, Retrying: true, RetryInS: wait.Seconds(),
		Detail: fmt.Sprintf("WhatsApp refuses client version %s", s.m.cfg.Version.Current()),
	})
}
