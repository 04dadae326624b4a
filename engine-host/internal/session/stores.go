package session

import (
	"context"
	"errors"

	"github.com/blazz/blazz/engine-host/internal/dbstore"
	"github.com/blazz/blazz/engine-host/internal/store"
	wastore "go.mau.fi/whatsmeow/store"
	waLog "go.mau.fi/whatsmeow/util/log"
)

// openStore is an open store, wherever it is kept.
type openStore interface {
	Check(context.Context) error // whether it can be written
	Close() error
	Closed() bool
	Remove()
	Removed() bool
}

// Opened is a store with the device in it. Shared stores can be taken by another owner while this host is cut off: they
// are asked before every connection whether they are still ours.
type Opened struct {
	store  openStore
	device *wastore.Device
	shared bool
}

// OpenStore opens a session's store. A log of the library is given with each.
type OpenStore func(context.Context, waLog.Logger, store.Request) (Opened, error)

// InFiles keeps session stores in a directory.
func InFiles(root *store.Root, options store.Options) OpenStore {
	return func(ctx context.Context, log waLog.Logger, q store.Request) (Opened, error) {
		options := options
		options.Log = log
		opened, err := root.Open(ctx, options, q)
		if err != nil {
			return Opened{}, err
		}
		return Opened{store: opened, device: opened.Device}, nil
	}
}

// InDatabase keeps session stores in PostgreSQL.
func InDatabase(pool *dbstore.Pool) OpenStore {
	return func(ctx context.Context, log waLog.Logger, q store.Request) (Opened, error) {
		opened, err := pool.Open(ctx, log, q)
		if err != nil {
			return Opened{}, err
		}
		return Opened{store: opened, device: opened.Device, shared: true}, nil
	}
}

// storeFailed is called when the storage fails or hangs. The connection's context is cut before whatsmeow can confirm what
// it could not keep, and the session does not connect again until its store can be written. One that has another owner
// now ends.
func (s *Session) storeFailed(err error) {
	if errors.Is(err, store.ErrStaleEpoch) {
		s.log.Warn("the session's store has another owner", "error", err)
		s.final(staleState(err))
	} else {
		s.log.Error("store failure", "error", err)
		s.suspect.Store(true)
		s.mail.put(signal{kind: sigReset, detail: "store_failure: " + err.Error()})
	}
	s.cutConn()
}
