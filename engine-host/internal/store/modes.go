package store

import (
	"fmt"
	"net/url"
	"time"
)

// cacheKiB bounds SQLite's page cache per open store; 256 KiB was measured to cost no speed.
const cacheKiB = 256

// How stores are kept on disk. Every mode uses SQLite's exclusive locking mode, because one process at a time has a
// store: the index of the write-ahead log is then kept in memory and no file is shared through mmap, which a network
// share cannot give.
const (
	JournalWAL    = "wal"    // a write-ahead log; the fewest syncs
	JournalDelete = "delete" // a rollback journal, for storage on which a log that grows and shrinks misbehaves
	// LocksNone takes no file lock at all: on a network share a lock is a question to a server, which may never answer,
	// and which answers nobody for a while after it was restarted. The epoch in the file's name keeps two owners apart.
	LocksNone = "none"
	// LocksPosix takes SQLite's locks, as a second guard on a local disk. A held lock is an error at once, never a wait.
	LocksPosix = "posix"
)

// CheckModes refuses a choice that does not exist.
func CheckModes(journal, locks, synchronous string) error {
	if journal != JournalWAL && journal != JournalDelete {
		return fmt.Errorf("--store-journal is wal or delete, not %q", journal)
	}
	if locks != LocksNone && locks != LocksPosix {
		return fmt.Errorf("--store-locks is none or posix, not %q", locks)
	}
	if synchronous != "FULL" && synchronous != "NORMAL" {
		return fmt.Errorf("--store-sync is FULL or NORMAL, not %q", synchronous)
	}
	return nil
}

// limit is how long storage may take for one thing (opening, one statement, closing) before it counts as hanging.
func (o Options) limit() time.Duration {
	if o.Limit <= 0 {
		return 15 * time.Second
	}
	return o.Limit
}

// connector returns how to open a file in these modes.
func (o Options) connector(path string, w *watch) *connector {
	query := url.Values{"_txlock": {"immediate"}}
	if o.Locks == LocksNone {
		query.Set("vfs", "unix-none")
	}
	source := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: query.Encode()}
	return &connector{source: source.String(), watch: w, pragmas: []string{
		"busy_timeout(0)",         // nothing waits for a lock
		"locking_mode(EXCLUSIVE)", // before anything looks into the file: decides that no shared memory is used
		"journal_mode(" + o.Journal + ")",
		"synchronous(" + o.Synchronous + ")",
		fmt.Sprintf("cache_size(-%d)", cacheKiB),
		"foreign_keys(1)",
	}}
}
