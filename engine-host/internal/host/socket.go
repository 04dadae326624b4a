package host

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// listen creates the Unix socket with mode 0600 at a path that must not exist, in a directory of mode 0700 that belongs
// to this user. A path is never reused: a leftover host must not be mistaken for the new one.
func listen(path string) (net.Listener, error) {
	if !filepath.IsAbs(path) {
		return nil, fmt.Errorf("socket path %q is not absolute", path)
	}
	info, err := os.Lstat(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("socket directory: %w", err)
	}
	if !info.IsDir() || info.Mode().Perm() != 0o700 {
		return nil, fmt.Errorf("socket directory %s must be a directory of mode 0700", filepath.Dir(path))
	}
	if _, err = os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("socket path %s exists already", path)
	}
	old := unix.Umask(0o177)
	listener, err := net.Listen("unix", path)
	unix.Umask(old)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if err = os.Chmod(path, 0o600); err != nil {
		_ = listener.Close()
		return nil, fmt.Errorf("socket mode: %w", err)
	}
	return listener, nil
}
