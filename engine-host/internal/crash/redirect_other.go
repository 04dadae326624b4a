//go:build !linux

package crash

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// redirect makes file descriptor 2 write to raw and returns the former standard error under another number.
func redirect(raw *os.File) (*os.File, error) {
	former, err := unix.FcntlInt(2, unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, fmt.Errorf("duplicate standard error: %w", err)
	}
	if err = unix.Dup2(int(raw.Fd()), 2); err != nil {
		return nil, fmt.Errorf("replace standard error: %w", err)
	}
	return os.NewFile(uintptr(former), "stderr"), nil
}
