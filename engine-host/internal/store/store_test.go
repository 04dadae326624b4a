package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/proto/waAdv"
	"go.mau.fi/whatsmeow/types"
	waLog "go.mau.fi/whatsmeow/util/log"
)

func options() Options {
	return Options{
		NetworkID: "sim-test", Synchronous: "NORMAL", Journal: JournalWAL, Locks: LocksPosix, IdleClose: time.Second,
		Log: waLog.Noop,
	}
}

type fixture struct {
	t    *testing.T
	root *Root
	dir  string
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	dir := t.TempDir()
	root, err := OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return &fixture{t: t, root: root, dir: dir}
}

func (f *fixture) path(name string) string {
	return filepath.Join(f.root.dir, "workspace_1", "session_1", name)
}

func (f *fixture) open(epoch uint64, change ...func(*Request)) (*Store, error) {
	q := Request{Path: f.path(fileName(epoch)), Epoch: epoch}
	for _, c := range change {
		c(&q)
	}
	return f.root.Open(f.t.Context(), options(), q)
}

func (f *fixture) must(epoch uint64, change ...func(*Request)) *Store {
	f.t.Helper()
	s, err := f.open(epoch, change...)
	if err != nil {
		f.t.Fatal(err)
	}
	return s
}

// link gives the store an identity with the name given.
func link(t *testing.T, s *Store, name string) {
	t.Helper()
	jid := types.JID{User: "628110000021", Device: 1, Server: types.DefaultUserServer}
	d := s.Device
	d.ID, d.PushName = &jid, name
	d.LID = types.JID{User: "100628110000021", Device: 1, Server: types.HiddenUserServer}
	d.Account = &waAdv.ADVSignedDeviceIdentity{
		Details: []byte{1}, AccountSignature: make([]byte, 64), AccountSignatureKey: make([]byte, 32), DeviceSignature: make([]byte, 64),
	}
	if err := d.Save(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) exists(name string) bool {
	_, err := os.Lstat(f.path(name))
	return err == nil
}

func (f *fixture) close(s *Store) {
	f.t.Helper()
	if err := s.Close(); err != nil {
		f.t.Fatal(err)
	}
}

// snapshot copies the open store's files aside and puts them back after close: the state a killed host leaves.
func (f *fixture) killed(s *Store, epoch uint64) {
	f.t.Helper()
	saved := map[string][]byte{}
	for _, suffix := range []string{"", "-wal"} {
		name := fileName(epoch) + suffix
		content, err := os.ReadFile(f.path(name))
		if err != nil {
			f.t.Fatal(err)
		}
		saved[name] = content
	}
	f.close(s)
	for name, content := range saved {
		if err := os.WriteFile(f.path(name), content, 0o600); err != nil {
			f.t.Fatal(err)
		}
	}
}

func TestANewStoreIsPrivateAndEmpty(t *testing.T) {
	f := newFixture(t)
	s := f.must(1)
	defer f.close(s)
	if s.Device.ID != nil {
		t.Fatal("a new store holds an identity")
	}
	for name, mode := range map[string]os.FileMode{"": 0o700, "store.1.db": 0o600, "store.1.db-wal": 0o600} {
		info, err := os.Stat(f.path(name))
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("%q has mode %v, %v", name, info.Mode(), err)
		}
	}
}

func TestTakeoverKeepsWhatAKilledOwnerHadOnlyInItsJournal(t *testing.T) {
	for name, gone := range map[string]bool{"copy": false, "rename": true} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			s := f.must(3)
			link(t, s, "from the journal")
			f.killed(s, 3)
			s = f.must(7, func(q *Request) { q.PreviousOwnerGone = gone })
			defer f.close(s)
			if s.Device.ID == nil || s.Device.PushName != "from the journal" {
				t.Fatalf("identity lost: %v", s.Device.ID)
			}
			if f.exists("store.3.db") == gone {
				t.Error("a copy must leave the old store, a rename must not")
			}
			if f.exists("takeover.store.7.db") {
				t.Error("the draft was left")
			}
		})
	}
}

