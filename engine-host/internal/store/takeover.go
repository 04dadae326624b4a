package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
)

const (
	draftPrefix = "takeover."
	// copyTries bounds how often a copy is begun anew because its source moved. A previous owner that still writes has
	// lost its right to and ends within a lease; the start of the session is repeated later.
	copyTries = 5
	walHeader = 32 // bytes: magic, version, page size, sequence, two salts, two checksums (SQLite's file format, 4.1)
)

// takeover makes the store of one epoch out of the newest older one.
type takeover struct {
	place
	options Options
	*registry
}

// prepare makes sure that the file of this epoch is the newest one, taking over the newest older store if there is one;
// it says whether there is a store now. rename says that the previous owner is proven gone; without it the previous
// store is copied and never touched.
func (t takeover) prepare(ctx context.Context, epoch uint64, rename bool) (bool, error) {
	if t.options.Locks == LocksNone {
		if err := t.refresh(); err != nil {
			return false, err
		}
	}
	epochs, err := t.epochs()
	if err != nil {
		return false, err
	}
	var previous uint64
	found, present := false, false
	for _, other := range epochs {
		switch {
		case other > epoch:
			return false, fmt.Errorf("%w: a store of epoch %d exists, %d may not be opened any more", ErrStaleEpoch, other, epoch)
		case other == epoch:
			present = true
		case !found || other > previous:
			previous, found = other, true
		}
	}
	if present || !found {
		return present, nil
	}
	if rename {
		return true, t.rename(fileName(previous))
	}
	leave, err := t.turn(ctx)
	if err != nil {
		return false, err
	}
	defer leave()
	return true, t.copy(ctx, fileName(previous))
}

// turn waits for one of the places of copies. A copy that hangs gives its place up when its time is over: it must not
// keep those away whose storage works.
func (t takeover) turn(ctx context.Context) (leave func(), err error) {
	select {
	case t.copies <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for other takeovers: %w", ctx.Err())
	}
	give := sync.OnceFunc(func() { <-t.copies })
	stop := context.AfterFunc(ctx, give)
	return func() { stop(); give() }, nil
}

// refresh makes and removes a file. A client of a network share may show a list of names that is a minute old, in which
// the store of the last owner elsewhere is missing; changing the directory makes it ask the server again.
func (t takeover) refresh() error {
	name := "look." + rand.Text()
	file, err := t.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("look into the session's directory: %w", err)
	}
	if err = errors.Join(file.Close(), t.root.Remove(name)); err != nil {
		return fmt.Errorf("look into the session's directory: %w", err)
	}
	return nil
}

// rename moves journals and store. The journals go first: when the host dies in between, the next takeover finds the
// store without a journal and the orphaned journal beside it (see journalOf).
func (t takeover) rename(from string) error {
	_ = t.root.Remove(from + "-shm")
	for _, suffix := range journals {
		journal, err := t.journalOf(from, suffix)
		if err != nil {
			return err
		}
		if journal == "" || journal == t.name+suffix {
			continue
		}
		if err = t.root.Rename(journal, t.name+suffix); err != nil {
			return fmt.Errorf("take over journal: %w", err)
		}
	}
	if err := t.root.Rename(from, t.name); err != nil {
		return fmt.Errorf("take over store: %w", err)
	}
	return t.syncDir()
}

// journalOf returns the name of the journal of one kind that belongs to a store, "" when it has none.
func (t takeover) journalOf(store, suffix string) (string, error) {
	if _, err := t.root.Lstat(store + suffix); err == nil {
		return store + suffix, nil
	}
	entries, err := fs.ReadDir(t.root.FS(), ".")
	if err != nil {
		return "", fmt.Errorf("list stores: %w", err)
	}
	for _, entry := range entries {
		owner, ok := strings.CutSuffix(entry.Name(), suffix)
		if !ok {
			continue
		}
		if _, ok = epochOf(owner); !ok {
			continue
		}
		if _, err = t.root.Lstat(owner); errors.Is(err, fs.ErrNotExist) {
			return entry.Name(), nil // a rename was cut after the journal
		}
	}
	return "", nil
}

// copy copies store and journals under a temporary name, brings them to disk, lets SQLite fold the journals in and check
// integrity, and only then gives the copy its name. The previous store stays as it is: its owner may be frozen and wake
// up at any time, with the file open, and then writes into a file that nobody opens again.
func (t takeover) copy(ctx context.Context, from string) (err error) {
	draft := draftPrefix + t.name
	defer func() {
		if err != nil {
			t.removeFile(draft)
		}
	}()
	for try := 0; ; try++ {
		t.removeFile(draft)
		var settled bool
		if settled, err = t.snapshot(ctx, from, draft); err != nil {
			return err
		}
		if settled {
			break
		}
		if try == copyTries {
			return ErrUnsettled
		}
	}
	if err = t.checkAndFold(ctx, draft); err != nil {
		return err
	}
	for _, suffix := range append([]string{"-shm"}, journals...) {
		_ = t.root.Remove(draft + suffix)
	}
	if err = t.root.Rename(draft, t.name); err != nil {
		return fmt.Errorf("take over store: %w", err)
	}
	return t.syncDir()
}

