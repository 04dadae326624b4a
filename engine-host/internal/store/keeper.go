package store

import (
	"context"
	"sync"
	"time"

	wastore "go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/util/keys"
)

// keeper stands between whatsmeow and its container: deleting a device only marks the store, which is set aside later.
type keeper struct {
	inner     wastore.DeviceContainer
	store     *Store
	onFailure func(error)
}

func (k *keeper) install(device *wastore.Device) {
	device.Container = k
	if device.EventBuffer != nil {
		device.PreKeys = BatchPreKeys(device.PreKeys, device.EventBuffer.DoDecryptionTxn)
		device.EventBuffer = WatchBuffer(device.EventBuffer, k.onFailure)
	}
}

// WatchBuffer has failures of the storage around decryption reported.
func WatchBuffer(buffer wastore.EventBuffer, onFailure func(error)) wastore.EventBuffer {
	return &watchedBuffer{EventBuffer: buffer, onFailure: onFailure}
}

// BatchPreKeys has the prekeys of one upload made in one transaction.
func BatchPreKeys(
	inner wastore.PreKeyStore, transaction func(context.Context, func(context.Context) error) error,
) wastore.PreKeyStore {
	return &batchedPreKeys{PreKeyStore: inner, transaction: transaction}
}

// PutDevice saves the device. The first save replaces the device's parts, so the keeper installs itself again.
func (k *keeper) PutDevice(ctx context.Context, device *wastore.Device) error {
	err := k.inner.PutDevice(ctx, device)
	if device.Container != wastore.DeviceContainer(k) {
		k.install(device)
	}
	return err
}

// DeleteDevice keeps the data and marks the store.
func (k *keeper) DeleteDevice(context.Context, *wastore.Device) error {
	k.store.Remove()
	return nil
}

// watchedBuffer reports failures of SQLite around decryption. whatsmeow takes them for messages that cannot be decrypted
// and would confirm them to the server; the session cancels its connection before that.
type watchedBuffer struct {
	wastore.EventBuffer
	onFailure func(error)
}

func (w *watchedBuffer) watch(err error) error {
	if w.onFailure != nil && IsFailure(err) {
		w.onFailure(err)
	}
	return err
}

func (w *watchedBuffer) GetBufferedEvent(ctx context.Context, hash [32]byte) (*wastore.BufferedEvent, error) {
	event, err := w.EventBuffer.GetBufferedEvent(ctx, hash)
	return event, w.watch(err)
}

func (w *watchedBuffer) PutBufferedEvent(ctx context.Context, hash [32]byte, plain []byte, at time.Time) error {
	return w.watch(w.EventBuffer.PutBufferedEvent(ctx, hash, plain, at))
}

func (w *watchedBuffer) DoDecryptionTxn(ctx context.Context, fn func(context.Context) error) error {
	return w.watch(w.EventBuffer.DoDecryptionTxn(ctx, fn))
}

// batchedPreKeys makes the prekeys of one upload in one transaction. whatsmeow inserts the 812 keys of a new device one by
// one, each with a sync of its own, which was measured as 60 % of the cost of linking.
type batchedPreKeys struct {
	wastore.PreKeyStore
	transaction func(context.Context, func(context.Context) error) error
	// mu comes before the store's only connection and before whatsmeow's own lock around making keys: without it a
	// single key in the making (lock, then connection) and a transaction (connection, then lock) could wait for each other.
	mu sync.Mutex
}

func (b *batchedPreKeys) GenOnePreKey(ctx context.Context) (*keys.PreKey, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.PreKeyStore.GenOnePreKey(ctx)
}

func (b *batchedPreKeys) GetOrGenPreKeys(ctx context.Context, count uint32) (made []*keys.PreKey, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	err = b.transaction(ctx, func(ctx context.Context) error {
		made, err = b.PreKeyStore.GetOrGenPreKeys(ctx, count)
		return err
	})
	return made, err
}
