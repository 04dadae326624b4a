package media

import (
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"go.mau.fi/whatsmeow"
)

// DownloadPlain writes a file that WhatsApp keeps unencrypted (a profile picture) under a name that must not exist yet
// and returns its length. After an error nothing is left.
func (d *Dir) DownloadPlain(ctx context.Context, client *whatsmeow.Client, name, directPath string, limit uint64) (length uint64, err error) {
	if err = d.check(name, false); err != nil {
		return 0, err
	}
	file, err := d.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, fmt.Errorf("create media: %w", err)
	}
	defer func() {
		if closeErr := file.Close(); err == nil && closeErr != nil {
			err = fmt.Errorf("close media: %w", closeErr)
		}
		if err != nil {
			_ = d.root.Remove(name)
		}
	}()
	// whatsmeow appends "&hash=" to the path, which therefore needs a query.
	if !strings.Contains(directPath, "?") {
		directPath += "?"
	}
	bounded := &boundedFile{file: file, limit: int64(limit)}
	err = client.DownloadMediaWithOnlyPathToFile(ctx, directPath, bounded)
	if bounded.exceeded {
		return 0, ErrTooLong
	}
	if err != nil {
		return 0, err
	}
	info, err := file.Stat()
	if err != nil {
		return 0, fmt.Errorf("stat media: %w", err)
	}
	if err = file.Sync(); err != nil {
		return 0, fmt.Errorf("sync media: %w", err)
	}
	return uint64(info.Size()), d.syncDir(path.Dir(name))
}

// Read returns a file of the directory. ErrTooLong for one of more than limit bytes.
func (d *Dir) Read(name string, limit int64) ([]byte, error) {
	if err := d.check(name, true); err != nil {
		return nil, err
	}
	file, err := d.root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open media: %w", err)
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read media: %w", err)
	}
	if int64(len(content)) > limit {
		return nil, ErrTooLong
	}
	return content, nil
}
