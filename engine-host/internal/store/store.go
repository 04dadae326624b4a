package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	_ "github.com/blazz/blazz/engine-host/internal/walog" // sets the Signal library's logger before its first message
	wastore "go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/store/sqlstore"
	waLog "go.mau.fi/whatsmeow/util/log"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

const settlePause = 2 * time.Millisecond

// Options of every store of the host.
type Options struct {
	NetworkID   string
	Synchronous string        // FULL or NORMAL
	Journal     string        // JournalWAL or JournalDelete
	Locks       string        // LocksNone or LocksPosix
	IdleClose   time.Duration // an unused connection is closed after this; 0 = never
	Limit       time.Duration // storage that needs longer for one operation counts as hanging; 0 = 15 s
	Log         waLog.Logger
}

// Request names the store to open.
type Request struct {
	SessionID         string
	Path              string // of the file; without meaning where stores are in a database
	Epoch             uint64
	PreviousOwnerGone bool
	MustExist         bool        // a store of this or a lower epoch must be there; nothing is created (ErrMissing)
	OnFailure         func(error) // called when the storage fails or hangs, from any goroutine
}

// Store is one open session store.
type Store struct {
	Device  *wastore.Device
	place   place
	db      *sql.DB
	watch   watch
	limit   time.Duration
	release func() // gives the session's directory to the next one
	removed atomic.Bool
	closed  atomic.Bool
}

// Open takes over an older store if needed, checks the network mark, and loads the device. It returns ErrHung when the
// storage does not answer in time; what was begun then ends by itself whenever the storage comes back, and until then
// the session's directory is not opened again.
func (r *Root) Open(ctx context.Context, o Options, q Request) (*Store, error) {
	ctx, cancel := context.WithTimeout(ctx, o.limit())
	defer cancel()
	release, err := r.claim(ctx, filepath.Dir(q.Path))
	if err != nil {
		return nil, err
	}
	var opened *Store
	err = within(ctx, func() (err error) {
		opened, err = r.open(ctx, o, q)
		if err != nil {
			release()
		} else {
			opened.release = release
		}
		return err
	}, func(err error) {
		if err == nil { // it came back after nobody waited any more
			_ = opened.closeNow()
		}
	})
	if err != nil {
		return nil, classify(err)
	}
	r.add(opened)
	return opened, nil
}

func (r *Root) open(ctx context.Context, o Options, q Request) (*Store, error) {
	p, err := r.locate(q.Path, q.Epoch, q.MustExist)
	if err != nil {
		return nil, err
	}
	s := &Store{place: p, limit: o.limit()}
	if err = s.open(ctx, r.registry, o, q); err != nil {
		p.close()
		return nil, err
	}
	p.tidy(q.Epoch, time.Now())
	return s, nil
}

func (s *Store) open(ctx context.Context, r *registry, o Options, q Request) error {
	p := s.place
	there, err := takeover{place: p, options: o, registry: r}.prepare(ctx, q.Epoch, q.PreviousOwnerGone)
	if err != nil {
		return err
	}
	if !there && q.MustExist {
		return fmt.Errorf("%w: no store in %s", ErrMissing, p.dir)
	}
	// Created here so that no file ever exists with wider rights than 0600.
	file, err := p.root.OpenFile(p.name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("create store: %w", err)
	}
	if err = errors.Join(file.Chmod(0o600), file.Close(), p.syncDir()); err != nil {
		return fmt.Errorf("create store: %w", err)
	}
	s.watch.onFailure = q.OnFailure
	s.db = o.connector(p.path(), &s.watch).open()
	s.db.SetConnMaxIdleTime(o.IdleClose)
	if err = s.load(ctx, o, q); err != nil {
		_ = s.db.Close()
	}
	return err
}

func (s *Store) load(ctx context.Context, o Options, q Request) error {
	if err := checkNetwork(ctx, s.db, o.NetworkID); err != nil {
		return err
	}
	container := sqlstore.NewWithDB(s.db, "sqlite", o.Log)
	if err := container.Upgrade(ctx); err != nil {
		return fmt.Errorf("upgrade store: %w", err)
	}
	device, err := container.GetFirstDevice(ctx)
	if err != nil {
		return fmt.Errorf("load device: %w", err)
	}
	s.Device = device
	keeper := &keeper{inner: container, store: s, onFailure: q.OnFailure}
	keeper.install(device)
	return nil
}