func TestARenameThatWasCutAfterTheJournalIsCompletedByTheNextTakeover(t *testing.T) {
	for name, gone := range map[string]bool{"copy": false, "rename": true} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			s := f.must(3)
			link(t, s, "from the journal")
			f.killed(s, 3)
			if err := os.Rename(f.path("store.3.db-wal"), f.path("store.4.db-wal")); err != nil {
				t.Fatal(err)
			}
			s = f.must(4, func(q *Request) { q.PreviousOwnerGone = gone })
			defer f.close(s)
			if s.Device.PushName != "from the journal" {
				t.Fatal("the journal was lost")
			}
		})
	}
}

func TestALowerEpochIsNeverOpenedAgain(t *testing.T) {
	f := newFixture(t)
	f.close(f.must(2))
	f.close(f.must(5))
	if _, err := f.open(2); !errors.Is(err, ErrStaleEpoch) {
		t.Fatalf("got %v", err)
	}
	if _, err := f.open(4); !errors.Is(err, ErrStaleEpoch) {
		t.Fatalf("got %v", err)
	}
	f.close(f.must(5))
}

func TestStoresOfLowerEpochsAreRemovedAfterADayAndRemovedOnesAfterAWeek(t *testing.T) {
	f := newFixture(t)
	f.close(f.must(1))
	f.close(f.must(2))
	old := time.Now().Add(-25 * time.Hour)
	if err := os.Chtimes(f.path("store.1.db"), old, old); err != nil {
		t.Fatal(err)
	}
	week := fmt.Sprintf("removed.%d.db", time.Now().Add(-8*24*time.Hour).Unix())
	day := fmt.Sprintf("removed.%d.db", time.Now().Add(-24*time.Hour).Unix())
	for _, name := range []string{week, day} {
		if err := os.WriteFile(f.path(name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f.close(f.must(3))
	for name, want := range map[string]bool{"store.1.db": false, "store.2.db": true, "store.3.db": true, week: false, day: true} {
		if f.exists(name) != want {
			t.Errorf("%s exists: %v", name, !want)
		}
	}
}

func TestAStoreOfAnotherNetworkIsRefused(t *testing.T) {
	f := newFixture(t)
	f.close(f.must(1))
	other := options()
	other.NetworkID = "whatsapp"
	_, err := f.root.Open(t.Context(), other, Request{Path: f.path("store.1.db"), Epoch: 1})
	if !errors.Is(err, ErrNetworkMismatch) {
		t.Fatalf("got %v", err)
	}
	_, err = f.root.Open(t.Context(), other, Request{Path: f.path("store.2.db"), Epoch: 2})
	if !errors.Is(err, ErrNetworkMismatch) {
		t.Fatalf("after a takeover: %v", err)
	}
}

func TestAStoreWithoutANetworkMarkIsRefused(t *testing.T) {
	f := newFixture(t)
	f.close(f.must(1))
	db, err := sql.Open("sqlite", f.path("store.1.db"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err = db.Exec("DROP TABLE blazz_network"); err != nil {
		t.Fatal(err)
	}
	_ = db.Close()
	if _, err = f.open(1); !errors.Is(err, ErrNetworkMismatch) {
		t.Fatalf("got %v", err)
	}
}

func TestADamagedStoreIsCalledCorrupt(t *testing.T) {
	f := newFixture(t)
	f.close(f.must(1))
	if err := os.WriteFile(f.path("store.1.db"), []byte("this is no database, whatever its name says"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.open(1); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("opened: %v", err)
	}
	if _, err := f.open(2); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("taken over: %v", err)
	}
	if f.exists("store.2.db") {
		t.Fatal("a corrupt copy got the new name")
	}
}

func TestTheStoreOfARemovedDeviceIsSetAsideWithItsIdentity(t *testing.T) {
	f := newFixture(t)
	f.close(f.must(1))
	s := f.must(2)
	link(t, s, "removed")
	if err := s.Device.Delete(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.close(s)
	aside, err := filepath.Glob(f.path("removed.*.db"))
	if err != nil || len(aside) != 1 {
		t.Fatalf("set aside: %v %v", aside, err)
	}
	db, err := sql.Open("sqlite", aside[0])
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var name string
	if err = db.QueryRow("SELECT push_name FROM whatsmeow_device").Scan(&name); err != nil || name != "removed" {
		t.Fatalf("identity in the store set aside: %q %v", name, err)
	}
	s = f.must(2) // the same epoch starts fresh
	defer f.close(s)
	if s.Device.ID != nil {
		t.Fatal("the removed identity came back")
	}
}

func TestPathsOutsideTheSessionsDirectoryAreRefused(t *testing.T) {
	f := newFixture(t)
	outside := t.TempDir()
	if err := os.MkdirAll(filepath.Join(f.root.dir, "workspace_1"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(f.root.dir, "workspace_1", "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(f.path(""), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(outside, "x.db"), f.path("store.9.db")); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		"store.1.db", outside + "/store.1.db", f.root.dir + "/store.1.db", f.root.dir + "/workspace_1/../../x/store.1.db",
		f.root.dir + "/workspace_1/link/store.1.db", f.path("store.2.db"), f.path("store.01.db"), f.path("other.db"),
	} {
		if _, err := f.root.Open(t.Context(), options(), Request{Path: path, Epoch: 1}); !errors.Is(err, ErrPath) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := f.open(9); !errors.Is(err, ErrPath) {
		t.Errorf("symbolic link as store: %v", err)
	}
	if entries, _ := os.ReadDir(outside); len(entries) != 0 {
		t.Errorf("created outside: %v", entries)
	}
}

func TestTheSessionsDirectoryMayBeNamedThroughALink(t *testing.T) {
	f := newFixture(t)
	alias := filepath.Join(t.TempDir(), "alias")
	if err := os.Symlink(f.root.dir, alias); err != nil {
		t.Fatal(err)
	}
	s, err := f.root.Open(t.Context(), options(), Request{Path: alias + "/workspace_1/session_1/store.1.db", Epoch: 1})
	if err != nil {
		t.Fatal(err)
	}
	f.close(s)
	if !f.exists("store.1.db") {
		t.Fatal("opened elsewhere")
	}
}

func TestAFailureOfSQLiteAroundADecryptionIsReported(t *testing.T) {
	f := newFixture(t)
	var reported []error
	s := f.must(1, func(q *Request) { q.OnFailure = func(err error) { reported = append(reported, err) } })
	link(t, s, "x")
	buffer := s.Device.EventBuffer
	if err := buffer.DoDecryptionTxn(t.Context(), func(context.Context) error { return errors.New("bad ciphertext") }); err == nil || len(reported) != 0 {
		t.Fatalf("an undecryptable message is no failure of the store: %v %v", err, reported)
	}
	if _, err := s.db.Exec("PRAGMA query_only = 1"); err != nil { // as on a read-only or full disk
		t.Fatal(err)
	}
	err := buffer.DoDecryptionTxn(t.Context(), func(ctx context.Context) error {
		return buffer.PutBufferedEvent(ctx, [32]byte{1}, []byte("text"), time.Now())
	})
	if err == nil || len(reported) == 0 {
		t.Fatalf("not reported: %v", err)
	}
	f.close(s)
}

func TestPreKeysOfOneUploadAreMadeTogether(t *testing.T) {
	f := newFixture(t)
	s := f.must(1)
	defer f.close(s)
	link(t, s, "x")
	made, err := s.Device.PreKeys.GetOrGenPreKeys(t.Context(), 50)
	if err != nil || len(made) != 50 {
		t.Fatalf("%d keys, %v", len(made), err)
	}
	again, err := s.Device.PreKeys.GetOrGenPreKeys(t.Context(), 60)
	if err != nil || len(again) != 60 || again[0].KeyID != made[0].KeyID {
		t.Fatalf("%d keys the second time, %v", len(again), err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = s.Device.PreKeys.GetOrGenPreKeys(cancelled, 70); err == nil {
		t.Fatal("made keys for nobody")
	}
}

func TestSingleAndBatchedPreKeysDoNotBlockEachOther(t *testing.T) {
	f := newFixture(t)
	s := f.must(1)
	defer f.close(s)
	link(t, s, "x")
	done := make(chan error, 40)
	for range 20 {
		go func() { _, err := s.Device.PreKeys.GenOnePreKey(t.Context()); done <- err }()
		go func() { _, err := s.Device.PreKeys.GetOrGenPreKeys(t.Context(), 30); done <- err }()
	}
	for range 40 {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("blocked")
		}
	}
}
