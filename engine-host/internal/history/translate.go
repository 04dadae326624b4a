package history

import (
	pb "github.com/blazz/blazz/engine-host/internal/enginepb"
	"go.mau.fi/whatsmeow/proto/waHistorySync"
	"go.mau.fi/whatsmeow/proto/waWeb"
	"go.mau.fi/whatsmeow/types"
	waevents "go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"
)

const mutedForever = -1

// Translator turns a phone's conversations into those of the contract.
type Translator struct {
	Parse       func(chat types.JID, message *waWeb.WebMessageInfo) (*waevents.Message, error)
	Alternative func(of types.JID) types.JID // the other addressing mode; empty when nobody knows it
}

// Conversation translates one conversation. Messages that cannot be read are left out; an address that is none gives a
// conversation without messages.
func (t Translator) Conversation(from *waHistorySync.Conversation) *pb.HistoryConversation {
	to := &pb.HistoryConversation{
		Jid: from.GetID(), Name: from.GetName(), Unread: from.GetUnreadCount(), MarkedUnread: from.GetMarkedAsUnread(),
		Archived: from.GetArchived(), Pinned: from.GetPinned() > 0, MutedUntilMs: mutedUntil(from.GetMuteEndTime()),
		LastMs:      1000 * int64(max(from.GetLastMsgTimestamp(), from.GetConversationTimestamp())),
		MoreOnPhone: moreOnPhone(from),
	}
	if to.Name == "" {
		to.Name = from.GetDisplayName()
	}
	chat, err := types.ParseJID(from.GetID())
	if err != nil || chat.User == "" {
		return to
	}
	if chat.Server == types.GroupServer {
		to.Group = t.group(from)
	}
	to.JidAlt = t.alternative(chat, from)
	for _, entry := range from.GetMessages() {
		if message := t.message(chat, entry); message != nil {
			to.Messages = append(to.Messages, message)
		}
	}
	return to
}

// maxMembers bounds what is told of one group; WhatsApp's own bound is 1,024 members.
const maxMembers = 2048

func (t Translator) group(from *waHistorySync.Conversation) *pb.HistoryGroup {
	to := &pb.HistoryGroup{
		Description: from.GetDescription(), CreatedAtMs: 1000 * int64(from.GetCreatedAt()), Owner: from.GetCreatedBy(),
		Locked: from.GetLocked(), EphemeralS: from.GetEphemeralExpiration(), IsCommunity: from.GetIsParentGroup(),
		Community: from.GetParentGroupID(), Suspended: from.GetSuspended(), Ended: from.GetTerminated(),
	}
	to.OwnerAlt = t.other(to.Owner)
	for _, member := range from.GetParticipant() {
		if len(to.Members) == maxMembers {
			break
		}
		to.Members = append(to.Members, &pb.HistoryGroupMember{
			Jid: member.GetUserJID(), JidAlt: t.other(member.GetUserJID()), Role: role(member.GetRank()),
		})
	}
	return to
}

func (t Translator) other(address string) string {
	parsed, err := types.ParseJID(address)
	if err != nil || parsed.User == "" {
		return ""
	}
	return text(t.Alternative(parsed.ToNonAD()))
}

func role(rank waHistorySync.GroupParticipant_Rank) string {
	switch rank {
	case waHistorySync.GroupParticipant_SUPERADMIN:
		return "superadmin"
	case waHistorySync.GroupParticipant_ADMIN:
		return "admin"
	}
	return "member"
}

func (t Translator) alternative(chat types.JID, from *waHistorySync.Conversation) string {
	switch {
	case chat.Server == types.DefaultUserServer && from.GetLidJID() != "":
		return from.GetLidJID()
	case chat.Server == types.HiddenUserServer && from.GetPnJID() != "":
		return from.GetPnJID()
	}
	return text(t.Alternative(chat))
}

func (t Translator) message(chat types.JID, entry *waHistorySync.HistorySyncMsg) *pb.HistoryMessage {
	from := entry.GetMessage()
	if from == nil || from.GetKey().GetID() == "" {
		return nil
	}
	parsed, err := t.Parse(chat, from)
	if err != nil {
		if from.MessageStubType == nil {
			return nil
		}
		// what happened in a group may have nobody who did it
		parsed = &waevents.Message{Info: types.MessageInfo{MessageSource: types.MessageSource{IsFromMe: from.GetKey().GetFromMe()}}}
	}
	to := &pb.HistoryMessage{
		Id: from.GetKey().GetID(), FromMe: parsed.Info.IsFromMe, Sender: text(parsed.Info.Sender.ToNonAD()),
		TimestampMs: 1000 * int64(from.GetMessageTimestamp()), PushName: from.GetPushName(),
		Status: uint32(from.GetStatus()), Order: entry.GetMsgOrderID(), Starred: from.GetStarred(),
		Stub: uint32(from.GetMessageStubType()), StubParameters: from.GetMessageStubParameters(),
		Secret: from.GetMessageSecret(), RevokedMs: 1000 * int64(from.GetRevokeMessageTimestamp()),
	}
	if parsed.Info.IsGroup && !parsed.Info.IsFromMe {
		to.SenderAlt = text(t.Alternative(parsed.Info.Sender.ToNonAD()))
	}
	if from.Message != nil {
		if to.Raw, err = proto.Marshal(from.Message); err != nil {
			return nil
		}
	}
	to.Reactions = serialised(from.GetReactions())
	to.Votes = serialised(from.GetPollUpdates())
	to.AddOns = serialised(from.GetMessageAddOns())
	if from.PinInChat != nil {
		to.Pin, _ = proto.Marshal(from.PinInChat)
	}
	return to
}

// serialised leaves out what cannot be serialised.
func serialised[M proto.Message](parts []M) [][]byte {
	var out [][]byte
	for _, part := range parts {
		if data, err := proto.Marshal(part); err == nil {
			out = append(out, data)
		}
	}
	return out
}

func text(of types.JID) string {
	if of.IsEmpty() {
		return ""
	}
	return of.String()
}

// mutedUntil: the phone says milliseconds, and an end far beyond any calendar for ever.
func mutedUntil(end uint64) int64 {
	const year3000 = 32503680000000
	if end > year3000 {
		return mutedForever
	}
	return int64(end)
}

func moreOnPhone(from *waHistorySync.Conversation) bool {
	switch from.GetEndOfHistoryTransferType() {
	case waHistorySync.Conversation_COMPLETE_BUT_MORE_MESSAGES_REMAIN_ON_PRIMARY,
		waHistorySync.Conversation_COMPLETE_ON_DEMAND_SYNC_BUT_MORE_MSG_REMAIN_ON_PRIMARY:
		return from.EndOfHistoryTransferType != nil
	}
	return false
}