// checkNetwork compares the store's network mark; a new store is marked, an old one without mark is refused.
func checkNetwork(ctx context.Context, db *sql.DB, id string) error {
	var tables, marked int
	err := db.QueryRowContext(ctx,
		"SELECT count(*), count(CASE WHEN name = 'blazz_network' THEN 1 END) FROM sqlite_schema WHERE type = 'table'",
	).Scan(&tables, &marked)
	if err != nil {
		return fmt.Errorf("read store: %w", err)
	}
	if tables == 0 {
		_, err = db.ExecContext(ctx, "CREATE TABLE blazz_network (id TEXT NOT NULL PRIMARY KEY)")
		if err == nil {
			_, err = db.ExecContext(ctx, "INSERT INTO blazz_network (id) VALUES (?)", id)
		}
		if err != nil {
			return fmt.Errorf("mark store: %w", err)
		}
		return nil
	}
	var found string
	if marked == 1 {
		err = db.QueryRowContext(ctx, "SELECT id FROM blazz_network").Scan(&found)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("read store: %w", err)
		}
	}
	if found == "" && tables == 1 && marked == 1 { // killed between creating and filling the mark
		_, err = db.ExecContext(ctx, "INSERT INTO blazz_network (id) VALUES (?)", id)
		return err
	}
	if found != id {
		return fmt.Errorf("%w: the store belongs to network %q, this host to %q", ErrNetworkMismatch, found, id)
	}
	return nil
}

// Check writes to the store and so tells whether its storage works. It returns within the limit of the options.
func (s *Store) Check(ctx context.Context) error {
	if s.watch.hangs(s.limit) {
		return ErrHung // still at the operation that made us look
	}
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	return classify(within(ctx, func() error {
		_, err := s.db.ExecContext(ctx, "UPDATE blazz_network SET id = id")
		return err
	}, nil))
}

// Close closes the file; a store whose device was removed is set aside under the name removed.{unix}.db, so that the
// next start begins fresh while the old identity can still be looked at for a week. It returns ErrHung when the storage
// does not answer in time, and goes on by itself.
func (s *Store) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), s.limit)
	defer cancel()
	return within(ctx, s.closeNow, nil)
}

func (s *Store) closeNow() error {
	defer s.closed.Store(true)
	defer s.release()
	defer s.place.close()
	if s.removed.Load() {
		_, _ = s.db.Exec("PRAGMA wal_checkpoint(TRUNCATE)")
	}
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("close store: %w", err)
	}
	for s.db.Stats().OpenConnections > 0 { // database/sql does not wait for a connection that is at work
		time.Sleep(settlePause)
	}
	if s.removed.Load() {
		return s.setAside()
	}
	return nil
}

// Closed says whether nothing of this process touches the file any more.
func (s *Store) Closed() bool { return s.closed.Load() }

func (s *Store) setAside() error {
	stamp := time.Now().Unix()
	name := fmt.Sprintf("removed.%d.db", stamp)
	for s.exists(name) {
		stamp++
		name = fmt.Sprintf("removed.%d.db", stamp)
	}
	for _, suffix := range journals {
		if !s.exists(s.place.name + suffix) {
			continue
		}
		if err := s.place.root.Rename(s.place.name+suffix, name+suffix); err != nil {
			return fmt.Errorf("set journal aside: %w", err)
		}
	}
	_ = s.place.root.Remove(s.place.name + "-shm")
	if err := s.place.root.Rename(s.place.name, name); err != nil {
		return fmt.Errorf("set store aside: %w", err)
	}
	// Stores of lower epochs hold the same removed identity: they must not come back by a takeover.
	epochs, err := s.place.epochs()
	if err != nil {
		return err
	}
	for _, epoch := range epochs {
		s.place.removeFile(fileName(epoch))
	}
	return s.place.syncDir()
}

func (s *Store) exists(name string) bool {
	_, err := s.place.root.Lstat(name)
	return !errors.Is(err, fs.ErrNotExist)
}

// Remove marks the device as removed: Close sets the store aside.
func (s *Store) Remove() { s.removed.Store(true) }

// Removed says whether the device was removed, by us or by the phone.
func (s *Store) Removed() bool { return s.removed.Load() }

// classify turns SQLite's own corruption codes into ErrCorrupt.
func classify(err error) error {
	var failure *sqlite.Error
	if errors.As(err, &failure) {
		if code := failure.Code() & 0xff; code == sqlite3.SQLITE_CORRUPT || code == sqlite3.SQLITE_NOTADB {
			return fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
	}
	if errors.Is(err, sqlstore.ErrInvalidLength) {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return err
}

// DatabaseFailure begins the text of every failure of a database that holds session stores.
const DatabaseFailure = "session database: "

// databaseFailure is what package dbstore's errors can tell: whether the database failed, and not the statement.
type databaseFailure interface {
	error
	StorageFailure() bool
}

// IsFailure says whether an error comes from the store itself (full disk, locked or damaged file) and not from the data.
func IsFailure(err error) bool {
	if err == nil {
		return false
	}
	var failure *sqlite.Error
	var database databaseFailure
	if errors.As(err, &failure) || errors.As(err, &database) || errors.Is(err, sql.ErrConnDone) ||
		errors.Is(err, sql.ErrTxDone) || errors.Is(err, ErrStaleEpoch) {
		return true
	}
	// Some callers in between flatten errors to text.
	text := err.Error()
	return strings.Contains(text, "SQLITE_") || strings.Contains(text, DatabaseFailure) || strings.Contains(text, "database is closed") ||
		strings.Contains(text, "database or disk is full") || strings.Contains(text, "disk I/O error")
}
