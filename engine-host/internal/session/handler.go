package session

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"time"

	pb "github.com/blazz/blazz/engine-host/internal/enginepb"
	"github.com/blazz/blazz/engine-host/internal/events"
	"github.com/blazz/blazz/engine-host/internal/failpoint"
	"go.mau.fi/whatsmeow/appstate"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
	waevents "go.mau.fi/whatsmeow/types/events"
)

const (
	firstReset   = time.Second      // from the first delivery that was not stored to the reset of the connection
	maxReset     = time.Minute      // the same, after many in a row
	failureReset = 60 * time.Second // a quiet time after which the row starts anew
)

// handle is whatsmeow's event handler. It returns false to withhold the confirmation to WhatsApp. whatsmeow holds a lock
// meanwhile and recovers panics as success, so ours are recovered here and count as failures.
func (s *Session) handle(event any) (ok bool) {
	defer func() {
		if value := recover(); value != nil {
			s.m.Counters.Panics.Add(1)
			s.log.Error("panic in event handler", "event", fmt.Sprintf("%T", event), "kind", fmt.Sprintf("%T", value), "frames", frames())
			s.notStored("panic in event handler")
			ok = false
		}
	}()
	switch e := event.(type) {
	case *waevents.Message:
		return s.onMessage(e)
	case *waevents.Receipt:
		body := s.event()
		body.Body = &pb.Event_Receipt{Receipt: receipt(e)}
		return s.deliver(body)
	case *waevents.UndecryptableMessage:
		return s.onUnread(e)
	default:
		if done, stored := s.onGroup(event); done {
			return stored
		}
		s.onOther(event)
		return true
	}
}

func (s *Session) onMessage(e *waevents.Message) (stored bool) {
	if s.withheld(&e.Info.MessageSource) {
		return false
	}
	defer func() {
		if !stored { // a panic, too
			s.withhold(&e.Info.MessageSource)
		}
	}()
	fail := s.m.cfg.Fail
	if fail.Hit(failpoint.MessageBeforeDispatch) != nil || fail.Hit(failpoint.Handler) != nil {
		s.notStored("failpoint")
		return false
	}
	if err := fail.Hit(failpoint.LibraryPanic); err != nil {
		go s.breakDown(err)
	}
	if notice := s.historyNotice(e); notice != nil {
		return s.deliver(notice)
	}
	body := s.event()
	translated, err := message(e, s.offline.Load())
	if err != nil {
		s.log.Error("message cannot be serialised", "id", e.Info.ID, "error", err)
		return true // it can never be, and would come again for ever
	}
	body.Body = &pb.Event_Message{Message: translated}
	if !s.deliver(body) {
		return false
	}
	return fail.Hit(failpoint.MessageAfterStoredBeforeConfirm) == nil
}

// withhold leaves the rest of a chat to the next connection, which delivers it again: what came after a message that was
// not stored must not be stored before it.
func (s *Session) withhold(source *types.MessageSource) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held == nil {
		s.held = map[string]struct{}{}
	}
	for _, name := range chatNames(source) {
		s.held[name] = struct{}{}
	}
}

// withheld tells whether an earlier message of the chat was not stored on this connection.
func (s *Session) withheld(source *types.MessageSource) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range chatNames(source) {
		if _, held := s.held[name]; held {
			return true
		}
	}
	return false
}

// chatNames returns the chat under the address in use and, where it is a person's, under the other one.
func chatNames(source *types.MessageSource) []string {
	names := []string{source.Chat.ToNonAD().String()}
	other := source.SenderAlt
	if source.IsFromMe {
		other = source.RecipientAlt
	}
	if !source.IsGroup && !other.IsEmpty() {
		names = append(names, other.ToNonAD().String())
	}
	return names
}

// breakDown is the like of a panic in a goroutine of the library, which still needs its client after the call that fails.
//
//go:noinline
func (s *Session) breakDown(err error) {
	explode(err)
	s.log.Error("unreachable")
}

//go:noinline
func explode(err error) { panic(err) }

// deliver waits until the subscriber has stored the event. Where it has not, the connection is reset after a moment:
// the server sends again only after a new login.
func (s *Session) deliver(event *pb.Event) bool {
	conn := s.connContext()
	if conn.Err() != nil {
		return false
	}
	switch s.m.cfg.Hub.Deliver(conn, event) {
	case events.Stored:
		return true
	case events.Refused:
		s.notStored("the subscriber could not store an event")
	case events.TimedOut:
		s.notStored("the subscriber did not answer in time")
	}
	return false
}

// notStored asks for a reset of the connection after a delay that grows with every failure in a row.
func (s *Session) notStored(detail string) {
	s.mu.Lock()
	if time.Since(s.failedAt) > failureReset+maxReset {
		s.failures = 0
	}
	s.failedAt = time.Now()
	delay := min(maxReset, firstReset<<min(s.failures, 6))
	s.failures++
	s.mu.Unlock()
	s.mail.put(signal{kind: sigReset, detail: detail, after: delay})
}

