//go:build !linux

package deadman

import "golang.org/x/sys/unix"

// BootTime is CLOCK_MONOTONIC in nanoseconds, which goes on during sleep on the other supported systems.
func BootTime() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		return 1<<63 - 1 // without a clock nothing may be sent
	}
	return t.Nano()
}
