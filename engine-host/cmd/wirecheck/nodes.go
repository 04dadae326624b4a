package main

import (
	"context"
	"fmt"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
)

// node is a stanza as the tests write it: bytes are base64, an address is an object, text is text.
type node struct {
	Tag      string         `json:"tag"`
	Attrs    map[string]any `json:"attrs"`
	Data     *[]byte        `json:"data,omitempty"`
	Children []node         `json:"children,omitempty"`
}

// outcome of decoding one input: a node, or what was wrong with it.
type outcome struct {
	Node  *node  `json:"node,omitempty"`
	Error string `json:"error,omitempty"`
	Panic string `json:"panic,omitempty"`
}

func encodeNodes(_ context.Context, nodes []node) (any, error) {
	encoded := make([][]byte, len(nodes))
	for i, n := range nodes {
		converted, err := n.library()
		if err != nil {
			return nil, err
		}
		if encoded[i], err = waBinary.Marshal(converted); err != nil {
			return nil, err
		}
	}
	return encoded, nil
}

func decodeNodes(_ context.Context, inputs [][]byte) (any, error) {
	outcomes := make([]outcome, len(inputs))
	for i, input := range inputs {
		outcomes[i] = decodeNode(input)
	}
	return outcomes, nil
}

func decodeNode(input []byte) (o outcome) {
	defer func() {
		if value := recover(); value != nil {
			o = outcome{Panic: fmt.Sprint(value)}
		}
	}()
	plain, err := waBinary.Unpack(input)
	if err != nil {
		return outcome{Error: err.Error()}
	}
	decoded, err := waBinary.Unmarshal(plain)
	if err != nil {
		return outcome{Error: err.Error()}
	}
	shown := show(*decoded)
	return outcome{Node: &shown}
}

func (n node) library() (waBinary.Node, error) {
	converted := waBinary.Node{Tag: n.Tag, Attrs: waBinary.Attrs{}}
	for name, value := range n.Attrs {
		switch typed := value.(type) {
		case string:
			converted.Attrs[name] = typed
		case map[string]any:
			user, server, number := typed["user"], typed["server"], typed["device"]
			jid := types.NewJID(fmt.Sprint(user), fmt.Sprint(server))
			if device, ok := number.(float64); ok {
				jid.Device = uint16(device)
			}
			converted.Attrs[name] = jid
		default:
			return converted, fmt.Errorf("attribute %s is a %T", name, value)
		}
	}
	switch {
	case n.Data != nil:
		converted.Content = *n.Data
	case len(n.Children) > 0:
		children := make([]waBinary.Node, len(n.Children))
		for i, child := range n.Children {
			var err error
			if children[i], err = child.library(); err != nil {
				return converted, err
			}
		}
		converted.Content = children
	}
	return converted, nil
}

func show(n waBinary.Node) node {
	shown := node{Tag: n.Tag, Attrs: map[string]any{}}
	for name, value := range n.Attrs {
		switch typed := value.(type) {
		case nil:
			shown.Attrs[name] = ""
		case types.JID:
			shown.Attrs[name] = address(typed)
		default:
			shown.Attrs[name] = fmt.Sprint(typed)
		}
	}
	switch content := n.Content.(type) {
	case []byte:
		shown.Data = &content
	case []waBinary.Node:
		for _, child := range content {
			shown.Children = append(shown.Children, show(child))
		}
	case nil:
	case types.JID:
		text := []byte(address(content))
		shown.Data = &text
	default:
		text := fmt.Append(nil, content)
		shown.Data = &text
	}
	return shown
}

// address is an address in the one form that stanzas are written in; the library's own leaves out the @ of servers.
func address(jid types.JID) string {
	if jid.Device > 0 {
		return fmt.Sprintf("%s:%d@%s", jid.User, jid.Device, jid.Server)
	}
	return jid.User + "@" + jid.Server
}
