package store

import (
	"database/sql"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func eachMode(t *testing.T, test func(t *testing.T, o Options)) {
	for _, journal := range []string{JournalWAL, JournalDelete} {
		for _, locks := range []string{LocksNone, LocksPosix} {
			t.Run(journal+"-"+locks, func(t *testing.T) {
				t.Parallel()
				o := options()
				o.Journal, o.Locks, o.Synchronous = journal, locks, "FULL"
				test(t, o)
			})
		}
	}
}

func (f *fixture) openWith(o Options, epoch uint64) (*Store, error) {
	return f.root.Open(f.t.Context(), o, Request{Path: f.path(fileName(epoch)), Epoch: epoch})
}

func TestEveryModeIsInForceAndSharesNoMemory(t *testing.T) {
	eachMode(t, func(t *testing.T, o Options) {
		f := newFixture(t)
		s, err := f.openWith(o, 1)
		if err != nil {
			t.Fatal(err)
		}
		link(t, s, "x")
		var journal, locking string
		var synchronous, patience int
		err = errors.Join(s.db.QueryRow("PRAGMA busy_timeout").Scan(&patience),
			s.db.QueryRow("PRAGMA journal_mode").Scan(&journal), s.db.QueryRow("PRAGMA locking_mode").Scan(&locking),
			s.db.QueryRow("PRAGMA synchronous").Scan(&synchronous))
		if err != nil || journal != o.Journal || locking != "exclusive" || synchronous != 2 || patience != 0 {
			t.Errorf("journal %s, locking %s, synchronous %d: %v", journal, locking, synchronous, err)
		}
		if f.exists("store.1.db-shm") || f.exists("store.1.db-wal") != (o.Journal == JournalWAL) {
			t.Error("wrong files beside the store")
		}
		f.close(s)
	})
}

// holdLock locks the whole file from another process, as SQLite elsewhere would, until the test ends.
func holdLock(t *testing.T, path string) {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("needs python3 to lock a file from another process")
	}
	holder := exec.Command(python, "-c", "import fcntl,sys; f=open(sys.argv[1],'r+b'); fcntl.lockf(f, fcntl.LOCK_EX); print('held', flush=True); sys.stdin.read()", path)
	stdin, err := holder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err = holder.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stdin.Close(); _ = holder.Wait() })
	if _, err = stdout.Read(make([]byte, 4)); err != nil {
		t.Fatal(err)
	}
}

func TestALockThatSomebodyHoldsIsNeverWaitedFor(t *testing.T) {
	eachMode(t, func(t *testing.T, o Options) {
		f := newFixture(t)
		s, err := f.openWith(o, 1)
		if err != nil {
			t.Fatal(err)
		}
		link(t, s, "x")
		f.close(s)
		holdLock(t, f.path("store.1.db"))
		began := time.Now()
		s, err = f.openWith(o, 1)
		if o.Locks == LocksNone {
			if err != nil {
				t.Fatal(err)
			}
			f.close(s)
		} else if err == nil || !IsBroken(err) {
			t.Errorf("a held lock must be an error here: %v", err)
		}
		if s, err = f.openWith(o, 2); err != nil {
			t.Fatalf("takeover from a locked store: %v", err)
		}
		f.close(s)
		// the lock is held until the test ends: whoever waited for it, even with pauses, would still be waiting
		if waited := time.Since(began); waited > 15*time.Second {
			t.Errorf("waited %v", waited)
		}
	})
}

func TestAnIdleStoreIsClosedAndOpenedAgain(t *testing.T) {
	eachMode(t, func(t *testing.T, o Options) {
		o.IdleClose = 50 * time.Millisecond
		f := newFixture(t)
		s, err := f.openWith(o, 1)
		if err != nil {
			t.Fatal(err)
		}
		link(t, s, "x")
		deadline := time.Now().Add(10 * time.Second)
		for s.db.Stats().OpenConnections > 0 && time.Now().Before(deadline) {
			time.Sleep(10 * time.Millisecond)
		}
		if s.db.Stats().OpenConnections > 0 || f.exists("store.1.db-wal") {
			t.Fatal("still open")
		}
		if err = s.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.close(s)
	})
}

