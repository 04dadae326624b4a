package session

import (
	"context"
	"errors"
	"unicode/utf8"

	pb "github.com/blazz/blazz/engine-host/internal/enginepb"
	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	maxMembers      = 1023    // beside the account itself; WhatsApp's own bound
	maxSubject      = 100     // characters
	maxDescription  = 2048    // characters
	maxGroupPicture = 2 << 20 // bytes
)

// groupError adds the words for what whatsmeow tells apart in groups.
func groupError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, whatsmeow.ErrInviteLinkRevoked):
		return status.Error(codes.PermissionDenied, "link_revoked: the invite link was reset")
	case errors.Is(err, whatsmeow.ErrInviteLinkInvalid):
		return status.Error(codes.PermissionDenied, "link_invalid: this is no invite link")
	case errors.Is(err, whatsmeow.ErrGroupNotFound), errors.Is(err, whatsmeow.ErrIQNotFound):
		return status.Error(codes.NotFound, "no_such_group: WhatsApp does not know this group")
	case errors.Is(err, whatsmeow.ErrNotInGroup), errors.Is(err, whatsmeow.ErrIQForbidden):
		return status.Error(codes.PermissionDenied, "not_in_group: the account may not do this in the group")
	case errors.Is(err, whatsmeow.ErrGroupInviteLinkUnauthorized), errors.Is(err, whatsmeow.ErrIQNotAuthorized):
		return status.Error(codes.PermissionDenied, "not_admin: only admins may do this")
	}
	return queryError(err)
}

func groupJID(text string) (types.JID, error) {
	parsed, err := parseJID(text)
	if err != nil {
		return parsed, err
	}
	if parsed.Server != types.GroupServer {
		return parsed, invalid("%q is not a group", text)
	}
	return parsed, nil
}

// inGroup checks what must hold before something is asked about a group.
func (s *Session) inGroup(text string) (types.JID, error) {
	group, err := groupJID(text)
	if err != nil {
		return group, err
	}
	return group, s.usable()
}

func checkText(text string, least, most int) error {
	if n := utf8.RuneCountInString(text); n < least || n > most || !utf8.ValidString(text) {
		return invalid("%d to %d characters", least, most)
	}
	return nil
}

func addMode(text string) (types.GroupMemberAddMode, error) {
	switch mode := types.GroupMemberAddMode(text); mode {
	case "", types.GroupMemberAddModeAdmin, types.GroupMemberAddModeAllMember:
		return mode, nil
	}
	return "", invalid("member_add_mode %q", text)
}

// CreateGroup makes a group of which the account is the owner.
func (s *Session) CreateGroup(ctx context.Context, q *pb.CreateGroupRequest) (*pb.Group, error) {
	if err := checkText(q.Subject, 1, maxSubject); err != nil {
		return nil, err
	}
	mode, err := addMode(q.MemberAddMode)
	if err != nil {
		return nil, err
	}
	var members []types.JID
	if len(q.Participants) > 0 { // a group of oneself alone is allowed
		if members, err = people(q.Participants, maxMembers); err != nil {
			return nil, err
		}
	}
	if err = s.usable(); err != nil {
		return nil, err
	}
	made, err := s.client.CreateGroup(ctx, whatsmeow.ReqCreateGroup{
		Name: q.Subject, Participants: members, MemberAddMode: mode,
		GroupAnnounce: types.GroupAnnounce{IsAnnounce: q.Announcement}, GroupLocked: types.GroupLocked{IsLocked: q.Locked},
		GroupMembershipApprovalMode: types.GroupMembershipApprovalMode{IsJoinApprovalRequired: q.JoinApproval},
	})
	if err != nil {
		return nil, groupError(err)
	}
	return group(made), nil
}

// GroupInfo asks for one group.
func (s *Session) GroupInfo(ctx context.Context, text string) (*pb.Group, error) {
	target, err := s.inGroup(text)
	if err != nil {
		return nil, err
	}
	info, err := s.client.GetGroupInfo(ctx, target)
	if err != nil {
		return nil, groupError(err)
	}
	return group(info), nil
}

