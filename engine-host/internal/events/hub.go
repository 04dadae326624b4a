// Package events carries events to the one subscriber: in order, in batches, with bounded memory, and with deliveries
// that wait until the subscriber has stored them.
package events

import (
	"context"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	pb "github.com/blazz/blazz/engine-host/internal/enginepb"
	"google.golang.org/protobuf/proto"
)

// Limits bound the hub's memory.
type Limits struct {
	AckTimeout        time.Duration // how long a delivery may wait for its answer
	DroppablePerBox   int           // queued events without acknowledgement, per session
	DroppableTotal    int           // the same over all sessions
	DeliveryBytes     int           // serialised bytes of all waiting deliveries
	BatchEvents       int
	BatchBytes        int
	CoalesceBatchesBy time.Duration
}

// DefaultLimits are those of the product. Batching by 1 ms was measured to cost a fiftieth of single messages.
func DefaultLimits(ackTimeout time.Duration) Limits {
	return Limits{
		AckTimeout: ackTimeout, DroppablePerBox: 64, DroppableTotal: 8192, DeliveryBytes: 64 << 20,
		BatchEvents: 256, BatchBytes: 1 << 20, CoalesceBatchesBy: time.Millisecond,
	}
}

// Outcome is the fate of a delivery.
type Outcome int

// The outcomes of Deliver.
const (
	Stored    Outcome = iota // committed by the subscriber
	Refused                  // the subscriber could not store it
	TimedOut                 // no answer in time, or no subscriber
	Cancelled                // the session was stopped meanwhile
)

type kind int

const (
	droppable kind = iota // no acknowledgement; the oldest is dropped at the bound
	waiting               // a handler waits for the answer
	sticky                // nobody waits, but it is kept until acknowledged
)

type item struct {
	event  *pb.Event
	kind   kind
	slot   string // sticky: a newer event of the same session and slot replaces an older one
	size   int
	queued bool // in the queue, not yet taken by a stream
	gone   bool // acknowledged, dropped or replaced
	answer chan bool
}

// Hub connects sessions to the subscriber.
type Hub struct {
	limits Limits

	mu            sync.Mutex
	tag           uint64
	queue         []*item
	kept          map[uint64]*item   // waiting and sticky, until answered
	slots         map[string]*item   // sticky by session and slot
	loose         map[string][]*item // droppable and still queued, by session, oldest first
	looseTotal    int
	deliveryBytes int
	room          chan struct{} // closed and renewed when delivery bytes become free
	stream        *Stream

	stored, refused atomic.Uint64
}

// NewHub returns a hub without subscriber.
func NewHub(limits Limits) *Hub {
	return &Hub{
		limits: limits, kept: map[uint64]*item{}, slots: map[string]*item{}, loose: map[string][]*item{},
		room: make(chan struct{}),
	}
}

// Post queues an event that needs no acknowledgement. replace drops earlier queued events of the same session and the
// same body type (an older QR code is useless).
func (h *Hub) Post(event *pb.Event, replace bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	box := h.loose[event.SessionId]
	if replace {
		for _, old := range box {
			if sameBody(old.event, event) && !old.gone {
				h.dropLoose(old)
			}
		}
	}
	if h.count(event.SessionId) >= h.limits.DroppablePerBox {
		h.dropOldest(event.SessionId)
	} else if h.looseTotal >= h.limits.DroppableTotal {
		h.dropOldest(h.fullest())
	}
	entry := h.enqueue(event, droppable)
	h.loose[event.SessionId] = append(h.loose[event.SessionId], entry)
	h.looseTotal++
}

// Keep queues an event that is kept until the subscriber acknowledges it, without waiting. A newer event of the same
// session and slot replaces it.
func (h *Hub) Keep(event *pb.Event, slot string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	key := event.SessionId + "\x00" + slot
	if old := h.slots[key]; old != nil {
		old.gone = true
		delete(h.kept, old.event.Tag)
	}
	event.NeedsAck = true
	entry := h.enqueue(event, sticky)
	entry.slot = key
	h.slots[key] = entry
	h.kept[event.Tag] = entry
}

