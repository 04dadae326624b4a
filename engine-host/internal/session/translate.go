package session

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	pb "github.com/blazz/blazz/engine-host/internal/enginepb"
	"go.mau.fi/whatsmeow/types"
	waevents "go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"
)

// jid is "" for an empty JID, where types.JID would print "@".
func jid(j types.JID) string {
	if j.IsEmpty() {
		return ""
	}
	return j.String()
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func message(e *waevents.Message, offline bool) (*pb.Message, error) {
	raw, err := proto.Marshal(e.RawMessage)
	if err != nil {
		return nil, fmt.Errorf("serialise message: %w", err)
	}
	m := &pb.Message{
		Id: e.Info.ID, Chat: jid(e.Info.Chat), Sender: jid(e.Info.Sender), SenderAlt: jid(e.Info.SenderAlt),
		RecipientAlt: jid(e.Info.RecipientAlt), FromMe: e.Info.IsFromMe, IsGroup: e.Info.IsGroup,
		TimestampMs: millis(e.Info.Timestamp), PushName: e.Info.PushName,
		AddressingMode: addressingMode(e.Info.MessageSource), Category: e.Info.Category, Edit: string(e.Info.Edit),
		IsOffline: offline, Raw: raw, Ephemeral: e.IsEphemeral, ViewOnce: e.IsViewOnce,
	}
	if e.Info.VerifiedName != nil {
		m.VerifiedName = e.Info.VerifiedName.Details.GetVerifiedName()
	}
	return m, nil
}

// addressingMode is what the stanza said, else what the chat's (in groups the sender's) address says.
func addressingMode(source types.MessageSource) string {
	if source.AddressingMode != "" {
		return string(source.AddressingMode)
	}
	of := source.Chat
	if source.IsGroup {
		of = source.Sender
	}
	if of.Server == types.HiddenUserServer || of.Server == types.HostedLIDServer {
		return string(types.AddressingModeLID)
	}
	return string(types.AddressingModePN)
}

func receipt(e *waevents.Receipt) *pb.Receipt {
	return &pb.Receipt{
		MessageIds: e.MessageIDs, Chat: jid(e.Chat), Sender: jid(e.Sender), SenderAlt: jid(e.SenderAlt),
		FromMe: e.IsFromMe, IsGroup: e.IsGroup, Type: string(e.Type), TimestampMs: millis(e.Timestamp),
	}
}

func undecryptable(e *waevents.UndecryptableMessage) *pb.Undecryptable {
	return &pb.Undecryptable{
		Id: e.Info.ID, Chat: jid(e.Info.Chat), Sender: jid(e.Info.Sender), SenderAlt: jid(e.Info.SenderAlt),
		FromMe: e.Info.IsFromMe, IsGroup: e.Info.IsGroup, TimestampMs: millis(e.Info.Timestamp),
		Unavailable: e.IsUnavailable, UnavailableType: string(e.UnavailableType),
	}
}

// ephemeral translates events that need no acknowledgement. It returns nil for those that nobody needs.
func ephemeral(event any) *pb.Event {
	switch e := event.(type) {
	case *waevents.ChatPresence:
		return &pb.Event{Body: &pb.Event_ChatPresence{ChatPresence: &pb.ChatPresence{
			Chat: jid(e.Chat), Sender: jid(e.Sender), Composing: e.State == types.ChatPresenceComposing,
			Audio: e.Media == types.ChatPresenceMediaAudio,
		}}}
	case *waevents.Presence:
		return &pb.Event{Body: &pb.Event_Presence{Presence: &pb.Presence{
			Jid: jid(e.From), Unavailable: e.Unavailable, LastSeenMs: millis(e.LastSeen),
		}}}
	case *waevents.PushName:
		return &pb.Event{Body: &pb.Event_PushName{PushName: &pb.PushName{
			Jid: jid(e.JID), JidAlt: jid(e.JIDAlt), Name: e.NewPushName,
		}}}
	case *waevents.OfflineSyncPreview, *waevents.KeepAliveRestored, *waevents.HistorySync:
		return nil
	}
	text, err := json.Marshal(event)
	if err != nil || len(text) > maxOther {
		text = nil
	}
	return &pb.Event{Body: &pb.Event_Other{Other: &pb.Other{
		Name: strings.TrimPrefix(fmt.Sprintf("%T", event), "*events."), Json: string(text),
	}}}
}

// maxOther bounds the JSON of an event without a field of its own.
const maxOther = 64 << 10