// Groups asks for all groups that the account is in.
func (s *Session) Groups(ctx context.Context) ([]*pb.Group, error) {
	if err := s.usable(); err != nil {
		return nil, err
	}
	joined, err := s.client.GetJoinedGroups(ctx)
	if err != nil {
		return nil, groupError(err)
	}
	list := make([]*pb.Group, len(joined))
	for i, info := range joined {
		list[i] = group(info)
	}
	return list, nil
}

// UpdateParticipants adds, removes, promotes or demotes people.
func (s *Session) UpdateParticipants(ctx context.Context, q *pb.UpdateParticipantsRequest) (*pb.ParticipantsReply, error) {
	action := whatsmeow.ParticipantChange(q.Action)
	switch action {
	case whatsmeow.ParticipantChangeAdd, whatsmeow.ParticipantChangeRemove, whatsmeow.ParticipantChangePromote,
		whatsmeow.ParticipantChangeDemote:
	default:
		return nil, invalid("action %q", q.Action)
	}
	members, err := people(q.Participants, maxMembers)
	if err != nil {
		return nil, err
	}
	target, err := s.inGroup(q.Jid)
	if err != nil {
		return nil, err
	}
	answered, err := s.client.UpdateGroupParticipants(ctx, target, members, action)
	return outcomes(answered), groupError(err)
}

// SetGroupSubject renames a group.
func (s *Session) SetGroupSubject(ctx context.Context, q *pb.SetGroupTextRequest) error {
	if err := checkText(q.Text, 1, maxSubject); err != nil {
		return err
	}
	target, err := s.inGroup(q.Jid)
	if err != nil {
		return err
	}
	return groupError(s.client.SetGroupName(ctx, target, q.Text))
}

// SetGroupDescription changes or removes a group's description. The library asks for the id of the present one first.
func (s *Session) SetGroupDescription(ctx context.Context, q *pb.SetGroupTextRequest) error {
	if err := checkText(q.Text, 0, maxDescription); err != nil {
		return err
	}
	target, err := s.inGroup(q.Jid)
	if err != nil {
		return err
	}
	return groupError(s.client.SetGroupTopic(ctx, target, "", "", q.Text))
}

// SetGroupPicture changes or removes a group's picture.
func (s *Session) SetGroupPicture(ctx context.Context, q *pb.SetGroupPictureRequest) (*pb.SetGroupPictureReply, error) {
	if len(q.Jpeg) > maxGroupPicture {
		return nil, invalid("the picture has more than %d bytes", maxGroupPicture)
	}
	target, err := s.inGroup(q.Jid)
	if err != nil {
		return nil, err
	}
	var jpeg []byte // the library removes the picture for nil only
	if len(q.Jpeg) > 0 {
		jpeg = q.Jpeg
	}
	id, err := s.client.SetGroupPhoto(ctx, target, jpeg)
	if errors.Is(err, whatsmeow.ErrInvalidImageFormat) {
		return nil, invalid("WhatsApp does not take this picture")
	}
	if jpeg == nil {
		id = ""
	}
	return &pb.SetGroupPictureReply{PictureId: id}, groupError(err)
}

// SetGroupSettings changes those settings that are given, one after the other: there is no call for several.
func (s *Session) SetGroupSettings(ctx context.Context, q *pb.SetGroupSettingsRequest) error {
	mode, err := addMode(q.GetMemberAddMode())
	if err != nil {
		return err
	}
	target, err := s.inGroup(q.Jid)
	if err != nil {
		return err
	}
	if q.Announcement != nil {
		err = s.client.SetGroupAnnounce(ctx, target, *q.Announcement)
	}
	if err == nil && q.Locked != nil {
		err = s.client.SetGroupLocked(ctx, target, *q.Locked)
	}
	if err == nil && q.JoinApproval != nil {
		err = s.client.SetGroupJoinApprovalMode(ctx, target, *q.JoinApproval)
	}
	if err == nil && mode != "" {
		err = s.client.SetGroupMemberAddMode(ctx, target, mode)
	}
	return groupError(err)
}

