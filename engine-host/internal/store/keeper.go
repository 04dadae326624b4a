package store

import (
	"context"
	"time"

	wastore "go.mau.fi/whatsmeow/store"
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
		device.EventBuffer = &watchedBuffer{EventBuffer: device.EventBuffer, onFailure: k.onFailure}
	}
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
