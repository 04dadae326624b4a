package dbstore

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

const fenceQuery = "SELECT fence($1, $2, $3)"

var errOnlyReads = errors.New("a query outside of a transaction may only read: its rows would not be fenced")

// connector is the database as one session sees it. Its connections are light: they borrow a real one for the length of
// a statement or a transaction.
type connector struct{ store *Store }

func (c connector) Connect(context.Context) (driver.Conn, error) { return &conn{store: c.store}, nil }

func (c connector) Driver() driver.Driver { return stdlib.GetDefaultDriver() }

// conn is used by one caller at a time, as database/sql guarantees.
type conn struct {
	store *Store
	tx    *transaction // nil outside of a transaction
}

func (c *conn) Prepare(string) (driver.Stmt, error) {
	return nil, errors.New("prepared statements are made by the pool")
}

func (c *conn) Begin() (driver.Tx, error) { return c.BeginTx(context.Background(), driver.TxOptions{}) }

func (c *conn) Close() error {
	if c.tx != nil {
		c.tx.end()
	}
	return nil
}

// BeginTx opens a transaction that holds the session's row until its end: nobody takes the session over in between.
func (c *conn) BeginTx(ctx context.Context, options driver.TxOptions) (driver.Tx, error) {
	if options.Isolation != 0 || options.ReadOnly {
		return nil, errors.New("a transaction has the pool's own isolation")
	}
	ctx, cancel := c.store.bounded(ctx)
	defer cancel()
	var opened *stdlib.Conn
	err := c.store.retried(ctx, func(ctx context.Context, real *stdlib.Conn) error {
		batch := &pgx.Batch{}
		batch.Queue("BEGIN")
		batch.Queue(fenceQuery, c.store.token()...)
		_, err := send(ctx, real, batch)
		if err == nil {
			opened = real
		}
		return err
	}, false)
	if err != nil {
		return nil, c.store.note(ctx, err)
	}
	c.tx = &transaction{conn: c, real: opened}
	return c.tx, nil
}

// ExecContext executes a statement in the open transaction, or fenced in one of its own that is a single round trip.
func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	ctx, cancel := c.store.bounded(ctx)
	defer cancel()
	var tag pgconn.CommandTag
	var err error
	if c.tx != nil {
		if c.tx.real == nil {
			return nil, errEnded
		}
		tag, err = c.tx.real.Conn().Exec(ctx, query, values(args)...)
	} else {
		err = c.store.retried(ctx, func(ctx context.Context, real *stdlib.Conn) error {
			batch := &pgx.Batch{} // both succeed or none: a batch without BEGIN is one transaction
			batch.Queue(fenceQuery, c.store.token()...)
			batch.Queue(query, values(args)...)
			tag, err = send(ctx, real, batch)
			return err
		}, true)
	}
	if err != nil {
		return nil, c.store.note(ctx, err)
	}
	return driver.RowsAffected(tag.RowsAffected()), nil
}

// QueryContext reads, in the open transaction or on a connection that is given back when the rows are closed.
func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	ctx, cancel := c.store.bounded(ctx)
	var found driver.Rows
	var err error
	var borrowed *stdlib.Conn
	if c.tx != nil {
		if c.tx.real == nil {
			cancel()
			return nil, errEnded
		}
		found, err = c.tx.real.QueryContext(ctx, query, args)
	} else if !strings.HasPrefix(strings.ToUpper(strings.TrimSpace(query)), "SELECT") {
		err = errOnlyReads
	} else {
		err = c.store.retried(ctx, func(ctx context.Context, real *stdlib.Conn) error {
			found, err = real.QueryContext(ctx, query, args)
			if err == nil {
				borrowed = real
			}
			return err
		}, false)
	}
	if err != nil {
		err = c.store.note(ctx, err)
		cancel()
		return nil, err
	}
	return &rows{Rows: found, store: c.store, ctx: ctx, cancel: cancel, borrowed: borrowed}, nil
}

var errEnded = errors.New("the transaction has ended")

// transaction is a driver.Tx on a borrowed connection.
type transaction struct {
	conn *conn
	real *stdlib.Conn // nil once it ended
}

func (t *transaction) Commit() error {
	if t.real == nil {
		return errEnded
	}
	defer t.end()
	ctx, cancel := t.conn.store.bounded(context.Background())
	defer cancel()
	tag, err := t.real.Conn().Exec(ctx, "COMMIT")
	if err == nil && tag.String() != "COMMIT" {
		err = fmt.Errorf("the database rolled back: %s", tag)
	}
	return t.conn.store.note(ctx, err)
}

func (t *transaction) Rollback() error {
	if t.real == nil {
		return nil
	}
	defer t.end()
	if t.real.Conn().IsClosed() {
		return nil // with its connection the transaction ended
	}
	ctx, cancel := t.conn.store.bounded(context.Background())
	defer cancel()
	if _, err := t.real.Conn().Exec(ctx, "ROLLBACK"); err != nil {
		return failed(ctx, err)
	}
	return nil
}

// end gives the connection back; the pool throws it away unless it is at rest.
func (t *transaction) end() {
	if t.real != nil {
		_ = t.real.Close()
		t.real, t.conn.tx = nil, nil
	}
}

// rows give their connection back when they are closed.
type rows struct {
	driver.Rows
	store    *Store
	ctx      context.Context
	cancel   context.CancelFunc
	borrowed *stdlib.Conn
}

func (r *rows) Next(into []driver.Value) error {
	err := r.Rows.Next(into)
	if err == nil || errors.Is(err, errNoMoreRows) {
		return err
	}
	return r.store.note(r.ctx, err)
}

func (r *rows) Close() error {
	err := r.Rows.Close()
	if r.borrowed != nil {
		_ = r.borrowed.Close()
		r.borrowed = nil
	}
	err = r.store.note(r.ctx, err)
	r.cancel()
	return err
}

// send executes a batch and returns the tag of its last statement.
func send(ctx context.Context, real *stdlib.Conn, batch *pgx.Batch) (tag pgconn.CommandTag, err error) {
	results := real.Conn().SendBatch(ctx, batch)
	for range batch.Len() {
		if tag, err = results.Exec(); err != nil {
			break
		}
	}
	if closeErr := results.Close(); err == nil {
		err = closeErr // the commit of the batch
	}
	return tag, err
}

func values(args []driver.NamedValue) []any {
	list := make([]any, len(args))
	for i, arg := range args {
		list[i] = arg.Value
	}
	return list
}
