// Package history reads the blobs in which a phone hands its history over: as a stream, so that a large one never lies
// in memory as a whole, and cuts them into pieces of bounded size, always in the same way.
package history

import (
	"bufio"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"go.mau.fi/whatsmeow/proto/waHistorySync"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// Bounds of one blob. A phone sends chunks of a few megabytes; these keep a damaged or hostile one from filling memory.
const (
	MaxCompressed   = 256 << 20
	maxDecompressed = 1 << 30
	maxConversation = 64 << 20 // serialised bytes of one conversation
	maxRest         = 64 << 20 // of everything that is no conversation
)

// ErrDamaged says that a blob cannot be read, now or ever.
var ErrDamaged = errors.New("the history blob is damaged")

// Fields of WhatsApp's HistorySync.
const (
	fieldConversations    = 2
	fieldStatus           = 3
	fieldRecentStickers   = 11
	fieldPastParticipants = 12
	fieldCallLog          = 13
)

// notNeeded are long lists that nobody reads.
var notNeeded = map[protowire.Number]bool{
	fieldConversations: true, fieldStatus: true, fieldRecentStickers: true, fieldPastParticipants: true, fieldCallLog: true,
}

// ReadRest returns everything of a blob but its conversations: addresses, names, settings.
func ReadRest(blob io.Reader) (*waHistorySync.HistorySync, error) {
	var kept []byte
	err := walk(blob, func(number protowire.Number, kind protowire.Type, tag uint64, in *bufio.Reader) error {
		if notNeeded[number] {
			return skip(kind, in)
		}
		field, err := field(kind, tag, in, maxRest)
		if err != nil {
			return err
		}
		if len(kept)+len(field) > maxRest {
			return fmt.Errorf("%w: too long", ErrDamaged)
		}
		kept = append(kept, field...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	rest := &waHistorySync.HistorySync{}
	if err = (proto.UnmarshalOptions{AllowPartial: true}).Unmarshal(kept, rest); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return rest, nil
}

// ReadConversations calls take for one conversation after the other. What take returns ends the reading.
func ReadConversations(blob io.Reader, take func(*waHistorySync.Conversation) error) error {
	return walk(blob, func(number protowire.Number, kind protowire.Type, _ uint64, in *bufio.Reader) error {
		if number != fieldConversations {
			return skip(kind, in)
		}
		data, err := content(in, maxConversation)
		if err != nil {
			return err
		}
		conversation := &waHistorySync.Conversation{}
		if err = proto.Unmarshal(data, conversation); err != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		return take(conversation)
	})
}

type visitor func(number protowire.Number, kind protowire.Type, tag uint64, in *bufio.Reader) error

// walk calls visit at the beginning of every field; it must read the field's value.
func walk(blob io.Reader, visit visitor) error {
	inflated, err := zlib.NewReader(blob)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	defer inflated.Close()
	in := bufio.NewReaderSize(io.LimitReader(inflated, maxDecompressed), 64<<10)
	for {
		tag, err := binary.ReadUvarint(in)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return damaged(err)
		}
		number, kind := protowire.DecodeTag(tag)
		if number < protowire.MinValidNumber {
			return fmt.Errorf("%w: field %d", ErrDamaged, number)
		}
		if err = visit(number, kind, tag, in); err != nil {
			return err
		}
	}
}

// content reads the value of a length-delimited field.
func content(in *bufio.Reader, limit uint64) ([]byte, error) {
	length, err := binary.ReadUvarint(in)
	if err != nil {
		return nil, damaged(err)
	}
	if length > limit {
		return nil, fmt.Errorf("%w: a field of %d bytes", ErrDamaged, length)
	}
	data := make([]byte, length)
	if _, err = io.ReadFull(in, data); err != nil {
		return nil, damaged(err)
	}
	return data, nil
}

// field reads a value and returns the field as it is serialised, with its tag.
func field(kind protowire.Type, tag uint64, in *bufio.Reader, limit uint64) ([]byte, error) {
	out := binary.AppendUvarint(nil, tag)
	switch kind {
	case protowire.VarintType:
		value, err := binary.ReadUvarint(in)
		if err != nil {
			return nil, damaged(err)
		}
		return binary.AppendUvarint(out, value), nil
	case protowire.BytesType:
		data, err := content(in, limit)
		if err != nil {
			return nil, err
		}
		return append(binary.AppendUvarint(out, uint64(len(data))), data...), nil
	case protowire.Fixed32Type, protowire.Fixed64Type:
		data := make([]byte, width(kind))
		if _, err := io.ReadFull(in, data); err != nil {
			return nil, damaged(err)
		}
		return append(out, data...), nil
	}
	return nil, fmt.Errorf("%w: wire type %d", ErrDamaged, kind)
}

func skip(kind protowire.Type, in *bufio.Reader) error {
	length := uint64(0)
	var err error
	switch kind {
	case protowire.VarintType:
		_, err = binary.ReadUvarint(in)
		return damaged(err)
	case protowire.BytesType:
		if length, err = binary.ReadUvarint(in); err != nil {
			return damaged(err)
		}
		if length > maxDecompressed {
			return fmt.Errorf("%w: a field of %d bytes", ErrDamaged, length)
		}
	case protowire.Fixed32Type, protowire.Fixed64Type:
		length = width(kind)
	default:
		return fmt.Errorf("%w: wire type %d", ErrDamaged, kind)
	}
	_, err = io.CopyN(io.Discard, in, int64(length))
	return damaged(err)
}

func width(kind protowire.Type) uint64 {
	if kind == protowire.Fixed32Type {
		return 4
	}
	return 8
}

func damaged(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrDamaged, err)
}
