package events

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	pb "github.com/blazz/blazz/engine-host/internal/enginepb"
)

func limits() Limits {
	l := DefaultLimits(5 * time.Second)
	l.CoalesceBatchesBy = 0
	return l
}

// reader runs a stream and collects what it is sent.
type reader struct {
	batches chan []*pb.Event
	stream  *Stream
	cancel  context.CancelFunc
	ended   chan error
}

func subscribe(t *testing.T, h *Hub) *reader {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &reader{batches: make(chan []*pb.Event, 100), stream: h.Subscribe(), cancel: cancel, ended: make(chan error, 1)}
	go func() {
		r.ended <- r.stream.Run(ctx, func(b *pb.EventBatch) error { r.batches <- b.Events; return nil })
	}()
	t.Cleanup(cancel)
	return r
}

// take waits for n events.
func (r *reader) take(t *testing.T, n int) []*pb.Event {
	t.Helper()
	var got []*pb.Event
	for len(got) < n {
		select {
		case batch := <-r.batches:
			got = append(got, batch...)
		case <-time.After(5 * time.Second):
			t.Fatalf("got %d of %d events", len(got), n)
		}
	}
	return got
}

func (r *reader) nothing(t *testing.T) {
	t.Helper()
	select {
	case batch := <-r.batches:
		t.Fatalf("unexpected events: %v", batch)
	case <-time.After(50 * time.Millisecond):
	}
}

func message(session, id string) *pb.Event {
	return &pb.Event{SessionId: session, Body: &pb.Event_Message{Message: &pb.Message{Id: id}}}
}

func typing(session, chat string) *pb.Event {
	return &pb.Event{SessionId: session, Body: &pb.Event_ChatPresence{ChatPresence: &pb.ChatPresence{Chat: chat}}}
}

func qr(session, code string) *pb.Event {
	return &pb.Event{SessionId: session, Body: &pb.Event_Qr{Qr: &pb.QrCode{Code: code}}}
}

func state(session string, s pb.SessionState) *pb.Event {
	return &pb.Event{SessionId: session, Body: &pb.Event_State{State: &pb.State{State: s}}}
}

func deliver(ctx context.Context, h *Hub, event *pb.Event) <-chan Outcome {
	result := make(chan Outcome, 1)
	go func() { result <- h.Deliver(ctx, event) }()
	return result
}

