package session

import (
	"context"

	pb "github.com/blazz/blazz/engine-host/internal/enginepb"
	"go.mau.fi/whatsmeow/types"
	waevents "go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"
)

// onGroup delivers changes in groups; done says whether the event was one, stored whether it may be confirmed.
func (s *Session) onGroup(event any) (done, stored bool) {
	body := s.event()
	switch e := event.(type) {
	case *waevents.GroupInfo:
		body.Body = &pb.Event_GroupChange{GroupChange: s.groupChange(e)}
	case *waevents.JoinedGroup:
		info, err := proto.Marshal(group(&e.GroupInfo))
		if err != nil {
			s.log.Error("group cannot be serialised", "error", err)
			return true, true // it can never be, and would come again for ever
		}
		joined := &pb.GroupJoined{Group: info, Created: e.Type == "new"}
		joined.Actor, joined.ActorAlt = actor(e.Sender, e.SenderPN)
		body.Body = &pb.Event_GroupJoined{GroupJoined: joined}
	default:
		return false, false
	}
	return true, s.deliver(body)
}

func (s *Session) groupChange(e *waevents.GroupInfo) *pb.GroupChange {
	change := &pb.GroupChange{
		Jid: jid(e.JID), TimestampMs: millis(e.Timestamp), JoinReason: e.JoinReason,
		Joined: s.persons(e.Join), Left: s.persons(e.Leave), Promoted: s.persons(e.Promote), Demoted: s.persons(e.Demote),
		LinkReset: e.NewInviteLink != nil, Deleted: e.Delete != nil,
		// The library says of the approval mode only that it has changed.
		Incomplete: len(e.UnknownChanges) > 0 || e.MembershipApprovalMode != nil || e.Link != nil || e.Unlink != nil ||
			e.Suspended || e.Unsuspended,
	}
	change.Actor, change.ActorAlt = actor(e.Sender, e.SenderPN)
	if e.Name != nil {
		change.Subject = &e.Name.Name
	}
	if e.Topic != nil {
		change.Description = &e.Topic.Topic
	}
	if e.Announce != nil {
		change.Announcement = &e.Announce.IsAnnounce
	}
	if e.Locked != nil {
		change.Locked = &e.Locked.IsLocked
	}
	if e.Ephemeral != nil {
		seconds := e.Ephemeral.DisappearingTimer
		if !e.Ephemeral.IsEphemeral {
			seconds = 0
		}
		change.EphemeralS = &seconds
	}
	return change
}

// persons names people under both addresses, as far as the store knows them.
func (s *Session) persons(list []types.JID) []*pb.GroupPerson {
	known := make([]*pb.GroupPerson, len(list))
	for i, person := range list {
		known[i] = &pb.GroupPerson{Jid: jid(person)}
		var alt types.JID
		var err error
		switch person.Server {
		case types.HiddenUserServer:
			alt, err = s.client.Store.LIDs.GetPNForLID(context.Background(), person)
		case types.DefaultUserServer:
			alt, err = s.client.Store.LIDs.GetLIDForPN(context.Background(), person)
		}
		if err == nil {
			known[i].Alt = jid(alt)
		}
	}
	return known
}

func actor(sender, other *types.JID) (who, alt string) {
	if sender != nil {
		who = jid(*sender)
	}
	if other != nil {
		alt = jid(*other)
	}
	return who, alt
}

func group(info *types.GroupInfo) *pb.Group {
	made := &pb.Group{
		Jid: jid(info.JID), Subject: info.Name, SubjectAtMs: millis(info.NameSetAt), Description: info.Topic,
		CreatedAtMs: millis(info.GroupCreated), Owner: jid(info.OwnerJID), OwnerAlt: jid(info.OwnerPN),
		AddressingMode: string(info.AddressingMode), Announcement: info.IsAnnounce, Locked: info.IsLocked,
		JoinApproval: info.IsJoinApprovalRequired, MemberAddMode: string(info.MemberAddMode),
		IsCommunity: info.IsParent, Community: jid(info.LinkedParentJID), Suspended: info.Suspended,
		Members: make([]*pb.GroupMember, len(info.Participants)),
		Size:    uint32(max(info.ParticipantCount, len(info.Participants))),
	}
	if info.IsEphemeral {
		made.EphemeralS = info.DisappearingTimer
	}
	for i, member := range info.Participants {
		made.Members[i] = &pb.GroupMember{
			Jid: jid(member.JID), Phone: jid(member.PhoneNumber), Lid: jid(member.LID), Role: role(member),
		}
	}
	return made
}

func role(member types.GroupParticipant) string {
	switch {
	case member.IsSuperAdmin:
		return "superadmin"
	case member.IsAdmin:
		return "admin"
	}
	return "member"
}

func outcomes(answered []types.GroupParticipant) *pb.ParticipantsReply {
	reply := &pb.ParticipantsReply{Outcomes: make([]*pb.ParticipantOutcome, len(answered))}
	for i, member := range answered {
		outcome := &pb.ParticipantOutcome{
			Jid: jid(member.JID), Phone: jid(member.PhoneNumber), Lid: jid(member.LID), Error: int32(member.Error),
		}
		if invitation := member.AddRequest; invitation != nil {
			outcome.InviteCode, outcome.InviteExpiresMs = invitation.Code, millis(invitation.Expiration)
		}
		reply.Outcomes[i] = outcome
	}
	return reply
}
