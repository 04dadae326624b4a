package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	wastore "go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/store/sqlstore"
	waLog "go.mau.fi/whatsmeow/util/log"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// cacheKiB bounds SQLite's page cache per open store; 256 KiB was measured to cost no speed.
const cacheKiB = 256

// Options of every store of the host.
type Options struct {
	NetworkID   string
	Synchronous string        // FULL or NORMAL
	IdleClose   time.Duration // an unused connection is closed after this; 0 = never
	Log         waLog.Logger
}

// Request names the store to open.
type Request struct {
	Path              string
	Epoch             uint64
	PreviousOwnerGone bool
	OnFailure         func(error) // called on the first error of SQLite itself, from any goroutine
}

// Store is one open session store.
type Store struct {
	Device  *wastore.Device
	place   place
	db      *sql.DB
	removed atomic.Bool
}

// Open takes over an older store if needed, checks the network mark, and loads the device.
func (r *Root) Open(ctx context.Context, o Options, q Request) (*Store, error) {
	p, err := r.locate(q.Path, q.Epoch)
	if err != nil {
		return nil, err
	}
	s, err := openAt(ctx, p, o, q)
	if err != nil {
		p.close()
		return nil, classify(err)
	}
	p.tidy(q.Epoch, time.Now())
	return s, nil
}

func openAt(ctx context.Context, p place, o Options, q Request) (*Store, error) {
	if err := p.prepare(ctx, q.Epoch, q.PreviousOwnerGone); err != nil {
		return nil, err
	}
	// Created here so that no file ever exists with wider rights than 0600.
	file, err := p.root.OpenFile(p.name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("create store: %w", err)
	}
	err = errors.Join(file.Chmod(0o600), file.Close(), p.syncDir())
	if err != nil {
		return nil, fmt.Errorf("create store: %w", err)
	}
	db, err := sql.Open("sqlite", source(p.path(), o.Synchronous))
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	db.SetMaxOpenConns(1)
	db.SetMaxIdleConns(1)
	db.SetConnMaxIdleTime(o.IdleClose)
	s := &Store{place: p, db: db}
	if err = s.load(ctx, o, q); err != nil {
		_ = db.Close()
		return nil, err
	}
	return s, nil
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

// source is the DSN. Transactions start immediate, so that a busy file shows at once; the time-out is small because only
// this process may have the file open.
func source(path, synchronous string) string {
	pragmas := url.Values{"_txlock": {"immediate"}, "_pragma": {
		"foreign_keys(1)", "busy_timeout(2000)", "journal_mode(WAL)",
		"synchronous(" + synchronous + ")", fmt.Sprintf("cache_size(-%d)", cacheKiB),
	}}
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: pragmas.Encode()}).String()
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

// Close closes the file; a store whose device was removed is set aside under the name removed.{unix}.db, so that the
// next start begins fresh while the old identity can still be looked at for a week.
func (s *Store) Close() error {
	defer s.place.close()
	if s.removed.Load() {
		_, _ = s.db.Exec("PRAGMA wal_checkpoint(TRUNCATE)")
	}
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("close store: %w", err)
	}
	if !s.removed.Load() {
		return nil
	}
	stamp := time.Now().Unix()
	name := fmt.Sprintf("removed.%d.db", stamp)
	for s.exists(name) {
		stamp++
		name = fmt.Sprintf("removed.%d.db", stamp)
	}
	if s.exists(s.place.name + "-wal") {
		if err := s.place.root.Rename(s.place.name+"-wal", name+"-wal"); err != nil {
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

// checkAndFold writes a journal back into its file and checks integrity.
func checkAndFold(ctx context.Context, path string) error {
	db, err := sql.Open("sqlite", source(path, "FULL"))
	if err != nil {
		return fmt.Errorf("open copy: %w", err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	var verdict string
	if err = db.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&verdict); err != nil {
		return fmt.Errorf("check copy: %w", err)
	}
	if verdict != "ok" {
		return fmt.Errorf("%w: %s", ErrCorrupt, verdict)
	}
	if _, err = db.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		return fmt.Errorf("fold journal: %w", err)
	}
	if err = db.Close(); err != nil {
		return fmt.Errorf("close copy: %w", err)
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("sync copy: %w", err)
	}
	return errors.Join(file.Sync(), file.Close())
}

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

// IsFailure says whether an error comes from the store itself (full disk, locked or damaged file) and not from the data.
func IsFailure(err error) bool {
	if err == nil {
		return false
	}
	var failure *sqlite.Error
	if errors.As(err, &failure) || errors.Is(err, sql.ErrConnDone) || errors.Is(err, sql.ErrTxDone) {
		return true
	}
	// Some callers in between flatten errors to text.
	text := err.Error()
	return strings.Contains(text, "SQLITE_") || strings.Contains(text, "database is closed") ||
		strings.Contains(text, "database or disk is full") || strings.Contains(text, "disk I/O error")
}
