package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"time"

	_ "github.com/blazz/blazz/engine-host/internal/walog" // the Signal library would write to standard output
	"go.mau.fi/libsignal/ecc"
	"go.mau.fi/libsignal/groups"
	"go.mau.fi/libsignal/keys/identity"
	"go.mau.fi/libsignal/keys/prekey"
	"go.mau.fi/libsignal/protocol"
	"go.mau.fi/libsignal/util/optional"
	"go.mau.fi/whatsmeow"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waAdv"
	"go.mau.fi/whatsmeow/socket"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/store/sqlstore"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/util/keys"
	waLog "go.mau.fi/whatsmeow/util/log"
	_ "modernc.org/sqlite" // the database driver
)

// device is a linked client that is never connected.
type device struct {
	store     *store.Device
	client    *whatsmeow.Client
	noise     *socket.NoiseHandshake
	ephemeral *keys.KeyPair
	file      []byte
}

func newDevice(ctx context.Context) (*device, error) {
	db, err := sql.Open("sqlite", "file:wirecheck?mode=memory&_pragma=foreign_keys(1)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	container := sqlstore.NewWithDB(db, "sqlite", waLog.Noop)
	if err = container.Upgrade(ctx); err != nil {
		return nil, err
	}
	own := container.NewDevice()
	id := types.NewADJID("628110000001", types.WhatsAppDomain, 1)
	own.ID, own.LID = &id, types.NewADJID("100000000000001", types.LIDDomain, 1)
	own.Account = &waAdv.ADVSignedDeviceIdentity{
		Details: []byte{0}, AccountSignature: make([]byte, 64), AccountSignatureKey: make([]byte, 32), DeviceSignature: make([]byte, 64),
	}
	if err = container.PutDevice(ctx, own); err != nil {
		return nil, err
	}
	d := &device{store: own, client: whatsmeow.NewClient(own, waLog.Noop)}
	d.client.SetMediaHTTPClient(&http.Client{Transport: d})
	return d, nil
}

// internals are the library's own functions beneath its interface.
func (d *device) internals() *whatsmeow.DangerousInternalClient {
	//lint:ignore SA1019 they may change with the library, and are what the tests compare with
	return d.client.DangerousInternals()
}

type oneTimeKey struct {
	ID  uint32
	Key []byte
}

// bundle is what another device needs to begin a session, in both directions of these tests.
type bundle struct {
	RegistrationID uint32
	Identity       []byte
	SignedID       uint32
	SignedKey      []byte
	Signature      []byte
	OneTime        *oneTimeKey
}

func (d *device) bundle(ctx context.Context, _ struct{}) (any, error) {
	fresh, err := d.store.PreKeys.GenOnePreKey(ctx)
	if err != nil {
		return nil, err
	}
	signed := d.store.SignedPreKey
	return bundle{
		d.store.RegistrationID, d.store.IdentityKey.Pub[:], signed.KeyID, signed.Pub[:], signed.Signature[:],
		&oneTimeKey{fresh.KeyID, fresh.Pub[:]},
	}, nil
}

func (b *bundle) library(deviceID uint16) (*prekey.Bundle, error) {
	if len(b.Identity) != 32 || len(b.SignedKey) != 32 || len(b.Signature) != 64 {
		return nil, errors.New("a key of another size")
	}
	id, key := optional.NewEmptyUint32(), ecc.ECPublicKeyable(nil)
	if b.OneTime != nil {
		id, key = optional.NewOptionalUint32(b.OneTime.ID), ecc.NewDjbECPublicKey([32]byte(b.OneTime.Key))
	}
	return prekey.NewBundle(
		b.RegistrationID, uint32(deviceID), id, b.SignedID, key, ecc.NewDjbECPublicKey([32]byte(b.SignedKey)),
		[64]byte(b.Signature), identity.NewKey(ecc.NewDjbECPublicKey([32]byte(b.Identity))),
	), nil
}

// sealed is a message for or from another device; Kind is pkmsg, msg or skmsg.
type sealed struct {
	Peer         types.JID
	Group        types.JID
	Kind         string
	Data         []byte
	Plain        []byte
	Bundle       *bundle
	Distribution []byte
}

func (d *device) encrypt(ctx context.Context, m sealed) (any, error) {
	var keys *prekey.Bundle
	if m.Bundle != nil {
		var err error
		if keys, err = m.Bundle.library(m.Peer.Device); err != nil {
			return nil, err
		}
	}
	enc, _, err := d.internals().EncryptMessageForDevice(ctx, m.Plain, m.Peer, keys, nil, nil)
	if err != nil {
		return nil, err
	}
	return map[string]any{"kind": enc.Attrs["type"], "data": enc.Content}, nil
}

func (d *device) decrypt(ctx context.Context, m sealed) (any, error) {
	enc := waBinary.Node{Tag: "enc", Attrs: waBinary.Attrs{"v": "2", "type": m.Kind}, Content: m.Data}
	plain, _, err := d.internals().DecryptDM(ctx, &enc, m.Peer, m.Kind == "pkmsg", time.Now())
	return plain, err
}

// encryptGroup returns the sender key's distribution message and a sealed text, as the client sends them to a group.
func (d *device) encryptGroup(ctx context.Context, m sealed) (any, error) {
	serializer := store.SignalProtobufSerializer
	builder := groups.NewGroupSessionBuilder(d.store, serializer)
	name := protocol.NewSenderKeyName(m.Group.String(), d.store.LID.SignalAddress())
	distribution, err := builder.Create(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("distribution: %w", err)
	}
	padded := append(append([]byte{}, m.Plain...), 1)
	encrypted, err := groups.NewGroupCipher(builder, name, d.store).Encrypt(ctx, padded)
	if err != nil {
		return nil, err
	}
	return map[string][]byte{"distribution": distribution.Serialize(), "data": encrypted.SignedSerialize()}, nil
}

func (d *device) decryptGroup(ctx context.Context, m sealed) (any, error) {
	internals := d.internals()
	if len(m.Distribution) > 0 {
		internals.HandleSenderKeyDistributionMessage(ctx, m.Group, m.Peer, m.Distribution)
	}
	enc := waBinary.Node{Tag: "enc", Attrs: waBinary.Attrs{"v": "2", "type": "skmsg"}, Content: m.Data}
	plain, _, err := internals.DecryptGroupMsg(ctx, &enc, m.Peer, m.Group, time.Now())
	return plain, err
}