// InviteLink returns a group's link, a new one with reset.
func (s *Session) InviteLink(ctx context.Context, q *pb.InviteLinkRequest) (*pb.InviteLinkReply, error) {
	target, err := s.inGroup(q.Jid)
	if err != nil {
		return nil, err
	}
	link, err := s.client.GetGroupInviteLink(ctx, target, q.Reset_)
	return &pb.InviteLinkReply{Link: link}, groupError(err)
}

// InfoByLink shows the group behind a link.
func (s *Session) InfoByLink(ctx context.Context, link string) (*pb.Group, error) {
	if err := checkText(link, 1, 256); err != nil {
		return nil, err
	}
	if err := s.usable(); err != nil {
		return nil, err
	}
	info, err := s.client.GetGroupInfoFromLink(ctx, link)
	if err != nil {
		return nil, groupError(err)
	}
	return group(info), nil
}

// JoinByLink enters the group behind a link, or asks its admins where they approve of new members.
func (s *Session) JoinByLink(ctx context.Context, link string) (*pb.JoinReply, error) {
	if err := checkText(link, 1, 256); err != nil {
		return nil, err
	}
	if err := s.usable(); err != nil {
		return nil, err
	}
	joined, err := s.client.JoinGroupWithLink(ctx, link)
	if err != nil {
		return nil, groupError(err)
	}
	// The library's answer is the same whether one is in or waits; only members can ask for the group.
	_, err = s.client.GetGroupInfo(ctx, joined)
	if err != nil && !errors.Is(err, whatsmeow.ErrNotInGroup) {
		return nil, groupError(err)
	}
	return &pb.JoinReply{Jid: jid(joined), WaitsForApproval: err != nil}, nil
}

// JoinByInvitation enters a group that an admin has invited the account to by a message.
func (s *Session) JoinByInvitation(ctx context.Context, q *pb.InvitationRequest) error {
	if err := checkText(q.Code, 1, 256); err != nil {
		return err
	}
	inviter, err := parseJID(q.Inviter)
	if err != nil {
		return err
	}
	target, err := s.inGroup(q.Jid)
	if err != nil {
		return err
	}
	err = s.client.JoinGroupWithInvite(ctx, target, inviter.ToNonAD(), q.Code, q.ExpiresS)
	if errors.Is(err, whatsmeow.ErrIQGone) || errors.Is(err, whatsmeow.ErrIQNotAcceptable) {
		return status.Error(codes.PermissionDenied, "invitation_over: it has expired or was taken back")
	}
	return groupError(err)
}

// LeaveGroup leaves.
func (s *Session) LeaveGroup(ctx context.Context, text string) error {
	target, err := s.inGroup(text)
	if err != nil {
		return err
	}
	return groupError(s.client.LeaveGroup(ctx, target))
}

// JoinRequests lists who waits for the approval of an admin.
func (s *Session) JoinRequests(ctx context.Context, text string) ([]*pb.JoinRequest, error) {
	target, err := s.inGroup(text)
	if err != nil {
		return nil, err
	}
	waiting, err := s.client.GetGroupRequestParticipants(ctx, target)
	list := make([]*pb.JoinRequest, len(waiting))
	for i, person := range waiting {
		list[i] = &pb.JoinRequest{Jid: jid(person.JID), RequestedAtMs: millis(person.RequestedAt)}
	}
	return list, groupError(err)
}

// AnswerRequests lets people in or turns them away.
func (s *Session) AnswerRequests(ctx context.Context, q *pb.AnswerRequestsRequest) (*pb.ParticipantsReply, error) {
	asking, err := people(q.Participants, maxMembers)
	if err != nil {
		return nil, err
	}
	target, err := s.inGroup(q.Jid)
	if err != nil {
		return nil, err
	}
	action := whatsmeow.ParticipantChangeReject
	if q.Approve {
		action = whatsmeow.ParticipantChangeApprove
	}
	answered, err := s.client.UpdateGroupRequestParticipants(ctx, target, asking, action)
	return outcomes(answered), groupError(err)
}
