// Package crash finds out which session was being handled when a panic inside the protocol library ended the process.
// The runtime's own report goes to a private file instead of the logs, because it holds panic values; only a summary
// without values leaves it.
package crash

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unsafe"
)

const (
	rawName      = "engine-crash.raw"      // what the Go runtime writes when it ends the process
	sessionsName = "engine-crash.sessions" // addresses of sessions and clients, one line each
	maxFrames    = 24
)

// Recorder keeps what a summary needs. The zero value and nil record nothing.
type Recorder struct {
	mu   sync.Mutex
	file *os.File
}

// Start sends the runtime's crash reports (file descriptor 2) to a file in dir and returns a writer for the logs, which
// go on to the former standard error.
func Start(dir string) (*Recorder, *os.File, error) {
	raw, err := os.OpenFile(filepath.Join(dir, rawName), os.O_CREATE|os.O_WRONLY|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("crash file: %w", err)
	}
	defer raw.Close()
	sessions, err := os.OpenFile(filepath.Join(dir, sessionsName), os.O_CREATE|os.O_WRONLY|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("crash file: %w", err)
	}
	logs, err := redirect(raw)
	if err != nil {
		_ = sessions.Close()
		return nil, nil, fmt.Errorf("redirect crash reports: %w", err)
	}
	return &Recorder{file: sessions}, logs, nil
}

// Session remembers the addresses that a stack trace names when this session is involved. Go's heap objects do not move.
func (r *Recorder) Session(id string, addresses ...unsafe.Pointer) {
	if r == nil || r.file == nil {
		return
	}
	var lines strings.Builder
	for _, address := range addresses {
		fmt.Fprintf(&lines, "%p %s\n", address, id)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	_, _ = r.file.WriteString(lines.String())
}

// Summary tells how a host ended, without panic values and arguments.
type Summary struct {
	Crashed  bool     `json:"crashed"`
	Kind     string   `json:"kind,omitempty"`     // "panic", "fatal error" or "signal"
	Frames   []string `json:"frames,omitempty"`   // functions of the goroutine that failed, innermost first
	Sessions []string `json:"sessions,omitempty"` // sessions that this goroutine worked for
}

var address = regexp.MustCompile(`0x[0-9a-f]{6,}`)

// Read summarises what a host that has ended left in its socket's directory. Without a report Crashed is false.
func Read(dir string) (Summary, error) {
	raw, err := os.ReadFile(filepath.Join(dir, rawName))
	if errors.Is(err, fs.ErrNotExist) {
		return Summary{}, nil
	}
	if err != nil {
		return Summary{}, fmt.Errorf("crash file: %w", err)
	}
	names, err := os.ReadFile(filepath.Join(dir, sessionsName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Summary{}, fmt.Errorf("crash file: %w", err)
	}
	return summarise(string(raw), string(names)), nil
}

func summarise(raw, names string) Summary {
	head, trace, found := strings.Cut(raw, "\ngoroutine ")
	if !found {
		return Summary{}
	}
	s := Summary{Crashed: true, Kind: "panic"}
	switch {
	case strings.Contains(head, "[signal "):
		s.Kind = "signal"
	case strings.Contains(head, "fatal error: "):
		s.Kind = "fatal error"
	}
	trace, _, _ = strings.Cut(trace, "\ngoroutine ") // only the first goroutine failed
	for _, line := range strings.Split(trace, "\n")[1:] {
		if line == "" || line[0] == '\t' || len(s.Frames) == maxFrames {
			continue
		}
		if starter, ok := strings.CutPrefix(line, "created by "); ok {
			line, _, _ = strings.Cut(starter, " in goroutine ")
		} else if end := strings.LastIndex(line, "("); end > 0 {
			line = line[:end]
		}
		s.Frames = append(s.Frames, line)
	}
	owners := map[string]string{}
	for _, line := range strings.Split(names, "\n") {
		if at, id, ok := strings.Cut(line, " "); ok {
			owners[at] = id
		}
	}
	for _, at := range address.FindAllString(trace, -1) {
		if id, ok := owners[at]; ok && !slices.Contains(s.Sessions, id) {
			s.Sessions = append(s.Sessions, id)
		}
	}
	return s
}
