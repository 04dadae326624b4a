package history

import (
	pb "github.com/blazz/blazz/engine-host/internal/enginepb"
	"go.mau.fi/whatsmeow/proto/waHistorySync"
	"google.golang.org/protobuf/proto"
)

// Bounds of one piece.
const (
	pieceConversations = 50
	pieceEntries       = 2000 // mappings and names
	pieceBytes         = 256 << 10
)

// Cutter gathers what is read into pieces and emits them in order, without the first of them when they are here already.
// It keeps one piece back, to mark the last.
type Cutter struct {
	emit  func(*pb.HistoryPiece) error
	skip  int
	count int
	size  int
	piece *pb.HistoryPiece
	ready *pb.HistoryPiece
}

// NewCutter returns a cutter that leaves out the first skip pieces.
func NewCutter(skip int, emit func(*pb.HistoryPiece) error) *Cutter {
	return &Cutter{emit: emit, skip: skip, piece: &pb.HistoryPiece{}}
}

// Rest adds the addresses and names of a blob.
func (c *Cutter) Rest(rest *waHistorySync.HistorySync) error {
	for _, mapping := range rest.GetPhoneNumberToLidMappings() {
		c.piece.Mappings = append(c.piece.Mappings, &pb.HistoryMapping{Phone: mapping.GetPnJID(), Lid: mapping.GetLidJID()})
		if err := c.cutEntries(); err != nil {
			return err
		}
	}
	for _, name := range rest.GetPushnames() {
		if name.GetPushname() == "" || name.GetPushname() == "-" {
			continue
		}
		c.piece.Names = append(c.piece.Names, &pb.HistoryName{Jid: name.GetID(), Name: name.GetPushname()})
		if err := c.cutEntries(); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cutter) cutEntries() error {
	if len(c.piece.Mappings)+len(c.piece.Names) < pieceEntries {
		return nil
	}
	return c.cut()
}

// Conversation adds a conversation; one that does not fit goes on in the next piece.
func (c *Cutter) Conversation(whole *pb.HistoryConversation) error {
	messages := whole.Messages
	part := whole
	part.Messages = nil
	if size := proto.Size(part.Group); size > 0 {
		if c.size > 0 && c.size+size > pieceBytes {
			if err := c.cut(); err != nil {
				return err
			}
		}
		c.size += size
	}
	c.piece.Conversations = append(c.piece.Conversations, part)
	for _, message := range messages {
		size := proto.Size(message)
		if c.size > 0 && c.size+size > pieceBytes {
			next := proto.CloneOf(part)
			next.Messages, next.Group, next.Continued = nil, nil, true
			if err := c.cut(); err != nil {
				return err
			}
			part = next
			c.piece.Conversations = append(c.piece.Conversations, part)
		}
		part.Messages = append(part.Messages, message)
		c.size += size
	}
	if len(c.piece.Conversations) >= pieceConversations {
		return c.cut()
	}
	return nil
}

// Close emits what is left. There is always a last piece, be it empty.
func (c *Cutter) Close() error {
	empty := len(c.piece.Conversations)+len(c.piece.Mappings)+len(c.piece.Names) == 0
	if !empty || c.ready == nil {
		if err := c.cut(); err != nil {
			return err
		}
	}
	c.ready.Last = true
	return c.send()
}

func (c *Cutter) cut() error {
	if err := c.send(); err != nil {
		return err
	}
	c.count++
	c.piece.Number = uint32(c.count)
	c.ready, c.piece, c.size = c.piece, &pb.HistoryPiece{}, 0
	return nil
}

func (c *Cutter) send() error {
	piece := c.ready
	c.ready = nil
	if piece == nil || int(piece.Number) <= c.skip {
		return nil
	}
	return c.emit(piece)
}
