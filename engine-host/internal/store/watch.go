package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"sync/atomic"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// watch notices what database/sql cannot tell: a file operation that does not return (a share that hangs blocks the
// system call for ever and no error ever comes), and every failure of the storage, whoever in whatsmeow swallows it.
type watch struct {
	began     atomic.Int64 // when the operation under way began, nanoseconds since the start of the process; 0 = none
	told      atomic.Int64 // the operation that was reported as hanging
	onFailure func(error)
}

var processStart = time.Now()

func (w *watch) begin() int64 {
	now := int64(time.Since(processStart)) + 1
	w.began.Store(now)
	return now
}

// end closes the operation and reports a failure of the storage.
func (w *watch) end(began int64, err error) {
	w.began.CompareAndSwap(began, 0)
	if w.onFailure != nil && IsBroken(err) {
		w.onFailure(err)
	}
}

// hangs says whether one operation has lasted longer than limit.
func (w *watch) hangs(limit time.Duration) bool {
	began := w.began.Load()
	return began != 0 && time.Since(processStart)-time.Duration(began) > limit
}

// look reports an operation that hangs, once.
func (w *watch) look(limit time.Duration) {
	if began := w.began.Load(); w.onFailure != nil && w.hangs(limit) && w.told.Swap(began) != began {
		w.onFailure(ErrHung)
	}
}

// IsBroken says whether an error means that the file or the storage beneath it failed, and not the statement.
func IsBroken(err error) bool {
	if errors.Is(err, ErrHung) || errors.Is(err, ErrCorrupt) {
		return true
	}
	var database databaseFailure
	if errors.As(err, &database) {
		return database.StorageFailure()
	}
	var failure *sqlite.Error
	if !errors.As(err, &failure) {
		return false
	}
	switch failure.Code() & 0xff {
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB,
		sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_BUSY:
		return true
	}
	return false
}

// fullConn is what modernc.org/sqlite's connections can do; database/sql looks for each of these.
type fullConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// connector opens connections with our settings, in the order that they need.
type connector struct {
	source  string
	pragmas []string
	watch   *watch
}

// open returns a handle with at most one connection.
func (c *connector) open() *sql.DB {
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(1)
	db.SetMaxIdleConns(1)
	return db
}

func (c *connector) Driver() driver.Driver { return &sqlite.Driver{} }

func (c *connector) Connect(ctx context.Context) (_ driver.Conn, err error) {
	began := c.watch.begin()
	defer func() { c.watch.end(began, err) }()
	opened, err := c.Driver().Open(c.source)
	if err != nil {
		return nil, err
	}
	inner, ok := opened.(fullConn)
	if !ok {
		_ = opened.Close()
		return nil, errors.New("the SQLite driver lacks a method that is needed")
	}
	for _, pragma := range c.pragmas {
		if _, err = inner.ExecContext(ctx, "PRAGMA "+pragma, nil); err != nil {
			_ = inner.Close()
			return nil, err
		}
	}
	return &watchedConn{fullConn: inner, watch: c.watch}, nil
}

type watchedConn struct {
	fullConn
	watch  *watch
	broken bool // database/sql calls one method at a time
}

// note remembers a failure: SQLite's state after one is best thrown away with its connection.
func (c *watchedConn) note(began int64, err error) {
	c.broken = c.broken || IsBroken(err)
	c.watch.end(began, err)
}

func (c *watchedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	began := c.watch.begin()
	result, err := c.fullConn.ExecContext(ctx, query, args)
	c.note(began, err)
	return result, err
}

func (c *watchedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	began := c.watch.begin()
	rows, err := c.fullConn.QueryContext(ctx, query, args)
	c.note(began, err)
	if err != nil {
		return nil, err
	}
	return &watchedRows{Rows: rows, conn: c}, nil
}

func (c *watchedConn) BeginTx(ctx context.Context, options driver.TxOptions) (driver.Tx, error) {
	began := c.watch.begin()
	tx, err := c.fullConn.BeginTx(ctx, options)
	c.note(began, err)
	if err != nil {
		return nil, err
	}
	return &watchedTx{Tx: tx, conn: c}, nil
}

func (c *watchedConn) Close() error {
	began := c.watch.begin()
	err := c.fullConn.Close()
	c.watch.end(began, nil) // what was committed is safe; the next connection finds out what is wrong
	return err
}

func (c *watchedConn) IsValid() bool { return !c.broken && c.fullConn.IsValid() }

func (c *watchedConn) ResetSession(ctx context.Context) error {
	if c.broken {
		return driver.ErrBadConn
	}
	return c.fullConn.ResetSession(ctx)
}

type watchedTx struct {
	driver.Tx
	conn *watchedConn
}

func (t *watchedTx) Commit() error {
	began := t.conn.watch.begin()
	err := t.Tx.Commit()
	t.conn.note(began, err)
	return err
}

func (t *watchedTx) Rollback() error {
	began := t.conn.watch.begin()
	err := t.Tx.Rollback()
	t.conn.note(began, err)
	return err
}

type watchedRows struct {
	driver.Rows
	conn *watchedConn
}

func (r *watchedRows) Next(into []driver.Value) error {
	began := r.conn.watch.begin()
	err := r.Rows.Next(into)
	r.conn.note(began, err)
	return err
}

func (r *watchedRows) Close() error {
	began := r.conn.watch.begin()
	err := r.Rows.Close()
	r.conn.note(began, err)
	return err
}
