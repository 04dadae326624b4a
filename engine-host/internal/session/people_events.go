package session

import (
	pb "github.com/blazz/blazz/engine-host/internal/enginepb"
	waevents "go.mau.fi/whatsmeow/types/events"
)

// onPeople tells news of people. It returns false for what is none.
func (s *Session) onPeople(event any) bool {
	body := s.event()
	switch e := event.(type) {
	case *waevents.Picture:
		body.Body = &pb.Event_Picture{Picture: &pb.PictureChange{
			Jid: jid(e.JID.ToNonAD()), Removed: e.Remove, PictureId: e.PictureID,
		}}
	case *waevents.UserAbout:
		body.Body = &pb.Event_About{About: &pb.About{Jid: jid(e.JID.ToNonAD()), Text: e.Status}}
	case *waevents.BusinessName:
		body.Body = &pb.Event_BusinessName{BusinessName: &pb.BusinessName{
			Jid: jid(e.JID.ToNonAD()), Name: e.NewBusinessName,
		}}
	case *waevents.Blocklist:
		body.Body = &pb.Event_BlockList{BlockList: blockList(e)}
	case *waevents.IdentityChange:
		// Whoever writes next does so with the new code: that it was told must not get lost.
		person := jid(e.JID.ToNonAD())
		body.Body = &pb.Event_IdentityChange{IdentityChange: &pb.IdentityChange{
			Jid: person, TimestampMs: millis(e.Timestamp),
		}}
		s.m.cfg.Hub.Keep(body, "identity "+person)
		return true
	default:
		return false
	}
	s.m.cfg.Hub.Post(body, false)
	return true
}

func blockList(e *waevents.Blocklist) *pb.BlockListChange {
	change := &pb.BlockListChange{}
	if e.Action != "" { // the whole list is another one
		return change
	}
	for _, one := range e.Changes {
		person := jid(one.JID.ToNonAD())
		if one.Action == waevents.BlocklistChangeActionBlock {
			change.Blocked = append(change.Blocked, person)
		} else {
			change.Unblocked = append(change.Unblocked, person)
		}
	}
	return change
}
