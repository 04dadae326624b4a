// Package failpoint marks the places where a test cuts the host: kill, panic, hang or a returned error.
// Outside test mode the host refuses to start when failpoints are configured.
package failpoint

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
)

// Names of all failpoints, so that a misspelt one is refused instead of silently never reached.
const (
	MessageBeforeDispatch            = "engine.message.before_dispatch"
	MessageAfterStoredBeforeConfirm  = "engine.message.after_stored_before_confirm"
	SendBeforeSocket                 = "engine.send.before_socket"
	SendAfterAck                     = "engine.send.after_ack"
	PairAfterSuccess                 = "engine.pair.after_success"
	Handler                          = "engine.handler"
	LibraryPanic                     = "engine.library"
	HistoryPiece                     = "engine.history.piece" // before each piece is handed over
	environmentPoints, environmentOn = "BLAZZ_FAILPOINTS", "BLAZZ_TEST_MODE"
	environmentLog                   = "BLAZZ_FAILPOINT_LOG"
)

var known = map[string]bool{
	MessageBeforeDispatch: true, MessageAfterStoredBeforeConfirm: true, SendBeforeSocket: true,
	SendAfterAck: true, PairAfterSuccess: true, Handler: true, LibraryPanic: true, HistoryPiece: true,
}

// ErrInjected is returned at a failpoint whose action is "error".
var ErrInjected = errors.New("failpoint")

// Set holds the configured failpoints. The zero value and nil never act.
type Set struct {
	mu      sync.Mutex
	actions map[string]string
	logPath string
	kill    func()
	hang    func()
}

// FromEnvironment reads BLAZZ_FAILPOINTS ("name=kill,other=hang"). It returns an error when points are set without
// BLAZZ_TEST_MODE=1, or when a name or an action is unknown.
func FromEnvironment(getenv func(string) string) (*Set, error) {
	set := &Set{actions: map[string]string{}, logPath: getenv(environmentLog), kill: killSelf, hang: func() { select {} }}
	spec := strings.TrimSpace(getenv(environmentPoints))
	if spec == "" {
		return set, nil
	}
	if getenv(environmentOn) != "1" {
		return nil, fmt.Errorf("%s is set outside test mode (%s=1)", environmentPoints, environmentOn)
	}
	for _, item := range strings.FieldsFunc(spec, func(r rune) bool { return r == ',' || r == ';' }) {
		name, action, _ := strings.Cut(strings.TrimSpace(item), "=")
		if strings.HasPrefix(name, "engine.") && !known[name] {
			return nil, fmt.Errorf("unknown failpoint %q", name)
		}
		if !known[name] { // the Python side's, which shares the variable
			continue
		}
		switch action {
		case "kill", "panic", "hang", "error":
		default:
			return nil, fmt.Errorf("failpoint %s: unknown action %q", name, action)
		}
		set.actions[name] = action
	}
	return set, nil
}

// Hit acts when the failpoint is configured. It returns ErrInjected for the action "error", else nil.
func (s *Set) Hit(name string) error {
	if s == nil || len(s.actions) == 0 {
		return nil
	}
	action, ok := s.actions[name]
	if !ok {
		return nil
	}
	s.record(name)
	switch action {
	case "kill":
		s.kill()
	case "panic":
		panic("failpoint " + name)
	case "hang":
		s.hang()
	}
	return fmt.Errorf("%w: %s", ErrInjected, name)
}

// record appends the name to the log before the action, so that a test can assert that the point was reached.
func (s *Set) record(name string) {
	if s.logPath == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f, err := os.OpenFile(s.logPath, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	_, _ = f.WriteString(name + "\n")
	_ = f.Sync()
	_ = f.Close()
}

func killSelf() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}
