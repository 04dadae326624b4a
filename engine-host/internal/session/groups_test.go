package session

import (
	"errors"
	"testing"
	"time"

	pb "github.com/blazz/blazz/engine-host/internal/enginepb"
	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestAGroupKeepsBothAddressesAndRolesOfItsMembers(t *testing.T) {
	lid, number := types.NewJID("777", types.HiddenUserServer), types.NewJID("628110000001", types.DefaultUserServer)
	made := group(&types.GroupInfo{
		JID: types.NewJID("120363", types.GroupServer), GroupName: types.GroupName{Name: "Team"},
		GroupEphemeral: types.GroupEphemeral{IsEphemeral: true, DisappearingTimer: 86_400},
		Participants: []types.GroupParticipant{
			{JID: lid, LID: lid, PhoneNumber: number, IsAdmin: true, IsSuperAdmin: true}, {JID: number, PhoneNumber: number},
		},
	})
	if made.Jid != "120363@g.us" || made.Subject != "Team" || made.EphemeralS != 86_400 || made.Size != 2 {
		t.Fatalf("group: %v", made)
	}
	owner, member := made.Members[0], made.Members[1]
	if owner.Role != "superadmin" || owner.Lid != "777@lid" || owner.Phone != "628110000001@s.whatsapp.net" {
		t.Errorf("owner: %v", owner)
	}
	if member.Role != "member" || member.Lid != "" {
		t.Errorf("member: %v", member)
	}
}

func TestSomebodyWhoLetsNobodyAddThemComesWithAnInvitation(t *testing.T) {
	expires := time.UnixMilli(1_800_000_000_000)
	reply := outcomes([]types.GroupParticipant{{
		JID: types.NewJID("777", types.HiddenUserServer), Error: 403,
		AddRequest: &types.GroupParticipantAddRequest{Code: "abc", Expiration: expires},
	}})
	if got := reply.Outcomes[0]; got.Error != 403 || got.InviteCode != "abc" || got.InviteExpiresMs != expires.UnixMilli() {
		t.Errorf("outcome: %v", got)
	}
}

func TestRefusalsInGroupsHaveTheirWords(t *testing.T) {
	for word, err := range map[string]error{
		"link_revoked": whatsmeow.ErrInviteLinkRevoked, "link_invalid": whatsmeow.ErrInviteLinkInvalid,
		"no_such_group": whatsmeow.ErrGroupNotFound, "not_in_group": whatsmeow.ErrIQForbidden,
		"not_admin": whatsmeow.ErrIQNotAuthorized, "refused": whatsmeow.ErrIQRateOverLimit,
	} {
		if text := status.Convert(groupError(err)).Message(); len(text) < len(word) || text[:len(word)] != word {
			t.Errorf("%s: %q", word, text)
		}
	}
	if groupError(nil) != nil || status.Code(groupError(errors.New("cut"))) != codes.Unavailable {
		t.Error("what is no refusal is not told as one")
	}
}

func TestBadInputAboutGroupsIsRefusedBeforeAnythingIsAsked(t *testing.T) {
	s := &Session{}
	for name, err := range map[string]error{
		"person":  last(s.GroupInfo(t.Context(), "628110000001@s.whatsapp.net")),
		"subject": last(s.CreateGroup(t.Context(), &pb.CreateGroupRequest{})),
		"mode":    last(s.CreateGroup(t.Context(), &pb.CreateGroupRequest{Subject: "x", MemberAddMode: "nobody"})),
		"action":  last(s.UpdateParticipants(t.Context(), &pb.UpdateParticipantsRequest{Jid: "1@g.us", Action: "kick"})),
		"nobody":  last(s.UpdateParticipants(t.Context(), &pb.UpdateParticipantsRequest{Jid: "1@g.us", Action: "add"})),
		"link":    last(s.JoinByLink(t.Context(), "")),
		"code":    s.JoinByInvitation(t.Context(), &pb.InvitationRequest{Jid: "1@g.us", Inviter: "1@lid"}),
		"channel": last(s.ChannelInfo(t.Context(), "1@g.us")),
		"inviter": s.JoinByInvitation(t.Context(), &pb.InvitationRequest{Jid: "1@g.us", Code: "x"}),
	} {
		if status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func last[T any](_ T, err error) error { return err }
