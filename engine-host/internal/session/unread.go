package session

import (
	"context"
	"fmt"

	pb "github.com/blazz/blazz/engine-host/internal/enginepb"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
	waevents "go.mau.fi/whatsmeow/types/events"
)

// maxArriving bounds how many unconfirmed messages of one connection are remembered; whatsmeow's own queue of stanzas
// holds 2,048. One that is not remembered is stored when whatsmeow tells of it, after its confirmation.
const maxArriving = 4096

// whatsmeow confirms a message that it cannot read to WhatsApp, and asks its sender to encrypt it anew, before it tells of
// it. A process that dies in between would leave no trace of the message, or let it come behind later ones. So what
// arrives is remembered until it is confirmed, and stored as unreadable in the moment before the request or the
// confirmation leaves. Where it cannot be stored the connection is cut: neither leaves, and the message comes again.

// arrives remembers a message that whatsmeow is about to handle.
func (s *Session) arrives(node *waBinary.Node) {
	key := confirmationKey(node, "from")
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.arriving == nil {
		s.arriving = map[string]*waBinary.Node{}
	}
	if len(s.arriving) < maxArriving {
		s.arriving[key] = node
	}
}

// confirms stores a message that could not be read before its sender is asked for it again (`retried`) or, when there is
// nothing to read, before it is confirmed.
func (s *Session) confirms(node *waBinary.Node, retried bool) {
	key := confirmationKey(node, "to")
	s.mu.Lock()
	message := s.arriving[key]
	if !retried {
		delete(s.arriving, key)
	}
	s.mu.Unlock()
	if message == nil || !retried && !isUnavailable(message) {
		return
	}
	//lint:ignore SA1019 reading a stanza's head has no other door, and changes nothing
	info, err := s.client.DangerousInternals().ParseMessageInfo(message)
	if err != nil {
		return // whatsmeow could not read its head either, and tells of nothing
	}
	if info.Sender.Server == types.DefaultUserServer && info.SenderAlt.IsEmpty() {
		info.SenderAlt, _ = s.device.LIDs.GetLIDForPN(context.WithoutCancel(s.ctx), info.Sender)
	}
	unread := &waevents.UndecryptableMessage{Info: *info, IsUnavailable: isUnavailable(message)}
	if unread.IsUnavailable {
		child := message.GetChildByTag("unavailable")
		unread.UnavailableType = waevents.UnavailableType(child.AttrGetter().OptionalString("type"))
	}
	if !s.storeUnread(unread) {
		s.cutConn() // sending with a cancelled context writes nothing
		return
	}
	s.mu.Lock()
	if s.placed == nil {
		s.placed = map[string]struct{}{}
	}
	s.placed[unreadKey(info)] = struct{}{}
	s.mu.Unlock()
}

// onUnread stores a message that could not be read, unless that was done before it was confirmed.
func (s *Session) onUnread(e *waevents.UndecryptableMessage) bool {
	key := unreadKey(&e.Info)
	s.mu.Lock()
	_, placed := s.placed[key]
	delete(s.placed, key)
	s.mu.Unlock()
	return placed || s.storeUnread(e)
}

func (s *Session) storeUnread(e *waevents.UndecryptableMessage) bool {
	if s.withheld(&e.Info.MessageSource) {
		return false
	}
	body := s.event()
	body.Body = &pb.Event_Undecryptable{Undecryptable: undecryptable(e)}
	stored := s.deliver(body)
	if !stored {
		s.withhold(&e.Info.MessageSource)
	}
	return stored
}

func isUnavailable(message *waBinary.Node) bool {
	_, unavailable := message.GetOptionalChildByTag("unavailable")
	return unavailable && len(message.GetChildrenByTag("enc")) == 0
}

// confirmationKey tells messages apart as their confirmations do: by id, chat and, in groups, author.
func confirmationKey(node *waBinary.Node, peer string) string {
	return fmt.Sprint(node.Attrs["id"], " ", node.Attrs[peer], " ", node.Attrs["participant"])
}

func unreadKey(info *types.MessageInfo) string { return info.ID + " " + info.Sender.String() }