func expect(t *testing.T, result <-chan Outcome, want Outcome) {
	t.Helper()
	select {
	case got := <-result:
		if got != want {
			t.Fatalf("outcome %d, want %d", got, want)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("delivery did not end")
	}
}

func TestDeliveryWaitsForTheSubscribersAnswer(t *testing.T) {
	h := NewHub(limits())
	r := subscribe(t, h)
	for _, stored := range []bool{true, false} {
		result := deliver(t.Context(), h, message("a", "1"))
		event := r.take(t, 1)[0]
		if !event.NeedsAck {
			t.Fatal("a delivery must ask for an acknowledgement")
		}
		select {
		case <-result:
			t.Fatal("delivery ended without an answer")
		case <-time.After(20 * time.Millisecond):
		}
		h.Answer([]uint64{event.Tag}, stored)
		want := Refused
		if stored {
			want = Stored
		}
		expect(t, result, want)
	}
	if pending, stored, refused := h.Counts(); pending != 0 || stored != 1 || refused != 1 {
		t.Fatalf("counts %d %d %d", pending, stored, refused)
	}
}

func TestDeliveryTimesOutWithoutSubscriber(t *testing.T) {
	l := limits()
	l.AckTimeout = 30 * time.Millisecond
	h := NewHub(l)
	expect(t, deliver(t.Context(), h, message("a", "1")), TimedOut)
	r := subscribe(t, h)
	r.nothing(t) // the server delivers it again, the hub must not
	h.Answer([]uint64{1}, true)
}

func TestStoppingASessionEndsItsDeliveries(t *testing.T) {
	h := NewHub(limits())
	ctx, cancel := context.WithCancel(t.Context())
	result := deliver(ctx, h, message("a", "1"))
	cancel()
	expect(t, result, Cancelled)
}

func TestUnansweredEventsComeAgainWithTheSameTagInOrder(t *testing.T) {
	h := NewHub(limits())
	r := subscribe(t, h)
	first := deliver(t.Context(), h, message("a", "1"))
	before := r.take(t, 1)
	h.Keep(state("b", pb.SessionState_SESSION_STATE_LOGGED_OUT), "final")
	before = append(before, r.take(t, 1)...)
	r.cancel()
	r.stream.Close()
	second := deliver(t.Context(), h, message("c", "2"))
	for pending, _, _ := h.Counts(); pending != 3; pending, _, _ = h.Counts() {
		time.Sleep(time.Millisecond)
	}
	after := subscribe(t, h).take(t, 3)
	for i, event := range before {
		if after[i].Tag != event.Tag {
			t.Fatalf("tag %d came again as %d", event.Tag, after[i].Tag)
		}
	}
	h.Answer([]uint64{after[0].Tag, after[1].Tag, after[2].Tag}, true)
	expect(t, first, Stored)
	expect(t, second, Stored)
	subscribe(t, h).nothing(t)
}

func TestANewerSubscriberEndsTheOlderOne(t *testing.T) {
	h := NewHub(limits())
	old := subscribe(t, h)
	young := subscribe(t, h)
	if err := <-old.ended; err != ErrReplaced {
		t.Fatalf("older stream ended with %v", err)
	}
	old.stream.Close() // must not end the newer one
	h.Post(typing("a", "x"), false)
	young.take(t, 1)
}

func TestFinalStatesAreKeptUntilAcknowledgedAndConnectionStatesReplaceEachOther(t *testing.T) {
	h := NewHub(limits())
	for range 1000 {
		h.Keep(state("a", pb.SessionState_SESSION_STATE_DISCONNECTED), "connection")
		h.Keep(state("a", pb.SessionState_SESSION_STATE_CONNECTING), "connection")
	}
	h.Keep(state("a", pb.SessionState_SESSION_STATE_REPLACED), "final")
	r := subscribe(t, h)
	got := r.take(t, 2)
	if got[0].GetState().State != pb.SessionState_SESSION_STATE_CONNECTING || got[1].GetState().State != pb.SessionState_SESSION_STATE_REPLACED {
		t.Fatalf("got %v", got)
	}
	h.Answer([]uint64{got[1].Tag}, false) // refused: kept
	h.Answer([]uint64{got[0].Tag}, true)
	again := subscribe(t, h).take(t, 1)
	if again[0].Tag != got[1].Tag {
		t.Fatalf("tag %d instead of %d", again[0].Tag, got[1].Tag)
	}
}

func TestTheOldestOfTooManyEphemeralEventsIsDropped(t *testing.T) {
	l := limits()
	l.DroppablePerBox, l.DroppableTotal = 3, 5
	h := NewHub(l)
	for i := range 10_000 {
		h.Post(typing("a", fmt.Sprint("a", i)), false)
	}
	for i := range 10_000 {
		h.Post(typing("b", fmt.Sprint("b", i)), false)
	}
	h.mu.Lock()
	length := len(h.queue)
	h.mu.Unlock()
	if length > 4*l.DroppableTotal {
		t.Fatalf("the queue holds %d entries", length)
	}
	var chats []string
	for _, event := range subscribe(t, h).take(t, 5) {
		chats = append(chats, event.GetChatPresence().Chat)
	}
	if got := strings.Join(chats, " "); got != "a9998 a9999 b9997 b9998 b9999" {
		t.Fatalf("kept %s", got)
	}
}

func TestANewQRCodeReplacesAQueuedOne(t *testing.T) {
	h := NewHub(limits())
	h.Post(qr("a", "old"), true)
	h.Post(typing("a", "x"), false)
	h.Post(qr("b", "other"), true)
	h.Post(qr("a", "new"), true)
	got := subscribe(t, h).take(t, 3)
	if got[0].GetChatPresence() == nil || got[1].GetQr().Code != "other" || got[2].GetQr().Code != "new" {
		t.Fatalf("got %v", got)
	}
}

func TestDeliveriesWaitForRoom(t *testing.T) {
	l := limits()
	l.DeliveryBytes = 1500
	h := NewHub(l)
	r := subscribe(t, h)
	big := func(id string) *pb.Event {
		return &pb.Event{SessionId: id, Body: &pb.Event_Message{Message: &pb.Message{Raw: make([]byte, 1000)}}}
	}
	first := deliver(t.Context(), h, big("a"))
	tag := r.take(t, 1)[0].Tag
	second := deliver(t.Context(), h, big("b"))
	r.nothing(t)
	h.Answer([]uint64{tag}, true)
	expect(t, first, Stored)
	h.Answer([]uint64{r.take(t, 1)[0].Tag}, true)
	expect(t, second, Stored)
}

func TestBatchesAreBoundedByCountAndBytes(t *testing.T) {
	l := limits()
	l.BatchEvents, l.BatchBytes, l.DroppablePerBox = 4, 500, 100
	h := NewHub(l)
	for i := range 10 {
		h.Post(typing("a", fmt.Sprint(i)), false)
	}
	h.Post(typing("a", strings.Repeat("x", 2000)), false)
	h.Post(typing("a", "last"), false)
	r := subscribe(t, h)
	var sizes []int
	total := 0
	for total < 12 {
		select {
		case batch := <-r.batches:
			sizes = append(sizes, len(batch))
			total += len(batch)
		case <-time.After(5 * time.Second):
			t.Fatalf("got only %v", sizes)
		}
	}
	if fmt.Sprint(sizes) != "[4 4 2 1 1]" {
		t.Fatalf("batches of %v", sizes)
	}
}
