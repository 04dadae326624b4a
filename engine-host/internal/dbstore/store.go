package dbstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/blazz/blazz/engine-host/internal/store"
	"github.com/jackc/pgx/v5"
	wastore "go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/store/sqlstore"
	"go.mau.fi/whatsmeow/types"
	waLog "go.mau.fi/whatsmeow/util/log"
)

const settlePause = 2 * time.Millisecond

// Store is the open store of one session under one epoch.
type Store struct {
	Device    *wastore.Device
	pool      *Pool
	id        string
	epoch     int64
	opening   int64
	number    int64
	db        *sql.DB
	onFailure func(error)
	removed   atomic.Bool
	closed    atomic.Bool
}

// Open claims the session's row for the epoch and loads the device. From then on every write of an earlier opening is
// refused; a lower epoch gets ErrStaleEpoch.
func (p *Pool) Open(ctx context.Context, log waLog.Logger, q store.Request) (*Store, error) {
	ctx, cancel := context.WithTimeout(ctx, p.o.Limit)
	defer cancel()
	if err := p.prepare(ctx); err != nil {
		return nil, err
	}
	s := &Store{pool: p, id: q.SessionID, epoch: int64(q.Epoch), onFailure: q.OnFailure}
	jid, err := s.claim(ctx, q.MustExist)
	if err != nil {
		return nil, err
	}
	s.db = sql.OpenDB(connector{s})
	s.db.SetMaxOpenConns(1) // as for files: what whatsmeow does at once for one session was written for one connection
	s.db.SetMaxIdleConns(1)
	if err = s.load(ctx, log, jid); err != nil {
		_ = s.db.Close()
		return nil, err
	}
	return s, nil
}

// claim waits for transactions under way, also those that a killed host left behind, and takes the session's row.
func (s *Store) claim(ctx context.Context, mustExist bool) (jid string, err error) {
	err = pgx.BeginFunc(ctx, s.pool.pool, func(tx pgx.Tx) error {
		if !mustExist {
			_, err := tx.Exec(ctx, "INSERT INTO session_stores (session_id, epoch, opening, store, network_id)"+
				" VALUES ($1, 0, 0, nextval('store_numbers'), $2) ON CONFLICT (session_id) DO NOTHING", s.id, s.pool.o.NetworkID)
			if err != nil {
				return err
			}
		}
		var epoch int64
		var network string
		var device *string
		err := tx.QueryRow(ctx, "SELECT epoch, store, jid, network_id FROM session_stores WHERE session_id = $1 FOR UPDATE", s.id).
			Scan(&epoch, &s.number, &device, &network)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return fmt.Errorf("%w: the database holds no store of this session", store.ErrMissing)
		case err != nil:
			return err
		case network != s.pool.o.NetworkID:
			return fmt.Errorf("%w: the store belongs to network %q, this host to %q",
				store.ErrNetworkMismatch, network, s.pool.o.NetworkID)
		case epoch > s.epoch:
			return fmt.Errorf("%w: the store was opened under epoch %d, %d may not open it any more",
				store.ErrStaleEpoch, epoch, s.epoch)
		}
		if device != nil {
			jid = *device
		}
		return tx.QueryRow(ctx, "UPDATE session_stores SET epoch = $2, opening = opening + 1 WHERE session_id = $1"+
			" RETURNING opening", s.id, s.epoch).Scan(&s.opening)
	})
	if errors.Is(err, store.ErrMissing) || errors.Is(err, store.ErrNetworkMismatch) {
		return "", err
	}
	return jid, failed(ctx, err)
}

func (s *Store) load(ctx context.Context, log waLog.Logger, jid string) error {
	wrapped, err := library(s.db)
	if err != nil {
		return err
	}
	keeper := newKeeper(s, wrapped, sqlstore.NewWithWrappedDB(wrapped, log))
	device, err := keeper.container.GetDevice(ctx, keeper.key)
	switch {
	case errors.Is(err, sqlstore.ErrInvalidLength):
		return fmt.Errorf("%w: %w", store.ErrCorrupt, err)
	case err != nil:
		return failed(ctx, err)
	case device == nil && jid != "":
		return fmt.Errorf("%w: the device's row is gone", store.ErrCorrupt)
	case device == nil:
		device = keeper.container.NewDevice()
		device.Container = keeper
	default:
		own, parseErr := types.ParseJID(jid)
		if parseErr != nil || own.User == "" {
			return fmt.Errorf("%w: the device has no identity", store.ErrCorrupt)
		}
		device.ID = &own
		keeper.install(device)
	}
	s.Device = device
	_, err = s.db.ExecContext(ctx, "UPDATE session_stores SET opened_at = now() WHERE session_id = $1", s.id)
	return err
}

// Check asks whether the store is still ours and can be written. It returns within the limit.
func (s *Store) Check(ctx context.Context) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	_, err := s.pool.pool.Exec(ctx, fenceQuery, s.token()...)
	return failed(ctx, err)
}

// Close ends the use of the store; one whose device was removed is set aside for a week. It returns ErrHung when the
// database does not answer in time, and goes on by itself.
func (s *Store) Close() error {
	done := make(chan error, 1)
	go func() { done <- s.closeNow() }()
	select {
	case err := <-done:
		return err
	case <-time.After(s.pool.o.Limit):
		return store.ErrHung
	}
}

func (s *Store) closeNow() error {
	defer s.closed.Store(true)
	err := s.db.Close()
	for s.db.Stats().OpenConnections > 0 { // a statement under way; it ends within the limit
		time.Sleep(settlePause)
	}
	if err != nil || !s.removed.Load() {
		return err
	}
	ctx, cancel := s.bounded(context.Background())
	defer cancel()
	batch := &pgx.Batch{}
	batch.Queue(fenceQuery, s.token()...)
	batch.Queue("SELECT set_aside($1, $2)", s.id, s.epoch)
	if err = s.pool.pool.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("set store aside: %w", failed(ctx, err))
	}
	return nil
}

// Closed says whether nothing of this process uses the store any more.
func (s *Store) Closed() bool { return s.closed.Load() }

// Remove marks the device as removed: Close sets the store aside.
func (s *Store) Remove() { s.removed.Store(true) }

// Removed says whether the device was removed, by us or by the phone.
func (s *Store) Removed() bool { return s.removed.Load() }
