package session

import (
	"sync"
	"time"

	pb "github.com/blazz/blazz/engine-host/internal/enginepb"
)

type signalKind int

const (
	sigUp       signalKind = iota // logged in and active
	sigReady                      // not linked, and the server waits for a pairing
	sigDown                       // the socket is gone
	sigReset                      // the socket must be closed and opened again
	sigRelogin                    // the server asked for a new login after pairing
	sigPaired                     // pair-success arrived
	sigHold                       // the owner's deadline is near
	sigOutdated                   // WhatsApp refuses the client version
	sigFinal                      // the session ends in the state given
)

// signal tells the session's loop what happened.
type signal struct {
	kind   signalKind
	detail string
	after  time.Duration // sigReset: wait this long first
	state  *pb.State     // sigFinal
}

// mailbox is an unbounded queue that never blocks whatsmeow's goroutines. In practice it holds a few signals.
type mailbox struct {
	mu    sync.Mutex
	items []signal
	wake  chan struct{}
}

func newMailbox() *mailbox { return &mailbox{wake: make(chan struct{}, 1)} }

func (b *mailbox) put(s signal) {
	b.mu.Lock()
	b.items = append(b.items, s)
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

func (b *mailbox) take() (signal, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.items) == 0 {
		b.items = nil
		return signal{}, false
	}
	s := b.items[0]
	b.items = b.items[1:]
	return s, true
}
