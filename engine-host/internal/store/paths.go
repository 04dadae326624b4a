// Package store keeps one SQLite file per session and epoch: takeover from an older epoch, the network mark that keeps
// the real and simulated networks apart, and the setting aside of stores of removed devices.
package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// journals are what SQLite keeps beside a store that was not closed: a write-ahead log or a rollback journal. -shm files
// are of earlier versions; they hold nothing that the log does not.
var journals = []string{"-wal", "-journal"}

const (
	supersededFor = 24 * time.Hour     // stores of lower epochs are removed after this
	asideFor      = 7 * 24 * time.Hour // stores of removed devices are kept this long
)

// Errors a caller must tell apart.
var (
	ErrStaleEpoch      = errors.New("stale_epoch")
	ErrNetworkMismatch = errors.New("network_mismatch")
	ErrCorrupt         = errors.New("store_corrupt")
	ErrMissing         = errors.New("store_missing")
	ErrPath            = errors.New("store_path")
	ErrHung            = errors.New("the storage does not answer")
	ErrUnsettled       = errors.New("the previous store is still being written to")
)

// Root is the sessions directory of the host.
type Root struct {
	dir  string
	root *os.Root
	*registry
}

// OpenRoot opens the sessions directory, creating it with mode 0700 if needed.
func OpenRoot(dir string) (*Root, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("sessions directory: %w", err)
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, fmt.Errorf("sessions directory: %w", err)
	}
	if real, err = filepath.Abs(real); err != nil {
		return nil, fmt.Errorf("sessions directory: %w", err)
	}
	root, err := os.OpenRoot(real)
	if err != nil {
		return nil, fmt.Errorf("sessions directory: %w", err)
	}
	return &Root{dir: real, root: root, registry: newRegistry()}, nil
}

// Close releases the directory.
func (r *Root) Close() error {
	r.registry.stop()
	return r.root.Close()
}

// place is a checked position: an existing session directory beneath the root and a file name in it.
type place struct {
	root *os.Root // the session's directory
	dir  string   // the same as an absolute path
	name string
}

func (p place) path() string { return filepath.Join(p.dir, p.name) }

func (p place) close() { _ = p.root.Close() }

// locate checks the caller's path: beneath the root, named after the epoch, no symbolic link on the way. The session's
// directory is created with mode 0700, or must be there already.
func (r *Root) locate(path string, epoch uint64, mustExist bool) (place, error) {
	if !filepath.IsAbs(path) || filepath.Clean(path) != path {
		return place{}, fmt.Errorf("%w: %s is not a clean absolute path", ErrPath, path)
	}
	given, name := filepath.Split(path)
	if name != fileName(epoch) {
		return place{}, fmt.Errorf("%w: file of epoch %d must be named %s", ErrPath, epoch, fileName(epoch))
	}
	rel, err := filepath.Rel(r.dir, filepath.Clean(given))
	if err == nil && (rel == ".." || strings.HasPrefix(rel, "../")) {
		// The caller may name the sessions directory by a path with links in it; the part beneath must be free of them.
		rel, err = r.relThroughLinks(filepath.Clean(given))
	}
	if err != nil || rel == "." || rel == ".." || strings.HasPrefix(rel, "../") {
		return place{}, fmt.Errorf("%w: %s is not beneath the sessions directory", ErrPath, path)
	}
	if mustExist {
		if _, err = r.root.Lstat(rel); errors.Is(err, fs.ErrNotExist) {
			return place{}, fmt.Errorf("%w: %s does not exist", ErrMissing, filepath.Join(r.dir, rel))
		}
	} else {
		err = r.root.MkdirAll(rel, 0o700)
	}
	if err != nil {
		return place{}, pathError(err)
	}
	dir := filepath.Join(r.dir, rel)
	if real, linkErr := filepath.EvalSymlinks(dir); linkErr != nil || real != dir {
		return place{}, fmt.Errorf("%w: symbolic link in %s", ErrPath, path)
	}
	sub, err := r.root.OpenRoot(rel)
	if err != nil {
		return place{}, pathError(err)
	}
	p := place{root: sub, dir: dir, name: name}
	for _, file := range []string{name, name + "-wal", name + "-journal", name + "-shm"} {
		if info, statErr := sub.Lstat(file); statErr == nil && !info.Mode().IsRegular() {
			p.close()
			return place{}, fmt.Errorf("%w: %s is not a regular file", ErrPath, file)
		}
	}
	return p, nil
}

