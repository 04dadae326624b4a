package dbstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/blazz/blazz/engine-host/internal/store"
	"github.com/jackc/pgx/v5/pgconn"
)

// failure is an error of the database. Its text begins with the words by which package store knows it after someone in
// between has flattened it.
type failure struct {
	err     error
	storage bool
}

func (f *failure) Error() string { return store.DatabaseFailure + f.err.Error() }

func (f *failure) Unwrap() error { return f.err }

// StorageFailure says whether the database failed, and not the statement.
func (f *failure) StorageFailure() bool { return f.storage }

// failed gives a name to what a statement ended with. A caller that gave up is no failure of the database.
func failed(ctx context.Context, err error) error {
	var known *failure
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known), errors.Is(err, store.ErrStaleEpoch), errors.Is(err, store.ErrCorrupt):
		return err
	case errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err()
	}
	var said *pgconn.PgError
	if !errors.As(err, &said) {
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("%w: %w", store.ErrHung, err)
		}
		return &failure{err, true}
	}
	switch {
	case said.Code == staleState:
		return fmt.Errorf("%w: %s", store.ErrStaleEpoch, said.Message)
	case said.Code == "XX001" || said.Code == "XX002": // data_corrupted, index_corrupted
		return fmt.Errorf("%w: %w", store.ErrCorrupt, &failure{err, true})
	}
	return &failure{err, isStorage(said.Code)}
}

// isStorage sorts PostgreSQL's classes of errors: those that a correct statement does not cause.
func isStorage(code string) bool {
	switch code[:min(2, len(code))] {
	case "08", // connection
		"0A", "25", "28", // read-only or pooled in a way that does not serve, access refused
		"3D", "3F", "42", // database, schema, table or right is missing
		"40", "55", // deadlock, lock not available
		"53", "54", "57", "58", "F0", "XX": // resources, operator, system, configuration, internal
		return true
	}
	return false
}