// leave writes the files that an owner has on disk at one moment, with changes that are only in its journal.
func leave(t *testing.T, f *fixture, o Options, epoch uint64, name string) {
	t.Helper()
	s, err := f.openWith(o, epoch)
	if err != nil {
		t.Fatal(err)
	}
	link(t, s, name)
	if o.Journal == JournalWAL {
		f.killed(s, epoch)
		return
	}
	// A rollback journal is hot in the middle of a transaction whose pages are already in the file.
	if _, err = s.db.Exec("PRAGMA cache_size = 1"); err != nil {
		t.Fatal(err)
	}
	tx, err := s.db.Begin()
	if err == nil {
		_, err = tx.Exec("UPDATE whatsmeow_device SET push_name = 'never committed'")
	}
	if err == nil {
		_, err = tx.Exec("CREATE TABLE filler AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) SELECT i, randomblob(500) b FROM n")
	}
	if err != nil {
		t.Fatal(err)
	}
	saved := map[string][]byte{}
	for _, suffix := range []string{"", "-journal"} {
		if saved[suffix], err = os.ReadFile(f.path(fileName(epoch) + suffix)); err != nil {
			t.Fatal(err)
		}
	}
	_ = tx.Rollback()
	f.close(s)
	for suffix, content := range saved {
		if err = os.WriteFile(f.path(fileName(epoch)+suffix), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestATakeoverBringsAHotJournalOfEitherKindToAGoodEnd(t *testing.T) {
	eachMode(t, func(t *testing.T, o Options) {
		for name, gone := range map[string]bool{"copy": false, "rename": true} {
			t.Run(name, func(t *testing.T) {
				f := newFixture(t)
				leave(t, f, o, 3, "committed")
				before, _ := os.ReadFile(f.path("store.3.db"))
				s, err := f.root.Open(t.Context(), o, Request{Path: f.path("store.4.db"), Epoch: 4, PreviousOwnerGone: gone})
				if err != nil {
					t.Fatal(err)
				}
				defer f.close(s)
				if s.Device.PushName != "committed" {
					t.Errorf("taken over %q", s.Device.PushName)
				}
				if after, _ := os.ReadFile(f.path("store.3.db")); !gone && !slices.Equal(before, after) {
					t.Error("the previous store was changed")
				}
			})
		}
	})
}

func TestATakeoverMayChangeTheModeOfAStore(t *testing.T) {
	f := newFixture(t)
	for epoch, journal := range []string{JournalWAL, JournalDelete, JournalWAL} {
		o := options()
		o.Journal, o.Locks = journal, LocksNone
		s, err := f.openWith(o, uint64(epoch+1))
		if err != nil {
			t.Fatal(err)
		}
		if epoch == 0 {
			link(t, s, "x")
		}
		if s.Device.PushName != "x" {
			t.Fatal("identity lost")
		}
		f.killedOr(s, uint64(epoch+1))
	}
}

// killedOr leaves a write-ahead log behind where there is one.
func (f *fixture) killedOr(s *Store, epoch uint64) {
	if f.exists(fileName(epoch) + "-wal") {
		f.killed(s, epoch)
	} else {
		f.close(s)
	}
}

func TestAnOwnerThatStillWritesNeverGivesAMixture(t *testing.T) {
	eachMode(t, func(t *testing.T, o Options) {
		f := newFixture(t)
		owner, err := f.openWith(o, 1)
		if err != nil {
			t.Fatal(err)
		}
		link(t, owner, "x")
		write := func(statements ...string) {
			for _, statement := range statements {
				if _, err := owner.db.Exec(statement); err != nil {
					t.Error(err)
				}
			}
		}
		// two rows on pages of their own, which every transaction changes together
		write("CREATE TABLE pair (id INTEGER PRIMARY KEY, n INTEGER, filler BLOB)", "INSERT INTO pair VALUES (1, 0, randomblob(3000)), (2, 0, randomblob(3000))")
		elsewhere, err := OpenRoot(f.dir) // another host
		if err != nil {
			t.Fatal(err)
		}
		defer elsewhere.Close()
		copies := 0
		busy := func() {
			copies++
			write("UPDATE pair SET n = n + 1", "PRAGMA wal_checkpoint(TRUNCATE)", "UPDATE pair SET n = n + 1 WHERE id = 1", "UPDATE pair SET n = n + 1 WHERE id = 2")
		}
		elsewhere.between = busy
		take := func() (*Store, error) {
			return elsewhere.Open(t.Context(), o, Request{Path: f.path("store.2.db"), Epoch: 2})
		}
		if _, err = take(); !errors.Is(err, ErrUnsettled) || copies != copyTries+1 || f.exists("store.2.db") {
			t.Fatalf("a store that never rests: %v after %d copies", err, copies)
		}
		elsewhere.between = func() { // once more, then it rests
			elsewhere.between = func() {}
			busy()
		}
		s, err := take()
		if err != nil {
			t.Fatal(err)
		}
		var least, most int
		if err = s.db.QueryRow("SELECT min(n), max(n) FROM pair").Scan(&least, &most); err != nil || least != most || most != 2*(copyTries+2) {
			t.Errorf("a mixture: %d and %d, %v", least, most, err)
		}
		f.close(s)
		f.close(owner)
	})
}

func TestAFrozenOwnerThatWakesUpWritesIntoItsOwnFileOnly(t *testing.T) {
	eachMode(t, func(t *testing.T, o Options) {
		f := newFixture(t)
		frozen, err := f.openWith(o, 1)
		if err != nil {
			t.Fatal(err)
		}
		link(t, frozen, "before")
		elsewhere, err := OpenRoot(f.dir)
		if err != nil {
			t.Fatal(err)
		}
		defer elsewhere.Close()
		s, err := elsewhere.Open(t.Context(), o, Request{Path: f.path("store.2.db"), Epoch: 2})
		if err != nil {
			t.Fatal(err)
		}
		if _, err = frozen.db.Exec("UPDATE whatsmeow_device SET push_name = 'after'"); err != nil {
			t.Fatal(err)
		}
		f.close(frozen)
		f.close(s)
		db, err := sql.Open("sqlite", f.path("store.2.db"))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		var name, verdict string
		err = errors.Join(db.QueryRow("SELECT push_name FROM whatsmeow_device").Scan(&name), db.QueryRow("PRAGMA integrity_check").Scan(&verdict))
		if err != nil || name != "before" || verdict != "ok" {
			t.Errorf("%q, %s: %v", name, verdict, err)
		}
		if _, err = elsewhere.Open(t.Context(), o, Request{Path: f.path("store.1.db"), Epoch: 1}); !errors.Is(err, ErrStaleEpoch) {
			t.Errorf("the old owner could open its store again: %v", err)
		}
	})
}

func TestACutOrHalfCopiedStoreHasTheRightName(t *testing.T) {
	eachMode(t, func(t *testing.T, o Options) {
		for name, c := range map[string]struct {
			spoil func(f *fixture)
			want  error
		}{
			"cut in the middle": {func(f *fixture) { _ = os.Truncate(f.path("store.1.db"), 10_000) }, ErrCorrupt},
			"no file":           {func(f *fixture) { _ = os.Remove(f.path("store.1.db")) }, ErrMissing},
			"no directory":      {func(f *fixture) { _ = os.RemoveAll(filepath.Dir(f.path(""))) }, ErrMissing},
			"a half copied draft only": {func(f *fixture) {
				_ = os.Rename(f.path("store.1.db"), f.path("takeover.store.2.db"))
			}, ErrMissing},
		} {
			t.Run(name, func(t *testing.T) {
				f := newFixture(t)
				s, err := f.openWith(o, 1)
				if err != nil {
					t.Fatal(err)
				}
				link(t, s, "x")
				f.close(s)
				c.spoil(f)
				_, err = f.root.Open(t.Context(), o, Request{Path: f.path("store.2.db"), Epoch: 2, MustExist: true})
				if !errors.Is(err, c.want) {
					t.Errorf("got %v", err)
				}
				if f.exists("store.2.db") {
					t.Error("something got the name of a store")
				}
			})
		}
	})
}