// pathError tells a path that leads elsewhere from storage that fails.
func pathError(err error) error {
	for _, failure := range []syscall.Errno{syscall.EIO, syscall.EROFS, syscall.ENOSPC, syscall.EDQUOT, syscall.ESTALE,
		syscall.ETIMEDOUT, syscall.ENOTCONN, syscall.EACCES, syscall.EPERM} {
		if errors.Is(err, failure) {
			return fmt.Errorf("session's directory: %w", err)
		}
	}
	return fmt.Errorf("%w: %w", ErrPath, err)
}

// relThroughLinks finds the part of dir beneath the root when one of its ancestors is another name of the root.
func (r *Root) relThroughLinks(dir string) (string, error) {
	rootInfo, err := os.Stat(r.dir)
	if err != nil {
		return "", err
	}
	rel := ""
	for at := dir; at != filepath.Dir(at); at = filepath.Dir(at) {
		if info, statErr := os.Stat(at); statErr == nil && os.SameFile(info, rootInfo) {
			return rel, nil
		}
		rel = filepath.Join(filepath.Base(at), rel)
	}
	return "", fs.ErrNotExist
}

func fileName(epoch uint64) string { return "store." + strconv.FormatUint(epoch, 10) + ".db" }

// epochOf returns the epoch in a file name of the form store.{epoch}.db.
func epochOf(name string) (uint64, bool) {
	middle, ok := strings.CutPrefix(name, "store.")
	if !ok {
		return 0, false
	}
	if middle, ok = strings.CutSuffix(middle, ".db"); !ok {
		return 0, false
	}
	epoch, err := strconv.ParseUint(middle, 10, 64)
	return epoch, err == nil && fileName(epoch) == name
}

// epochs lists the epochs that have a store in the directory.
func (p place) epochs() ([]uint64, error) {
	entries, err := fs.ReadDir(p.root.FS(), ".")
	if err != nil {
		return nil, fmt.Errorf("list stores: %w", err)
	}
	var found []uint64
	for _, entry := range entries {
		if epoch, ok := epochOf(entry.Name()); ok {
			found = append(found, epoch)
		}
	}
	return found, nil
}

func (p place) syncDir() error {
	dir, err := p.root.Open(".")
	if err != nil {
		return fmt.Errorf("sync store directory: %w", err)
	}
	defer dir.Close()
	if err = dir.Sync(); err != nil {
		return fmt.Errorf("sync store directory: %w", err)
	}
	return nil
}

// removeFile removes a store with its journals.
func (p place) removeFile(name string) {
	for _, suffix := range []string{"", "-wal", "-journal", "-shm"} {
		_ = p.root.Remove(name + suffix)
	}
}

// tidy removes stores that nobody needs any more; best effort.
func (p place) tidy(current uint64, now time.Time) {
	entries, err := fs.ReadDir(p.root.FS(), ".")
	if err != nil {
		return
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			continue
		}
		age := now.Sub(info.ModTime())
		if epoch, ok := epochOf(entry.Name()); ok && epoch < current && age > supersededFor {
			p.removeFile(entry.Name())
		}
		if stamp, ok := asideStamp(entry.Name()); ok && now.Sub(stamp) > asideFor {
			p.removeFile(entry.Name())
		}
		// a takeover that was cut; a slow owner of another epoch may still be at one that is younger
		if store, ok := strings.CutPrefix(entry.Name(), draftPrefix); ok && age > supersededFor {
			if _, ok = epochOf(store); ok {
				p.removeFile(entry.Name())
			}
		}
	}
}

// asideStamp returns when a store named removed.{unix}.db was set aside.
func asideStamp(name string) (time.Time, bool) {
	middle, ok := strings.CutPrefix(name, "removed.")
	if !ok {
		return time.Time{}, false
	}
	if middle, ok = strings.CutSuffix(middle, ".db"); !ok {
		return time.Time{}, false
	}
	seconds, err := strconv.ParseInt(middle, 10, 64)
	return time.Unix(seconds, 0), err == nil
}
