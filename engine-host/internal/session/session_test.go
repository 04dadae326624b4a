package session

import (
	"errors"
	"fmt"
	"testing"
	"time"

	pb "github.com/blazz/blazz/engine-host/internal/enginepb"
	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	waevents "go.mau.fi/whatsmeow/types/events"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

func TestReconnectsStartWithinASecondAndGrowTo300Seconds(t *testing.T) {
	for attempt, nominal := range []time.Duration{0, 5, 10, 20, 40, 80, 160, 300, 300, 300} {
		nominal *= time.Second
		for range 100 {
			delay := backoff(attempt)
			low, high := nominal*3/4, nominal
			if attempt == 0 {
				low, high = 0, time.Second
			}
			if delay < low || delay > high {
				t.Fatalf("attempt %d waits %v", attempt, delay)
			}
		}
	}
}

func TestAFailedSendSaysWhetherAnythingMayHaveLeft(t *testing.T) {
	for _, c := range []struct {
		err  error
		left bool
		code codes.Code
		text string
	}{
		{whatsmeow.ErrMessageTimedOut, true, codes.Aborted, "unknown_outcome: "},
		{&whatsmeow.DisconnectedError{Action: "message send"}, true, codes.Aborted, "unknown_outcome: "},
		{whatsmeow.ErrNotConnected, true, codes.Aborted, "unknown_outcome: "},
		{whatsmeow.ErrNotConnected, false, codes.Unavailable, "not_connected: "},
		{whatsmeow.ErrIQTimedOut, false, codes.Unavailable, "not_connected: "},
		{whatsmeow.ErrNotLoggedIn, false, codes.FailedPrecondition, "not_linked: "},
		{fmt.Errorf("%w %d", whatsmeow.ErrServerReturnedError, 463), true, codes.PermissionDenied, "refused: 463 "},
		{fmt.Errorf("%w newsletter?", whatsmeow.ErrUnknownServer), false, codes.InvalidArgument, "invalid: "},
		{errors.New("insert: database or disk is full (13)"), false, codes.Unavailable, "store_failure: "},
		{errors.New("no LID found for 1@s.whatsapp.net from server"), false, codes.NotFound, "not_on_whatsapp: "},
	} {
		err := sendError(c.err, c.left)
		got := status.Convert(err)
		if got.Code() != c.code || len(got.Message()) < len(c.text) || got.Message()[:len(c.text)] != c.text {
			t.Errorf("%v, left %v: %v", c.err, c.left, err)
		}
	}
}

func TestQRCodesLiveAsLongAsWhatsAppSays(t *testing.T) {
	if got := qrTime(make([]string, 6)); got != 160*time.Second {
		t.Errorf("six codes live %v", got)
	}
	if got := qrTime(make([]string, 3)); got != 60*time.Second {
		t.Errorf("three codes live %v", got)
	}
}

func TestAMessageKeepsItsRawBytesAndBothAddresses(t *testing.T) {
	raw := &waE2E.Message{EphemeralMessage: &waE2E.FutureProofMessage{Message: &waE2E.Message{Conversation: proto.String("x")}}}
	event := (&waevents.Message{RawMessage: raw, Info: types.MessageInfo{
		ID: "ID", Timestamp: time.Unix(5, 0), MessageSource: types.MessageSource{
			Chat: types.NewJID("1", types.HiddenUserServer), Sender: types.NewADJID("1", 1, 3), SenderAlt: types.NewJID("62811", types.DefaultUserServer),
		},
	}}).UnwrapRaw()
	m, err := message(event, true)
	if err != nil {
		t.Fatal(err)
	}
	want, _ := proto.Marshal(raw)
	if string(m.Raw) != string(want) || !m.Ephemeral || !m.IsOffline || m.TimestampMs != 5000 {
		t.Errorf("got %v", m)
	}
	if m.Chat != "1@lid" || m.SenderAlt != "62811@s.whatsapp.net" || m.RecipientAlt != "" || m.AddressingMode != "lid" {
		t.Errorf("addresses: %v", m)
	}
}

func TestStatesThatMustNotReplaceEachOtherHaveDifferentSlots(t *testing.T) {
	same := slot(pb.SessionState_SESSION_STATE_CONNECTED)
	for state, want := range map[pb.SessionState]bool{
		pb.SessionState_SESSION_STATE_CONNECTING: true, pb.SessionState_SESSION_STATE_DISCONNECTED: true,
		pb.SessionState_SESSION_STATE_PAIRED: false, pb.SessionState_SESSION_STATE_LOGGED_OUT: false,
		pb.SessionState_SESSION_STATE_REPLACED: false, pb.SessionState_SESSION_STATE_OFFLINE_SYNC_DONE: false,
	} {
		if (slot(state) == same) != want {
			t.Errorf("%s", state)
		}
	}
}

func TestEventsWithoutAFieldBecomeJSON(t *testing.T) {
	event := ephemeral(&waevents.IdentityChange{JID: types.NewJID("1", types.HiddenUserServer)})
	if other := event.GetOther(); other.GetName() != "IdentityChange" || other.GetJson() == "" {
		t.Errorf("got %v", event)
	}
	if ephemeral(&waevents.OfflineSyncPreview{}) != nil {
		t.Error("an event that nobody needs was translated")
	}
}

func TestWhatFollowsAMessageThatWasNotStoredWaitsForTheNextConnection(t *testing.T) {
	lid, phone := types.NewJID("1", types.HiddenUserServer), types.NewJID("62811", types.DefaultUserServer)
	byLID := &types.MessageSource{Chat: lid, Sender: types.NewADJID("1", 1, 3), SenderAlt: phone}
	byPhone := &types.MessageSource{Chat: phone, Sender: phone}
	sent := &types.MessageSource{Chat: phone, IsFromMe: true, RecipientAlt: lid}
	another := &types.MessageSource{Chat: types.NewJID("2", types.HiddenUserServer)}
	s := &Session{}
	if s.withheld(byLID) {
		t.Fatal("nothing has failed")
	}
	s.withhold(byLID)
	for _, same := range []*types.MessageSource{byLID, byPhone, sent} {
		if !s.withheld(same) {
			t.Errorf("%v belongs to the same chat", same.Chat)
		}
	}
	if s.withheld(another) {
		t.Error("another chat goes on")
	}
}