// Deliver queues the event and waits for the subscriber's answer, the time-out or the end of ctx.
func (h *Hub) Deliver(ctx context.Context, event *pb.Event) Outcome {
	timer := time.NewTimer(h.limits.AckTimeout)
	defer timer.Stop()
	size := proto.Size(event)
	event.NeedsAck = true
	h.mu.Lock()
	for h.deliveryBytes > 0 && h.deliveryBytes+size > h.limits.DeliveryBytes {
		room := h.room
		h.mu.Unlock()
		select {
		case <-room:
		case <-timer.C:
			return TimedOut
		case <-ctx.Done():
			return Cancelled
		}
		h.mu.Lock()
	}
	entry := h.enqueue(event, waiting)
	entry.size = size
	entry.answer = make(chan bool, 1)
	h.deliveryBytes += size
	h.kept[event.Tag] = entry
	h.mu.Unlock()

	outcome := TimedOut
	select {
	case ok := <-entry.answer:
		if outcome = Refused; ok {
			outcome = Stored
		}
	case <-timer.C:
	case <-ctx.Done():
		outcome = Cancelled
	}
	h.mu.Lock()
	entry.gone = true
	delete(h.kept, event.Tag)
	h.deliveryBytes -= size
	close(h.room)
	h.room = make(chan struct{})
	h.mu.Unlock()
	if outcome == Stored {
		h.stored.Add(1)
	} else {
		h.refused.Add(1)
	}
	return outcome
}

// Answer settles deliveries. Unknown tags (late, or settled before) are ignored.
func (h *Hub) Answer(tags []uint64, stored bool) {
	if len(tags) == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, tag := range tags {
		entry := h.kept[tag]
		if entry == nil {
			continue
		}
		if entry.kind == sticky {
			if stored {
				entry.gone = true
				delete(h.kept, tag)
				delete(h.slots, entry.slot)
			}
			continue // refused: sent again on the next stream
		}
		delete(h.kept, tag)
		entry.gone = true
		entry.answer <- stored
	}
}

// Counts returns waiting deliveries, and those stored and not stored since the start.
func (h *Hub) Counts() (pending int, stored, refused uint64) {
	h.mu.Lock()
	pending = len(h.kept)
	h.mu.Unlock()
	return pending, h.stored.Load(), h.refused.Load()
}

// enqueue gives the next tag and appends to the queue. The lock is held.
func (h *Hub) enqueue(event *pb.Event, k kind) *item {
	h.tag++
	event.Tag = h.tag
	entry := &item{event: event, kind: k, queued: true}
	if len(h.queue) > 2*(h.limits.DroppableTotal+len(h.kept)) {
		h.compact()
	}
	h.queue = append(h.queue, entry)
	if h.stream != nil {
		h.stream.notify()
	}
	return entry
}

func (h *Hub) count(session string) int {
	n := 0
	for _, entry := range h.loose[session] {
		if !entry.gone {
			n++
		}
	}
	return n
}

func (h *Hub) fullest() string {
	name, most := "", 0
	for session, box := range h.loose {
		if len(box) > most {
			name, most = session, len(box)
		}
	}
	return name
}

func (h *Hub) dropOldest(session string) {
	for _, entry := range h.loose[session] {
		if !entry.gone {
			h.dropLoose(entry)
			return
		}
	}
}

// dropLoose marks a queued droppable event as gone and forgets it. The lock is held.
func (h *Hub) dropLoose(entry *item) {
	entry.gone = true
	h.forgetLoose(entry)
}

func (h *Hub) forgetLoose(entry *item) {
	session := entry.event.SessionId
	box := h.loose[session]
	for i, other := range box {
		if other == entry {
			box = append(box[:i:i], box[i+1:]...)
			h.looseTotal--
			break
		}
	}
	if len(box) == 0 {
		delete(h.loose, session)
	} else {
		h.loose[session] = box
	}
}

// compact removes dead entries from the queue, which no stream takes at the moment. The lock is held.
func (h *Hub) compact() {
	alive := make([]*item, 0, len(h.kept)+h.looseTotal)
	for _, entry := range h.queue {
		if !entry.gone {
			alive = append(alive, entry)
		}
	}
	h.queue = alive
}

func sameBody(a, b *pb.Event) bool {
	_, qrA := a.Body.(*pb.Event_Qr)
	_, qrB := b.Body.(*pb.Event_Qr)
	return qrA && qrB
}

// requeue puts every unanswered event back in line for a new stream. The lock is held.
func (h *Hub) requeue() {
	h.compact()
	for _, entry := range h.kept {
		if !entry.queued {
			entry.queued = true
			h.queue = append(h.queue, entry)
		}
	}
	sort.Slice(h.queue, func(i, j int) bool { return h.queue[i].event.Tag < h.queue[j].event.Tag })
}
