// Package walog adapts whatsmeow's logger to structured logs that never hold message content or panic values, and lets
// a session see the frames that leave.
package walog

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	waBinary "go.mau.fi/whatsmeow/binary"
)

// Hooks are called from whatsmeow's goroutines.
type Hooks struct {
	// Outgoing is called for every node immediately before its bytes are handed to the socket.
	Outgoing func(*waBinary.Node)
	// Incoming is called for every node that arrives, before whatsmeow handles it; it must not wait.
	Incoming func(*waBinary.Node)
	// Panicked is called when whatsmeow recovered a panic of its own, before it confirms what it was handling.
	Panicked func()
	// Warning is called with the arguments of every warning: some reasons reach nobody but whatsmeow's log.
	Warning func(format string, args []any)
}

// Logger implements whatsmeow's logger for one session.
type Logger struct {
	log    *slog.Logger
	module string
	hooks  *Hooks
}

// New returns a logger; hooks may be nil.
func New(log *slog.Logger, hooks *Hooks) *Logger { return &Logger{log: log, hooks: hooks} }

func (l *Logger) emit(level slog.Level, format string, args []any) {
	if l.hooks != nil && l.hooks.Panicked != nil && strings.Contains(format, "panicked") {
		l.hooks.Panicked()
	}
	ctx := context.Background()
	if l.log.Enabled(ctx, level) {
		l.log.Log(ctx, level, safe(format, args), "module", l.module)
	}
}

// safe formats a message without content: nodes are reduced to their tag, panics to the message's fixed text.
func safe(format string, args []any) string {
	if strings.Contains(format, "panicked") {
		return strings.TrimSpace(strings.SplitN(format, "panicked", 2)[0]) + " panicked"
	}
	clean := make([]any, len(args))
	for i, arg := range args {
		switch v := arg.(type) {
		case *waBinary.Node:
			clean[i] = describe(v)
		case waBinary.Node:
			clean[i] = describe(&v)
		case []byte:
			clean[i] = fmt.Sprintf("(%d bytes)", len(v))
		default:
			clean[i] = arg
		}
	}
	return fmt.Sprintf(format, clean...)
}

func describe(n *waBinary.Node) string {
	if n == nil {
		return "<nil>"
	}
	return "<" + n.Tag + ">"
}

// Warnf implements whatsmeow's interface.
func (l *Logger) Warnf(format string, args ...any) {
	if l.hooks != nil && l.hooks.Warning != nil {
		l.hooks.Warning(format, args)
	}
	l.emit(slog.LevelWarn, format, args)
}

// Errorf implements whatsmeow's interface.
func (l *Logger) Errorf(format string, args ...any) { l.emit(slog.LevelError, format, args) }

// Infof implements whatsmeow's interface.
func (l *Logger) Infof(format string, args ...any) { l.emit(slog.LevelInfo, format, args) }

// Debugf drops the text: debug lines of whatsmeow hold frames, codes and names.
func (l *Logger) Debugf(_ string, args ...any) {
	if l.hooks == nil || len(args) != 1 {
		return
	}
	node, ok := args[0].(*waBinary.Node)
	switch {
	case !ok:
	case l.module == "Send" && l.hooks.Outgoing != nil:
		l.hooks.Outgoing(node)
	case l.module == "Recv" && l.hooks.Incoming != nil:
		l.hooks.Incoming(node)
	}
}
