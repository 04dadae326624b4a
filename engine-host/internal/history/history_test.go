package history

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"strings"
	"testing"

	pb "github.com/blazz/blazz/engine-host/internal/enginepb"
	"go.mau.fi/whatsmeow/proto/waCommon"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/proto/waHistorySync"
	"go.mau.fi/whatsmeow/proto/waWeb"
	"go.mau.fi/whatsmeow/types"
	waevents "go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"
)

func compressed(t *testing.T, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	writer := zlib.NewWriter(&out)
	if _, err := writer.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func conversation(chat, messages, length int) *waHistorySync.Conversation {
	id := fmt.Sprintf("%d@lid", 100+chat)
	made := &waHistorySync.Conversation{ID: &id, PnJID: proto.String(fmt.Sprintf("62811%d@s.whatsapp.net", chat))}
	for i := range messages {
		made.Messages = append(made.Messages, &waHistorySync.HistorySyncMsg{
			MsgOrderID: proto.Uint64(uint64(i)),
			Message: &waWeb.WebMessageInfo{
				Key:              &waCommon.MessageKey{ID: proto.String(fmt.Sprintf("M%d.%d", chat, i)), RemoteJID: &id, FromMe: proto.Bool(i%2 == 1)},
				MessageTimestamp: proto.Uint64(uint64(1_700_000_000 + i)),
				Message:          &waE2E.Message{Conversation: proto.String(strings.Repeat("x", length))},
			},
		})
	}
	return made
}

func groupOf(members, messages, length int) *waHistorySync.Conversation {
	made := conversation(1, messages, length)
	made.ID, made.PnJID, made.Name = proto.String("120363000000000001@g.us"), nil, proto.String("Team")
	made.CreatedBy, made.CreatedAt = proto.String("7@lid"), proto.Uint64(1_600_000_000)
	for i := range members {
		rank := waHistorySync.GroupParticipant_REGULAR
		if i == 0 {
			rank = waHistorySync.GroupParticipant_SUPERADMIN
		}
		made.Participant = append(made.Participant, &waHistorySync.GroupParticipant{UserJID: proto.String(fmt.Sprintf("%d@lid", 7+i)), Rank: &rank})
	}
	return made
}

func TestAGroupIsToldOnceWhereItsConversationBegins(t *testing.T) {
	got := pieces(t, blob(t, conversation(0, 200, 1000), groupOf(3000, 400, 1000)), 0)
	var groups []*pb.HistoryGroup
	for _, piece := range got {
		if size := proto.Size(piece); size > 2*pieceBytes {
			t.Errorf("a piece of %d bytes", size)
		}
		for _, part := range piece.Conversations {
			if (part.Group != nil) == part.Continued && part.Name == "Team" {
				t.Error("a group is told where its conversation goes on, or not where it begins")
			}
			if part.Group != nil {
				groups = append(groups, part.Group)
			}
		}
	}
	if len(groups) != 1 || len(groups[0].Members) != maxMembers {
		t.Fatalf("groups: %d", len(groups))
	}
	told := groups[0]
	if told.Owner != "7@lid" || told.CreatedAtMs != 1_600_000_000_000 || told.Members[0].Role != "superadmin" || told.Members[1].Role != "member" {
		t.Errorf("%v", told.Members[:2])
	}
}

func blob(t *testing.T, conversations ...*waHistorySync.Conversation) []byte {
	t.Helper()
	made := &waHistorySync.HistorySync{
		SyncType: waHistorySync.HistorySync_RECENT.Enum(), Conversations: conversations,
		PhoneNumberToLidMappings: []*waHistorySync.PhoneNumberToLIDMapping{{PnJID: proto.String("1@s.whatsapp.net"), LidJID: proto.String("2@lid")}},
		Pushnames:                []*waHistorySync.Pushname{{ID: proto.String("2@lid"), Pushname: proto.String("Ani")}},
	}
	data, err := proto.Marshal(made)
	if err != nil {
		t.Fatal(err)
	}
	return compressed(t, data)
}

func parse(chat types.JID, message *waWeb.WebMessageInfo) (*waevents.Message, error) {
	return &waevents.Message{Info: types.MessageInfo{
		ID: message.GetKey().GetID(), MessageSource: types.MessageSource{Chat: chat, Sender: chat, IsFromMe: message.GetKey().GetFromMe()},
	}, RawMessage: message.GetMessage()}, nil
}

func pieces(t *testing.T, data []byte, skip int) []*pb.HistoryPiece {
	t.Helper()
	var got []*pb.HistoryPiece
	cutter := NewCutter(skip, func(piece *pb.HistoryPiece) error {
		got = append(got, proto.CloneOf(piece))
		return nil
	})
	rest, err := ReadRest(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if err = cutter.Rest(rest); err != nil {
		t.Fatal(err)
	}
	translator := Translator{Parse: parse, Alternative: func(types.JID) types.JID { return types.EmptyJID }}
	err = ReadConversations(bytes.NewReader(data), func(c *waHistorySync.Conversation) error {
		return cutter.Conversation(translator.Conversation(c))
	})
	if err != nil {
		t.Fatal(err)
	}
	if err = cutter.Close(); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestEveryMessageComesOnceInPiecesOfBoundedSize(t *testing.T) {
	long := conversation(0, 2000, 400)
	all := []*waHistorySync.Conversation{long}
	for i := 1; i <= 120; i++ {
		all = append(all, conversation(i, 3, 20))
	}
	seen := map[string]int{}
	got := pieces(t, blob(t, all...), 0)
	for i, piece := range got {
		if int(piece.Number) != i+1 || piece.Last != (i == len(got)-1) {
			t.Fatalf("piece %d is number %d, last %v", i, piece.Number, piece.Last)
		}
		if size := proto.Size(piece); size > 2*pieceBytes {
			t.Fatalf("piece %d has %d bytes", piece.Number, size)
		}
		if n := len(piece.Conversations); n > pieceConversations {
			t.Fatalf("piece %d has %d conversations", piece.Number, n)
		}
		for _, c := range piece.Conversations {
			for _, m := range c.Messages {
				seen[m.Id]++
			}
		}
	}
	if len(seen) != 2000+360 {
		t.Fatalf("%d messages", len(seen))
	}
	for id, n := range seen {
		if n != 1 {
			t.Fatalf("%s came %d times", id, n)
		}
	}
	if first := got[0]; len(first.Mappings) != 1 || len(first.Names) != 1 || !got[1].Conversations[0].Continued {
		t.Fatalf("first piece: %d mappings, %d names", len(first.Mappings), len(first.Names))
	}
}

func TestPiecesAreTheSameWhateverIsSkipped(t *testing.T) {
	var all []*waHistorySync.Conversation
	for i := range 130 {
		all = append(all, conversation(i, 2, 10))
	}
	data := blob(t, all...)
	whole := pieces(t, data, 0)
	for skip := range whole {
		rest := pieces(t, data, skip)
		if len(rest) != len(whole)-skip {
			t.Fatalf("skip %d gives %d of %d pieces", skip, len(rest), len(whole))
		}
		for i, piece := range rest {
			if !proto.Equal(piece, whole[skip+i]) {
				t.Fatalf("piece %d is another one after skip %d", piece.Number, skip)
			}
		}
	}
}

func TestWhatBelongsToAMessageComesWithIt(t *testing.T) {
	chat := conversation(1, 2, 5)
	info := chat.Messages[0].Message
	info.MessageSecret = []byte("secret")
	info.PollUpdates = []*waWeb.PollUpdate{{Vote: &waE2E.PollVoteMessage{SelectedOptions: [][]byte{{1}}}}}
	info.Reactions = []*waWeb.Reaction{{Text: proto.String("x")}, {Text: proto.String("y")}}
	info.PinInChat = &waWeb.PinInChat{Type: waWeb.PinInChat_PIN_FOR_ALL.Enum()}
	info.MessageAddOns = []*waWeb.MessageAddOn{{MessageAddOnKey: &waCommon.MessageKey{ID: proto.String("A")}}}
	info.RevokeMessageTimestamp = proto.Uint64(1_700_000_100)
	chat.Messages[1].Message = &waWeb.WebMessageInfo{
		Key: info.Key, MessageStubType: waWeb.WebMessageInfo_GROUP_CHANGE_SUBJECT.Enum(), MessageStubParameters: []string{"New"},
	}
	nobody := func(chat types.JID, message *waWeb.WebMessageInfo) (*waevents.Message, error) {
		if message.MessageStubType != nil {
			return nil, errors.New("no sender")
		}
		return parse(chat, message)
	}
	got := Translator{Parse: nobody, Alternative: func(types.JID) types.JID { return types.EmptyJID }}.Conversation(chat)
	if len(got.Messages) != 2 {
		t.Fatalf("%d messages", len(got.Messages))
	}
	first, notice := got.Messages[0], got.Messages[1]
	if string(first.Secret) != "secret" || len(first.Votes) != 1 || len(first.Reactions) != 2 || len(first.AddOns) != 1 || len(first.Pin) == 0 || first.RevokedMs != 1_700_000_100_000 {
		t.Fatalf("%v", first)
	}
	if notice.Sender != "" || notice.Stub != 21 || notice.StubParameters[0] != "New" {
		t.Fatalf("%v", notice)
	}
}

func TestAnEmptyBlobIsOneLastPiece(t *testing.T) {
	data, err := proto.Marshal(&waHistorySync.HistorySync{SyncType: waHistorySync.HistorySync_RECENT.Enum()})
	if err != nil {
		t.Fatal(err)
	}
	got := pieces(t, compressed(t, data), 0)
	if len(got) != 1 || !got[0].Last {
		t.Fatalf("%v", got)
	}
}

func TestADamagedBlobIsSaidToBeDamaged(t *testing.T) {
	good := blob(t, conversation(1, 5, 50))
	huge := compressed(t, []byte{0x12, 0xff, 0xff, 0xff, 0xff, 0x7f}) // a conversation of 34 GB
	for name, data := range map[string][]byte{
		"no zlib": []byte("not compressed"), "cut": good[:len(good)/2], "garbage": compressed(t, []byte{0x12, 0x05, 1}), "huge": huge,
	} {
		_, err := ReadRest(bytes.NewReader(data))
		if err == nil {
			err = ReadConversations(bytes.NewReader(data), func(*waHistorySync.Conversation) error { return nil })
		}
		if !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte{0x08, 0x03, 0x12, 0x02, 0x0a, 0x00})
	f.Fuzz(func(t *testing.T, plain []byte) {
		var out bytes.Buffer
		writer := zlib.NewWriter(&out)
		_, _ = writer.Write(plain)
		_ = writer.Close()
		if _, err := ReadRest(bytes.NewReader(out.Bytes())); err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatal(err)
		}
		err := ReadConversations(bytes.NewReader(out.Bytes()), func(*waHistorySync.Conversation) error { return nil })
		if err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatal(err)
		}
	})
}
