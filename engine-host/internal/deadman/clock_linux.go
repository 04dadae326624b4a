package deadman

import "golang.org/x/sys/unix"

// BootTime is CLOCK_BOOTTIME in nanoseconds.
func BootTime() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		return 1<<63 - 1 // without a clock nothing may be sent
	}
	return t.Nano()
}
