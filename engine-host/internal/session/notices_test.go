package session

import (
	"testing"
	"time"

	pb "github.com/blazz/blazz/engine-host/internal/enginepb"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
	waevents "go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"
)

func TestTheNoticeOfUsedUpChatsIsReadWhateverItsTimesLookLike(t *testing.T) {
	want := &pb.MessageCap{Status: "CAPPED", Used: 25, Total: 30, EndsMs: 1_800_000_000_000}
	for _, end := range []string{`"1800000000"`, `1800000000`} {
		text := `{"data":{"xwa2_notify_new_chat_messages_capping_info_update":{"capping_status":"CAPPED",` +
			`"used_quota":25,"total_quota":30,"cycle_end_timestamp":` + end + `,"of_later":[]}}}`
		if got := messageCap([]byte(text)); !proto.Equal(got, want) {
			t.Errorf("%s: %v", end, got)
		}
	}
	for _, text := range []string{``, `[]`, `{}`, `{"data":{}}`, `{"data":{"xwa2_notify_newsletter_on_join":{}}}`, `{"data":1}`} {
		if got := messageCap([]byte(text)); got != nil {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func TestACallIsToldWithItsCallerAndItsKind(t *testing.T) {
	caller := types.NewJID("111222333", types.HiddenUserServer)
	phone := types.NewJID("628110000001", types.DefaultUserServer)
	meta := types.BasicCallMeta{
		From: caller, CallCreator: caller, CallCreatorAlt: phone, CallID: "C1", Timestamp: time.Unix(1_800_000_000, 0),
	}
	base := &pb.Call{Id: "C1", Caller: "111222333@lid", CallerAlt: "628110000001@s.whatsapp.net", TimestampMs: 1_800_000_000_000}
	with := func(change func(*pb.Call)) *pb.Call {
		call := proto.Clone(base).(*pb.Call)
		change(call)
		return call
	}
	video := &waBinary.Node{Tag: "offer", Content: []waBinary.Node{{Tag: "audio"}, {Tag: "video"}}}
	for name, c := range map[string]struct {
		event any
		want  *pb.Call
	}{
		"voice": {&waevents.CallOffer{BasicCallMeta: meta, Data: &waBinary.Node{Tag: "offer"}}, with(func(c *pb.Call) { c.Stage = pb.CallStage_CALL_STAGE_OFFERED })},
		"video": {&waevents.CallOffer{BasicCallMeta: meta, Data: video}, with(func(c *pb.Call) { c.Stage, c.Video = pb.CallStage_CALL_STAGE_OFFERED, true })},
		"group": {&waevents.CallOfferNotice{BasicCallMeta: meta, Media: "video"}, with(func(c *pb.Call) { c.Stage, c.Video = pb.CallStage_CALL_STAGE_OFFERED, true })},
		"taken": {&waevents.CallAccept{BasicCallMeta: meta}, with(func(c *pb.Call) { c.Stage = pb.CallStage_CALL_STAGE_ACCEPTED })},
		"ended": {&waevents.CallTerminate{BasicCallMeta: meta, Reason: "timeout"}, with(func(c *pb.Call) { c.Stage, c.Reason = pb.CallStage_CALL_STAGE_TERMINATED, "timeout" })},
		"other": {&waevents.CallTransport{BasicCallMeta: meta}, nil},
	} {
		if got := callOf(c.event); !proto.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestABanWithoutAnEndSaysSo(t *testing.T) {
	if banEnd(0) != 0 {
		t.Error("an end was made up")
	}
	if left := time.Until(time.UnixMilli(banEnd(time.Hour))); left < 59*time.Minute || left > time.Hour {
		t.Errorf("ends in %v", left)
	}
}
