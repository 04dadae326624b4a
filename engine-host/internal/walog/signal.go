package walog

import "go.mau.fi/libsignal/logger"

// The Signal library makes its logger at its first message, without a lock, from whichever goroutine comes first. Set
// before anything runs, it is only read.
func init() { logger.Logger = silent{} }

// silent drops what the Signal library says: its messages hold keys and identifiers.
type silent struct{}

func (silent) Debug(string, string)   {}
func (silent) Info(string, string)    {}
func (silent) Warning(string, string) {}
func (silent) Error(string, string)   {}
func (silent) Configure(string)       {}
