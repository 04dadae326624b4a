package media

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"

	"go.mau.fi/whatsmeow"
)

// Fetch downloads and decrypts into a file without a name, which vanishes when it is closed or the process ends.
func (d *Dir) Fetch(ctx context.Context, client *whatsmeow.Client, from Source) (*os.File, error) {
	var random [8]byte
	_, _ = rand.Read(random[:]) // it never fails
	name := "fetch." + hex.EncodeToString(random[:])
	if _, err := d.Download(ctx, client, name, from); err != nil {
		return nil, err
	}
	defer func() { _ = d.root.Remove(name) }()
	file, err := d.root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open fetched file: %w", err)
	}
	return file, nil
}
