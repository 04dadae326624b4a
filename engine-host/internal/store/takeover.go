package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// prepare makes sure that the file of this epoch is the newest one, taking over the newest older store if there is one.
// rename says that the previous owner is proven gone; without it the previous store is copied and never touched.
func (p place) prepare(ctx context.Context, epoch uint64, rename bool) error {
	epochs, err := p.epochs()
	if err != nil {
		return err
	}
	var previous uint64
	found, present := false, false
	for _, other := range epochs {
		switch {
		case other > epoch:
			return fmt.Errorf("%w: a store of epoch %d exists, %d may not be opened any more", ErrStaleEpoch, other, epoch)
		case other == epoch:
			present = true
		case !found || other > previous:
			previous, found = other, true
		}
	}
	if present || !found {
		return nil
	}
	if rename {
		return p.rename(fileName(previous))
	}
	return p.copy(ctx, fileName(previous))
}

// rename moves journal and store. The journal goes first: when the host dies in between, the next takeover finds the
// store without a journal and the orphaned journal beside it (see orphan).
func (p place) rename(from string) error {
	journal, err := p.journalOf(from)
	if err != nil {
		return err
	}
	_ = p.root.Remove(from + "-shm") // rebuilt from the journal
	if journal != "" && journal != p.name+"-wal" {
		if err = p.root.Rename(journal, p.name+"-wal"); err != nil {
			return fmt.Errorf("take over journal: %w", err)
		}
	}
	if err = p.root.Rename(from, p.name); err != nil {
		return fmt.Errorf("take over store: %w", err)
	}
	return p.syncDir()
}

// journalOf returns the name of the write-ahead log that belongs to a store, "" when it has none.
func (p place) journalOf(store string) (string, error) {
	if _, err := p.root.Lstat(store + "-wal"); err == nil {
		return store + "-wal", nil
	}
	entries, err := fs.ReadDir(p.root.FS(), ".")
	if err != nil {
		return "", fmt.Errorf("list stores: %w", err)
	}
	for _, entry := range entries {
		name := entry.Name()
		if len(name) < 4 || name[len(name)-4:] != "-wal" {
			continue
		}
		owner := name[:len(name)-4]
		if _, ok := epochOf(owner); !ok {
			continue
		}
		if _, err = p.root.Lstat(owner); errors.Is(err, fs.ErrNotExist) {
			return name, nil // a rename was cut after the journal
		}
	}
	return "", nil
}

// copy copies store and journal under a temporary name, brings both to disk, folds the journal in, checks integrity, and
// only then gives the copy its name. The previous store stays as it is.
func (p place) copy(ctx context.Context, from string) error {
	journal, err := p.journalOf(from)
	if err != nil {
		return err
	}
	draft := "takeover." + p.name
	p.removeFile(draft)
	if err = p.copyFile(from, draft); err != nil {
		return err
	}
	if journal != "" {
		if err = p.copyFile(journal, draft+"-wal"); err != nil {
			return err
		}
	}
	if err = checkAndFold(ctx, place{root: p.root, dir: p.dir, name: draft}.path()); err != nil {
		p.removeFile(draft)
		return err
	}
	_ = p.root.Remove(draft + "-wal")
	_ = p.root.Remove(draft + "-shm")
	if err = p.root.Rename(draft, p.name); err != nil {
		return fmt.Errorf("take over store: %w", err)
	}
	return p.syncDir()
}

func (p place) copyFile(from, to string) (err error) {
	source, err := p.root.Open(from)
	if err != nil {
		return fmt.Errorf("copy store: %w", err)
	}
	defer source.Close()
	target, err := p.root.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("copy store: %w", err)
	}
	defer func() {
		if closeErr := target.Close(); err == nil && closeErr != nil {
			err = fmt.Errorf("copy store: %w", closeErr)
		}
	}()
	if _, err = io.Copy(target, source); err != nil {
		return fmt.Errorf("copy store: %w", err)
	}
	if err = target.Sync(); err != nil {
		return fmt.Errorf("copy store: %w", err)
	}
	return nil
}
