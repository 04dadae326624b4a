package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"go.mau.fi/libsignal/ecc"
	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/socket"
	"go.mau.fi/whatsmeow/util/hkdfutil"
	"go.mau.fi/whatsmeow/util/keys"
)

type derivation struct {
	Key, Salt, Info []byte
	Length          uint8
}

func deriveKey(_ context.Context, d derivation) (any, error) {
	return hkdfutil.SHA256(d.Key, d.Salt, d.Info, d.Length), nil
}

// noiseHello begins a handshake as the client does and returns its ephemeral key.
func (d *device) noiseHello(_ context.Context, q struct{ Header []byte }) (any, error) {
	d.noise, d.ephemeral = socket.NewNoiseHandshake(), keys.NewKeyPair()
	d.noise.Start(socket.NoiseStartPattern, q.Header)
	d.noise.Authenticate(d.ephemeral.Pub[:])
	return d.ephemeral.Pub[:], nil
}

type serverHello struct{ Ephemeral, Static, Payload, Client []byte }

// noiseFinish reads the server's hello, answers with a static key and the client's payload, and proves that both sides
// hold the same keys by one more sealed text.
func (d *device) noiseFinish(_ context.Context, hello serverHello) (any, error) {
	if d.noise == nil || len(hello.Ephemeral) != 32 {
		return nil, errors.New("no handshake, or an ephemeral key of another size")
	}
	theirs := [32]byte(hello.Ephemeral)
	d.noise.Authenticate(hello.Ephemeral)
	if err := d.noise.MixSharedSecretIntoKey(*d.ephemeral.Priv, theirs); err != nil {
		return nil, err
	}
	static, err := d.noise.Decrypt(hello.Static)
	if err != nil {
		return nil, fmt.Errorf("static key: %w", err)
	}
	if len(static) != 32 {
		return nil, errors.New("static key of another size")
	}
	if err = d.noise.MixSharedSecretIntoKey(*d.ephemeral.Priv, [32]byte(static)); err != nil {
		return nil, err
	}
	payload, err := d.noise.Decrypt(hello.Payload)
	if err != nil {
		return nil, fmt.Errorf("payload: %w", err)
	}
	sealed := d.noise.Encrypt(d.store.NoiseKey.Pub[:])
	if err = d.noise.MixSharedSecretIntoKey(*d.store.NoiseKey.Priv, theirs); err != nil {
		return nil, err
	}
	return map[string][]byte{
		"static": static, "payload": payload, "own_static": d.store.NoiseKey.Pub[:],
		"sealed_static": sealed, "sealed_payload": d.noise.Encrypt(hello.Client), "after": d.noise.Encrypt([]byte("after")),
	}, nil
}

type media struct {
	Kind                         whatsmeow.MediaType
	Data, Key, Sha256, EncSHA256 []byte
}

// sealMedia encrypts a file as the client does before an upload; the upload itself fails, as there is no connection.
func (d *device) sealMedia(ctx context.Context, m media) (any, error) {
	sealed := &seekable{}
	response, err := d.client.UploadReader(ctx, bytes.NewReader(m.Data), sealed, m.Kind)
	if !errors.Is(err, whatsmeow.ErrNotConnected) {
		return nil, fmt.Errorf("expected to be offline: %w", err)
	}
	return map[string][]byte{
		"data": sealed.data, "key": response.MediaKey, "sha256": response.FileSHA256, "enc_sha256": response.FileEncSHA256,
	}, nil
}

// openMedia downloads and decrypts a file as the client does; its transport has the file at hand.
func (d *device) openMedia(ctx context.Context, m media) (any, error) {
	d.file = m.Data
	return d.internals().DownloadAndDecrypt(
		ctx, "https://mmg.whatsapp.net/file", m.Key, m.Kind, m.EncSHA256, m.Sha256,
	)
}

// RoundTrip answers every download with the file at hand.
func (d *device) RoundTrip(request *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Status: "200 OK", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: request,
		ContentLength: int64(len(d.file)), Body: io.NopCloser(bytes.NewReader(d.file)), Header: http.Header{},
	}, nil
}

type signature struct{ Private, Public, Message, Signature []byte }

func verifySignature(_ context.Context, s signature) (any, error) {
	if len(s.Public) != 32 || len(s.Signature) != 64 {
		return nil, errors.New("key or signature of another size")
	}
	return ecc.VerifySignature(ecc.NewDjbECPublicKey([32]byte(s.Public)), s.Message, [64]byte(s.Signature)), nil
}

func signMessage(_ context.Context, s signature) (any, error) {
	if len(s.Private) != 32 {
		return nil, errors.New("key of another size")
	}
	signed := ecc.CalculateSignature(ecc.NewDjbECPrivateKey([32]byte(s.Private)), s.Message)
	return signed[:], nil
}

// seekable is a file in memory.
type seekable struct {
	data []byte
	at   int64
}

func (s *seekable) Read(p []byte) (int, error) {
	if s.at >= int64(len(s.data)) {
		return 0, io.EOF
	}
	n := copy(p, s.data[s.at:])
	s.at += int64(n)
	return n, nil
}

func (s *seekable) Write(p []byte) (int, error) {
	s.data = append(s.data[:s.at], p...)
	s.at += int64(len(p))
	return len(p), nil
}

func (s *seekable) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += s.at
	case io.SeekEnd:
		offset += int64(len(s.data))
	}
	s.at = offset
	return offset, nil
}
