package dbstore

import (
	"context"
	"time"

	"github.com/blazz/blazz/engine-host/internal/store"
	"go.mau.fi/util/dbutil"
	wastore "go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/store/sqlstore"
	"go.mau.fi/whatsmeow/types"
)

// hashesFor is how long WhatsApp may deliver a message again.
const hashesFor = 14 * 24 * time.Hour

// keeper stands between whatsmeow and its tables: it stores the device under the store's key instead of its JID, and gives
// the session its own view of the two things that whatsmeow shares among all devices of a database.
type keeper struct {
	store     *Store
	db        *dbutil.Database
	container *sqlstore.Container
	key       types.JID
	lids      *lids
}

func newKeeper(s *Store, db *dbutil.Database, container *sqlstore.Container) *keeper {
	key := keyOf(s.number)
	return &keeper{
		store: s, db: db, container: container, key: key, lids: &lids{inner: container.LIDMap, prefix: key.User + "/"},
	}
}

func (k *keeper) install(device *wastore.Device) {
	inner := sqlstore.NewSQLStore(k.container, k.key)
	device.SetAllStores(inner)
	device.PreKeys = store.BatchPreKeys(inner, inner.DoDecryptionTxn)
	device.EventBuffer = store.WatchBuffer(&ownBuffer{EventBuffer: inner, keeper: k}, k.store.onFailure)
	device.LIDs = k.lids
	device.MsgSecrets = &secrets{MsgSecretStore: inner, lids: k.lids}
	device.PrivacyTokens = &privacyTokens{PrivacyTokenStore: inner, lids: k.lids}
	device.Container = k
	device.Initialized = true
}

// PutDevice saves the device and, with it, who it is.
func (k *keeper) PutDevice(ctx context.Context, device *wastore.Device) error {
	if device.ID == nil {
		return sqlstore.ErrDeviceIDMustBeSet
	}
	if !device.Initialized {
		k.install(device)
	}
	row := *device
	row.ID = &k.key
	return k.db.DoTxn(ctx, nil, func(ctx context.Context) error {
		if err := k.container.PutDevice(ctx, &row); err != nil {
			return err
		}
		_, err := k.db.Exec(ctx, "UPDATE session_stores SET jid = $2 WHERE session_id = $1 AND jid IS DISTINCT FROM $2",
			k.store.id, device.ID.String())
		return err
	})
}

// DeleteDevice keeps the data and marks the store.
func (k *keeper) DeleteDevice(context.Context, *wastore.Device) error {
	k.store.Remove()
	return nil
}

// ownBuffer forgets old hashes of its own session only: whatsmeow's statement names no device.
type ownBuffer struct {
	wastore.EventBuffer
	keeper *keeper
}

func (b *ownBuffer) DeleteOldBufferedHashes(ctx context.Context) error {
	_, err := b.keeper.db.Exec(ctx, "DELETE FROM whatsmeow_event_buffer WHERE our_jid = $1 AND insert_timestamp < $2",
		b.keeper.key.String(), time.Now().Add(-hashesFor).UnixMilli())
	return err
}
