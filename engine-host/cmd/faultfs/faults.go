//go:build linux

package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// fault is what happens to one kind of operation, in this order.
type fault struct {
	DelayMs float64 `json:"delay_ms"`
	Hang    bool    `json:"hang"`  // until the faults are replaced, or the caller is killed
	Errno   string  `json:"errno"` // EIO, ENOSPC, EROFS, ...
}

// changing are the operations that a read-only file system refuses.
var changing = []string{"create", "mkdir", "unlink", "rmdir", "rename", "write", "setattr", "openw", "fallocate"}

func errno(name string) (fuse.Status, bool) {
	if name == "" {
		return fuse.OK, true
	}
	for number := unix.Errno(1); number < 140; number++ {
		if unix.ErrnoName(number) == name {
			return fuse.Status(number), true
		}
	}
	return fuse.OK, false
}

func check(wanted map[string]fault) error {
	for operation, f := range wanted {
		if _, ok := errno(f.Errno); !ok {
			return fmt.Errorf("%s: unknown errno %q", operation, f.Errno)
		}
	}
	return nil
}

// faults are those in force.
type faults struct {
	mu      sync.Mutex
	current map[string]fault
	changed chan struct{} // closed when they are replaced
}

func newFaults() *faults { return &faults{changed: make(chan struct{})} }

func (f *faults) set(wanted map[string]fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.current = wanted
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *faults) of(operation string) (fault, <-chan struct{}, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	found, ok := f.current[operation]
	if !ok && slices.Contains(changing, operation) {
		found, ok = f.current["change"]
	}
	if !ok && operation != "flush" {
		// Not closing: FUSE waits for a flush in a way that not even kill -9 ends, which a network share does only for what
		// was not written yet.
		found, ok = f.current["*"]
	}
	return found, f.changed, ok
}

// before is called at the start of every operation.
func (f *faults) before(operation string, cancel <-chan struct{}, caller uint32) fuse.Status {
	for {
		found, changed, ok := f.of(operation)
		if !ok {
			return fuse.OK
		}
		time.Sleep(time.Duration(found.DelayMs * float64(time.Millisecond)))
		if !found.Hang {
			status, _ := errno(found.Errno)
			return status
		}
		if !waitHanging(changed, cancel, caller) {
			return fuse.EINTR
		}
	}
}

// waitHanging returns true when the faults changed, false when the caller is being killed: as on a network share, nothing
// less ends the wait.
func waitHanging(changed, cancel <-chan struct{}, caller uint32) bool {
	select {
	case <-changed:
		return true
	case <-cancel:
	}
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-changed:
			return true
		case <-ticker.C:
			if dying(caller) {
				return false
			}
		}
	}
}

// dying says whether a thread has SIGKILL pending, or is gone.
func dying(thread uint32) bool {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(int(thread)) + "/status")
	if err != nil {
		return true
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		if name != "SigPnd" && name != "ShdPnd" {
			continue
		}
		set, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
		if err == nil && set&(1<<(unix.SIGKILL-1)) != 0 {
			return true
		}
	}
	return false
}