// snapshot copies store and journals, and says whether they were one state. A write-ahead log only grows until it is
// written back; writing back changes the store, starting anew changes the log's header. So a copy is consistent when the
// store reads the same before and after, and the header did not change. A rollback journal must not change at all.
func (t takeover) snapshot(ctx context.Context, from, draft string) (bool, error) {
	names := map[string]string{}
	before := map[string][]byte{}
	for _, suffix := range journals {
		name, err := t.journalOf(from, suffix)
		if err == nil {
			names[suffix] = name
			before[suffix], err = t.fingerprint(ctx, name, suffix)
		}
		if err != nil {
			return false, err
		}
	}
	stored, err := t.copyFile(ctx, from, draft)
	if err != nil {
		return false, err
	}
	t.between()
	for suffix, name := range names {
		if name == "" {
			continue
		}
		if _, err = t.copyFile(ctx, name, draft+suffix); errors.Is(err, fs.ErrNotExist) {
			return false, nil
		} else if err != nil {
			return false, err
		}
	}
	again, err := t.fingerprint(ctx, from, "")
	if err != nil || !bytes.Equal(stored, again) {
		return false, err
	}
	for _, suffix := range journals {
		name, err := t.journalOf(from, suffix)
		if err != nil || name != names[suffix] {
			return false, err
		}
		after, err := t.fingerprint(ctx, name, suffix)
		if err != nil || !bytes.Equal(before[suffix], after) {
			return false, err
		}
	}
	return true, nil
}

// fingerprint tells states of a file apart: by the header of a write-ahead log, by the content of anything else. A file
// that does not exist has the fingerprint nil.
func (t takeover) fingerprint(ctx context.Context, name, suffix string) ([]byte, error) {
	if name == "" {
		return nil, nil
	}
	file, err := t.root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read store: %w", err)
	}
	defer file.Close()
	if suffix == "-wal" {
		head, err := io.ReadAll(io.LimitReader(file, walHeader))
		if err != nil {
			return nil, fmt.Errorf("read journal: %w", err)
		}
		return head, nil
	}
	hash := sha256.New()
	if _, err = io.Copy(hash, untilDone{ctx, file}); err != nil {
		return nil, fmt.Errorf("read store: %w", err)
	}
	return hash.Sum(nil), nil
}

// copyFile copies a file, brings the copy to disk and returns the fingerprint of what was read.
func (t takeover) copyFile(ctx context.Context, from, to string) (_ []byte, err error) {
	source, err := t.root.Open(from)
	if err != nil {
		return nil, fmt.Errorf("copy store: %w", err)
	}
	defer source.Close()
	target, err := t.root.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("copy store: %w", err)
	}
	defer func() {
		if closeErr := target.Close(); err == nil && closeErr != nil {
			err = fmt.Errorf("copy store: %w", closeErr)
		}
	}()
	hash := sha256.New()
	if _, err = io.Copy(io.MultiWriter(target, hash), untilDone{ctx, source}); err != nil {
		return nil, fmt.Errorf("copy store: %w", err)
	}
	if err = target.Sync(); err != nil {
		return nil, fmt.Errorf("copy store: %w", err)
	}
	return hash.Sum(nil), nil
}

// checkAndFold writes the draft's journals back into it and checks integrity.
func (t takeover) checkAndFold(ctx context.Context, draft string) error {
	options := t.options
	options.Synchronous = "FULL"
	path := place{root: t.root, dir: t.dir, name: draft}.path()
	db := options.connector(path, &watch{}).open()
	defer db.Close()
	var verdict string
	if err := db.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&verdict); err != nil {
		return fmt.Errorf("check copy: %w", err)
	}
	if verdict != "ok" {
		return fmt.Errorf("%w: %s", ErrCorrupt, verdict)
	}
	if _, err := db.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		return fmt.Errorf("fold journal: %w", err)
	}
	if err := db.Close(); err != nil {
		return fmt.Errorf("close copy: %w", err)
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("sync copy: %w", err)
	}
	return errors.Join(file.Sync(), file.Close())
}

// untilDone ends a long read when ctx does.
type untilDone struct {
	ctx  context.Context
	from io.Reader
}

func (u untilDone) Read(into []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.from.Read(into)
}
