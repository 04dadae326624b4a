// Package media moves files between the host's media directory and WhatsApp's media hosts. Paths are relative to that
// directory and may not leave it, nor use symbolic links.
package media

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	pb "github.com/blazz/blazz/engine-host/internal/enginepb"
	"go.mau.fi/whatsmeow"
)

// DefaultMaxBytes bounds a download when the caller names no bound.
const DefaultMaxBytes = 100 << 20

// overhead is what encryption adds to a file: padding to a block, and the shortened MAC.
const overhead = 16 + 10

// Errors of this package.
var (
	ErrPath    = errors.New("path is not a plain file name beneath the media directory")
	ErrTooLong = errors.New("file is longer than allowed")
	ErrType    = errors.New("unknown media type")
)

// Dir is the host's media directory.
type Dir struct{ root *os.Root }

// Open opens the directory, creating it with mode 0700 if needed.
func Open(dir string) (*Dir, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("media directory: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("media directory: %w", err)
	}
	return &Dir{root: root}, nil
}

// Close releases the directory.
func (d *Dir) Close() error { return d.root.Close() }

// Type translates the contract's media class.
func Type(t pb.MediaType) (whatsmeow.MediaType, error) {
	switch t {
	case pb.MediaType_MEDIA_TYPE_IMAGE:
		return whatsmeow.MediaImage, nil
	case pb.MediaType_MEDIA_TYPE_VIDEO:
		return whatsmeow.MediaVideo, nil
	case pb.MediaType_MEDIA_TYPE_AUDIO:
		return whatsmeow.MediaAudio, nil
	case pb.MediaType_MEDIA_TYPE_DOCUMENT:
		return whatsmeow.MediaDocument, nil
	case pb.MediaType_MEDIA_TYPE_HISTORY:
		return whatsmeow.MediaHistory, nil
	case pb.MediaType_MEDIA_TYPE_APP_STATE:
		return whatsmeow.MediaAppState, nil
	case pb.MediaType_MEDIA_TYPE_STICKER_PACK:
		return whatsmeow.MediaStickerPack, nil
	case pb.MediaType_MEDIA_TYPE_LINK_THUMBNAIL:
		return whatsmeow.MediaLinkThumbnail, nil
	}
	return "", fmt.Errorf("%w: %d", ErrType, int32(t))
}

// check refuses absolute and unclean paths and every path with a symbolic link in it.
func (d *Dir) check(name string, mustExist bool) error {
	if name == "" || !fs.ValidPath(name) || name == "." || strings.ContainsRune(name, 0) {
		return ErrPath
	}
	parts := strings.Split(name, "/")
	for i := range parts {
		part := path.Join(parts[:i+1]...)
		info, err := d.root.Lstat(part)
		last := i == len(parts)-1
		switch {
		case err != nil && last && !mustExist && errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return fmt.Errorf("media path: %w", err)
		case !last && !info.IsDir(), last && !info.Mode().IsRegular():
			return ErrPath
		case last && !mustExist:
			return fmt.Errorf("media path: %w", fs.ErrExist)
		}
	}
	return nil
}

// Upload encrypts the file into an unnamed temporary file of the same directory and sends it.
func (d *Dir) Upload(ctx context.Context, client *whatsmeow.Client, name string, t pb.MediaType) (whatsmeow.UploadResponse, error) {
	var none whatsmeow.UploadResponse
	kind, err := Type(t)
	if err != nil {
		return none, err
	}
	if err = d.check(name, true); err != nil {
		return none, err
	}
	file, err := d.root.Open(name)
	if err != nil {
		return none, fmt.Errorf("open media: %w", err)
	}
	defer file.Close()
	temporary, err := d.temporary(name)
	if err != nil {
		return none, err
	}
	defer temporary.Close()
	return client.UploadReader(ctx, file, temporary, kind)
}

// temporary returns a file without a name beside name: it vanishes with the process, whatever happens.
func (d *Dir) temporary(name string) (*os.File, error) {
	hidden := name + ".uploading"
	_ = d.root.Remove(hidden) // left over from a killed process
	file, err := d.root.OpenFile(hidden, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("temporary media file: %w", err)
	}
	if err = d.root.Remove(hidden); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("temporary media file: %w", err)
	}
	return file, nil
}

// Source says what to download.
type Source struct {
	DirectPath                          string
	MediaKey, FileEncSHA256, FileSHA256 []byte
	Type                                pb.MediaType
	MaxBytes                            uint64 // 0 = DefaultMaxBytes
}

// Download writes the decrypted file under a name that must not exist yet and returns its length. The file and its
// directory are on disk when it returns; after an error nothing is left.
func (d *Dir) Download(ctx context.Context, client *whatsmeow.Client, name string, from Source) (length uint64, err error) {
	kind, err := Type(from.Type)
	if err != nil {
		return 0, err
	}
	if err = d.check(name, false); err != nil {
		return 0, err
	}
	if from.MaxBytes == 0 {
		from.MaxBytes = DefaultMaxBytes
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
	bounded := &boundedFile{file: file, limit: int64(from.MaxBytes) + overhead}
	// whatsmeow appends "&hash=" to the path, which therefore needs a query.
	if !strings.Contains(from.DirectPath, "?") {
		from.DirectPath += "?"
	}
	err = client.DownloadMediaWithPathToFile(
		ctx, from.DirectPath, from.FileEncSHA256, from.FileSHA256, from.MediaKey, kind, "", false, bounded,
	)
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
	if uint64(info.Size()) > from.MaxBytes {
		return 0, ErrTooLong
	}
	if err = file.Sync(); err != nil {
		return 0, fmt.Errorf("sync media: %w", err)
	}
	return uint64(info.Size()), d.syncDir(path.Dir(name))
}

func (d *Dir) syncDir(name string) error {
	dir, err := d.root.Open(name)
	if err != nil {
		return fmt.Errorf("sync media directory: %w", err)
	}
	defer dir.Close()
	if err = dir.Sync(); err != nil {
		return fmt.Errorf("sync media directory: %w", err)
	}
	return nil
}
