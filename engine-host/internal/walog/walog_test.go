package walog

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	waBinary "go.mau.fi/whatsmeow/binary"
)

func TestLogsHoldNeitherContentNorPanicValues(t *testing.T) {
	var out bytes.Buffer
	panicked := 0
	log := New(slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})), &Hooks{Panicked: func() { panicked++ }})
	node := &waBinary.Node{Tag: "message", Content: []byte("secret"), Attrs: waBinary.Attrs{"name": "secret"}}
	log.Warnf("Node handling took %s for %s", "5s", node)
	log.Errorf("Message decryption for %s panicked: %v\n%s", "3EB0", "secret", "stack with secret")
	log.Warnf("odd bytes %v", []byte("secret"))
	log.Debugf("Emitting QR code %s", "secret")
	log.Sub("Recv").Debugf("%s", node)
	text := out.String()
	if strings.Contains(text, "secret") || strings.Contains(text, "115 101 99") {
		t.Errorf("logs hold content: %s", text)
	}
	if !strings.Contains(text, "took 5s for <message>") || panicked != 1 {
		t.Errorf("panics seen: %d; logs: %s", panicked, text)
	}
}

func TestTheHookSeesEveryOutgoingNode(t *testing.T) {
	var seen []string
	log := New(slog.New(slog.DiscardHandler), &Hooks{Outgoing: func(n *waBinary.Node) { seen = append(seen, n.Tag) }})
	log.Sub("Send").Debugf("%s", &waBinary.Node{Tag: "message"})
	log.Sub("Recv").Debugf("%s", &waBinary.Node{Tag: "receipt"})
	if len(seen) != 1 || seen[0] != "message" {
		t.Errorf("seen %v", seen)
	}
}
