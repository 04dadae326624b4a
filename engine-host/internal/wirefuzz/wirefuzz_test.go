package wirefuzz

import (
	"bytes"
	"compress/zlib"
	"reflect"
	"testing"

	"go.mau.fi/libsignal/protocol"
	"go.mau.fi/libsignal/serialize"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
)

// Larger inputs only cost time: what matters is how forms are nested and cut.
const maxInput = 1 << 12

// quietly runs a reader and says whether it panicked. The library's reader panics on some malformed stanzas; only the
// server itself can send such a one, and the engine host then ends and is started again.
func quietly(read func()) (panicked bool) {
	defer func() { panicked = recover() != nil }()
	read()
	return false
}

// A stanza that is accepted is written and read again as what it was.
func FuzzStanza(f *testing.F) {
	for _, node := range []waBinary.Node{
		{Tag: "iq", Attrs: waBinary.Attrs{"id": "1", "xmlns": "w:p", "to": types.ServerJID}},
		{Tag: "message", Attrs: waBinary.Attrs{"from": types.NewADJID("628110000001", 0, 3), "t": "1700000000"}, Content: []waBinary.Node{
			{Tag: "enc", Attrs: waBinary.Attrs{"type": "msg", "v": "2"}, Content: make([]byte, 70)},
		}},
		{Tag: "receipt", Attrs: waBinary.Attrs{"id": "ABCDEF0123"}, Content: []waBinary.Node{{Tag: "list"}}},
	} {
		encoded, err := waBinary.Marshal(node)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(encoded)
		var compressed bytes.Buffer
		compressed.WriteByte(2)
		writer := zlib.NewWriter(&compressed)
		_, _ = writer.Write(encoded[1:])
		_ = writer.Close()
		f.Add(compressed.Bytes())
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		if len(input) == 0 || len(input) > maxInput {
			t.Skip()
		}
		var node *waBinary.Node
		quietly(func() {
			plain, err := waBinary.Unpack(input)
			if err != nil || len(plain) > 64*maxInput {
				return
			}
			if read, err := waBinary.Unmarshal(plain); err == nil {
				node = read
			}
		})
		if node == nil || !writable(*node) {
			return
		}
		encoded, err := waBinary.Marshal(*node)
		if err != nil {
			t.Fatal(err)
		}
		again, err := waBinary.Unmarshal(encoded[1:])
		if err != nil {
			t.Fatalf("%v is written as %x, which is refused: %v", node, encoded, err)
		}
		if !reflect.DeepEqual(normal(*node), normal(*again)) {
			t.Fatalf("%v came back as %v", node, again)
		}
	})
}

// A sealed message is parsed or refused, and never more than that.
func FuzzSealedMessage(f *testing.F) {
	serializer := serialize.NewProtoBufSerializer()
	f.Add(append([]byte{0x33, 0x0a, 0x21, 0x05}, make([]byte, 60)...))
	f.Add(append([]byte{0x33, 0x08, 0x01, 0x12, 0x21, 0x05}, make([]byte, 120)...))
	f.Add([]byte{0x33, 0x08, 0x01, 0x10, 0x00, 0x1a, 0x10})
	f.Fuzz(func(t *testing.T, input []byte) {
		if len(input) > maxInput {
			t.Skip()
		}
		quietly(func() {
			_, _ = protocol.NewSignalMessageFromBytes(input, serializer.SignalMessage)
		})
		quietly(func() {
			_, _ = protocol.NewPreKeySignalMessageFromBytes(input, serializer.PreKeySignalMessage, serializer.SignalMessage)
		})
		quietly(func() {
			_, _ = protocol.NewSenderKeyMessageFromBytes(input, serializer.SenderKeyMessage)
		})
		quietly(func() {
			_, _ = protocol.NewSenderKeyDistributionMessageFromBytes(input, serializer.SenderKeyDistributionMessage)
		})
	})
}

// writable says whether the library can write a node that it has read: forms with a single bit of freedom (an address
// as a tag, a device beyond a byte, an empty tag) are read and never written.
func writable(node waBinary.Node) bool {
	if node.Tag == "" || node.Tag == "0" {
		return false
	}
	for _, value := range node.Attrs {
		if jid, ok := value.(types.JID); ok && (jid.RawAgent != 0 || jid.Device > 255 || jid.Integrator != 0) {
			return false
		}
	}
	for _, child := range node.GetChildren() {
		if !writable(child) {
			return false
		}
	}
	return true
}

// normal is a node without what is not transmitted, in comparable form.
func normal(node waBinary.Node) any {
	attrs := map[string]string{}
	for name, value := range node.Attrs {
		switch typed := value.(type) {
		case nil:
		case string:
			if typed != "" {
				attrs[name] = typed
			}
		case types.JID:
			attrs[name] = typed.String()
		}
	}
	var children []any
	for _, child := range node.GetChildren() {
		children = append(children, normal(child))
	}
	var content string
	switch typed := node.Content.(type) {
	case []byte:
		content = string(typed)
	case string:
		content = typed
	case types.JID:
		content = typed.String()
	}
	return []any{node.Tag, attrs, children, content}
}
