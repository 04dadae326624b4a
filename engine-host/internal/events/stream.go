package events

import (
	"context"
	"errors"
	"sync"
	"time"

	pb "github.com/blazz/blazz/engine-host/internal/enginepb"
	"google.golang.org/protobuf/proto"
)

// ErrReplaced ends a stream when a newer subscriber has come.
var ErrReplaced = errors.New("replaced by a newer subscriber")

// Stream is one subscription.
type Stream struct {
	hub      *Hub
	wake     chan struct{}
	replaced chan struct{}
	once     sync.Once
}

// Subscribe makes the caller the only subscriber; an older stream ends. Unanswered events come again, same tags.
func (h *Hub) Subscribe() *Stream {
	stream := &Stream{hub: h, wake: make(chan struct{}, 1), replaced: make(chan struct{})}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stream != nil {
		h.stream.end()
	}
	h.stream = stream
	h.requeue()
	stream.notify()
	return stream
}

// Close ends the subscription. Events wait for the next one.
func (s *Stream) Close() {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	if s.hub.stream == s {
		s.hub.stream = nil
	}
	s.end()
}

func (s *Stream) end() { s.once.Do(func() { close(s.replaced) }) }

func (s *Stream) notify() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run sends batches until ctx ends, send fails, or a newer subscriber comes. The first event after a pause leaves at
// once, later ones at most one batch per coalescing interval.
func (s *Stream) Run(ctx context.Context, send func(*pb.EventBatch) error) error {
	for {
		batch := s.take()
		if len(batch) == 0 {
			select {
			case <-s.wake:
				continue
			case <-s.replaced:
				return ErrReplaced
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if err := send(&pb.EventBatch{Events: batch}); err != nil {
			return err
		}
		select {
		case <-time.After(s.hub.limits.CoalesceBatchesBy):
		case <-s.replaced:
			return ErrReplaced
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// take removes the next batch from the queue.
func (s *Stream) take() []*pb.Event {
	h := s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stream != s {
		return nil
	}
	var batch []*pb.Event
	size := 0
	taken := 0
	for _, entry := range h.queue {
		if entry.gone {
			taken++
			continue
		}
		n := proto.Size(entry.event)
		if len(batch) == h.limits.BatchEvents || len(batch) > 0 && size+n > h.limits.BatchBytes {
			break
		}
		size += n
		taken++
		batch = append(batch, entry.event)
		entry.queued = false
		if entry.kind == droppable {
			h.forgetLoose(entry)
		}
	}
	clear(h.queue[:taken])
	if h.queue = h.queue[taken:]; len(h.queue) == 0 {
		h.queue = nil
	}
	return batch
}