func (s *Session) onOther(event any) {
	switch e := event.(type) {
	case *waevents.Connected:
		s.remember()
		s.up.Store(true)
		s.m.cfg.Version.Accepted()
		s.mail.put(signal{kind: sigUp})
		s.report(&pb.State{State: pb.SessionState_SESSION_STATE_CONNECTED})
	case *waevents.MediaRetry:
		s.mediaAnswers.put(e)
	case *waevents.OfflineSyncCompleted:
		s.offline.Store(false)
		s.report(&pb.State{State: pb.SessionState_SESSION_STATE_OFFLINE_SYNC_DONE, Detail: strconv.Itoa(e.Count)})
	case *waevents.AppStateSyncComplete:
		s.stateChanged(e.Name)
		if e.Name == appstate.WAPatchCriticalBlock { // the account's own name lives there
			s.ownName()
		}
	case *waevents.AppState:
		s.onStateChange(e)
	case *waevents.Disconnected:
		s.up.Store(false)
		s.mail.put(signal{kind: sigDown, detail: "the connection was closed"})
	case *waevents.KeepAliveTimeout:
		s.mail.put(signal{kind: sigReset, detail: "no answer to keep-alive"})
	case *waevents.StreamError:
		if code, err := strconv.Atoi(e.Code); err == nil {
			s.setCode(int32(code))
		}
		s.mail.put(signal{kind: sigReset, detail: "stream error " + e.Code})
	case *waevents.ManualLoginReconnect:
		s.mail.put(signal{kind: sigRelogin})
	case *waevents.QR:
		s.onQR(e.Codes)
	case *waevents.PairSuccess:
		s.onPaired()
	case *waevents.PairError:
		s.onPairError(e.Error)
	case *waevents.LoggedOut:
		s.up.Store(false)
		code := int32(e.Reason)
		s.final(&pb.State{State: pb.SessionState_SESSION_STATE_LOGGED_OUT, Detail: e.Reason.String(), Code: code})
	case *waevents.StreamReplaced:
		s.up.Store(false)
		s.final(&pb.State{State: pb.SessionState_SESSION_STATE_REPLACED, Detail: "another connection took over"})
	case *waevents.ClientOutdated:
		s.mail.put(signal{kind: sigOutdated})
	case *waevents.TemporaryBan:
		s.final(&pb.State{
			State: pb.SessionState_SESSION_STATE_TEMPORARY_BAN, Code: int32(e.Code), Detail: e.Code.String(),
			BanExpiresMs: banEnd(e.Expire),
		})
	case *waevents.NotifyAccountReachoutTimelock:
		s.onTimelock(e)
	case *waevents.ConnectFailure:
		s.setCode(int32(e.Reason))
		s.mail.put(signal{kind: sigReset, detail: fmt.Sprintf("login refused: %d", int(e.Reason))})
	default:
		if s.onPasskey(event) || s.onCall(event) || s.onPeople(event) {
			return
		}
		if body := ephemeral(event); body != nil {
			body.SessionId, body.Epoch = s.id, s.epoch
			s.m.cfg.Hub.Post(body, false)
		}
	}
}

// banEnd returns when a ban ends, 0 where WhatsApp does not tell.
func banEnd(left time.Duration) int64 {
	if left <= 0 {
		return 0
	}
	return time.Now().Add(left).UnixMilli()
}

// ownName tells the account's name when app state has brought it.
func (s *Session) ownName() {
	s.mu.Lock()
	before := s.who.pushName
	s.mu.Unlock()
	s.remember()
	s.mu.Lock()
	who := s.who
	s.mu.Unlock()
	if who.pushName == before {
		return
	}
	body := s.event()
	body.Body = &pb.Event_PushName{PushName: &pb.PushName{Jid: who.jid, JidAlt: who.lid, Name: who.pushName}}
	s.m.cfg.Hub.Post(body, false)
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// libraryPanicked is called when whatsmeow recovered a panic of its own and is about to confirm the message.
func (s *Session) libraryPanicked() {
	s.m.Counters.Panics.Add(1)
	s.mail.put(signal{kind: sigReset, detail: "panic in the protocol library"})
	s.cutConn()
}

// warned picks up numeric reasons that whatsmeow only logs.
func (s *Session) warned(format string, args []any) {
	switch {
	case strings.HasPrefix(format, "Got %d/%s connect failure") && len(args) > 0:
		if code, ok := args[0].(int); ok {
			s.setCode(int32(code))
		}
	case strings.HasPrefix(format, "Got 503 stream error"):
		s.setCode(503)
	}
}

// outgoing sees every node immediately before its bytes are handed to the socket.
func (s *Session) outgoing(node *waBinary.Node) {
	if s.m.cfg.Guard.Allow() != nil && node.Tag != "iq" {
		s.cutConn() // sending with a cancelled context writes nothing
		return
	}
	switch {
	case node.Tag == "receipt" && node.Attrs["type"] == "retry":
		s.confirms(node, true)
		return
	case node.Tag == "ack" && node.Attrs["class"] == "message":
		s.confirms(node, false)
		return
	case node.Tag != "message":
		return
	}
	id, _ := node.Attrs["id"].(string)
	s.mu.Lock()
	d := s.leaving[id]
	s.mu.Unlock()
	if d == nil {
		return
	}
	if s.m.cfg.Fail.Hit(failpoint.SendBeforeSocket) != nil {
		d.cancel()
		return
	}
	d.left.Store(true)
}

// frames returns the functions on the stack, without arguments.
func frames() []string {
	pcs := make([]uintptr, 24)
	all := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs)])
	var list []string
	for {
		frame, more := all.Next()
		list = append(list, frame.Function+":"+strconv.Itoa(frame.Line))
		if !more {
			return list
		}
	}
}
