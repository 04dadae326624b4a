package dbstore

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"

	"github.com/blazz/blazz/engine-host/internal/store"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

var errNoMoreRows = io.EOF

// bounded limits one operation; the connection is given up when it takes longer, whatever the database does.
func (s *Store) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.pool.o.Limit)
}

// token is what the fence compares.
func (s *Store) token() []any { return []any{s.id, s.epoch, s.opening} }

// retried borrows a connection and works on it, once more on another one when the first turned out to be dead before
// anything was sent: after a restart of the database all that the pool has are. The connection is given back after a
// failure, and with giveBack also after success.
func (s *Store) retried(ctx context.Context, work func(context.Context, *stdlib.Conn) error, giveBack bool) error {
	for attempt := 0; ; attempt++ {
		real, err := s.pool.borrow(ctx)
		if err != nil {
			return err
		}
		err = work(ctx, real)
		if err != nil || giveBack {
			_ = real.Close()
		}
		unsent := errors.Is(err, driver.ErrBadConn) || pgconn.SafeToRetry(err)
		if err == nil || !unsent || attempt == s.pool.o.Connections || ctx.Err() != nil {
			return err
		}
	}
}

func (p *Pool) borrow(ctx context.Context) (*stdlib.Conn, error) {
	lent, err := stdlib.GetPoolConnector(p.pool).Connect(ctx)
	if err != nil {
		return nil, err
	}
	real, ok := lent.(*stdlib.Conn)
	if !ok {
		_ = lent.Close()
		return nil, errors.New("the driver's pool lends something unknown")
	}
	return real, nil
}

// note names an error and tells the session of one that concerns its store, whoever in whatsmeow swallows it.
func (s *Store) note(ctx context.Context, err error) error {
	err = failed(ctx, err)
	if s.onFailure != nil && (store.IsBroken(err) || errors.Is(err, store.ErrStaleEpoch)) {
		s.onFailure(err)
	}
	return err
}
