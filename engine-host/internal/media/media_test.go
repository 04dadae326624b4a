package media

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	pb "github.com/blazz/blazz/engine-host/internal/enginepb"
)

func directory(t *testing.T) (*Dir, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "media")
	d, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d, path
}

func TestOnlyPlainFilesBeneathTheDirectoryAreAccepted(t *testing.T) {
	d, path := directory(t)
	outside := filepath.Join(t.TempDir(), "secret")
	for _, step := range []error{
		os.WriteFile(outside, []byte("secret"), 0o600),
		os.MkdirAll(filepath.Join(path, "in"), 0o700),
		os.WriteFile(filepath.Join(path, "in", "file"), []byte("x"), 0o600),
		os.Symlink(outside, filepath.Join(path, "leaf")),
		os.Symlink("in/file", filepath.Join(path, "inner")),
		os.Symlink("in", filepath.Join(path, "dirlink")),
	} {
		if step != nil {
			t.Fatal(step)
		}
	}
	if err := d.check("in/file", true); err != nil {
		t.Fatal(err)
	}
	if err := d.check("in/new", false); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"", ".", "/in/file", "../secret", "in/../in/file", "in//file", "in/", "in", "leaf", "inner", "dirlink/file", "in\x00/file",
	} {
		for _, exists := range []bool{true, false} {
			if err := d.check(name, exists); err == nil {
				t.Errorf("accepted %q", name)
			}
		}
	}
	if err := d.check("in/file", false); !errors.Is(err, fs.ErrExist) {
		t.Errorf("an existing file as target: %v", err)
	}
	if err := d.check("in/none", true); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file as source: %v", err)
	}
}

func TestADownloadCannotGrowBeyondItsBound(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "x"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	b := &boundedFile{file: file, limit: 10}
	if _, err = b.Write(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	if _, err = b.Write([]byte{1}); !errors.Is(err, ErrTooLong) || !b.exceeded {
		t.Fatalf("got %v", err)
	}
	if _, err = b.WriteAt([]byte{1}, 10); !errors.Is(err, ErrTooLong) {
		t.Fatalf("got %v", err)
	}
	if _, err = b.WriteAt([]byte{1}, 9); err != nil {
		t.Fatal(err)
	}
}

func TestATemporaryFileHasNoName(t *testing.T) {
	d, path := directory(t)
	if err := os.WriteFile(filepath.Join(path, "x.uploading"), []byte("left over"), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := d.temporary("x")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if entries, _ := os.ReadDir(path); len(entries) != 0 {
		t.Fatalf("left: %v", entries)
	}
	if _, err = file.WriteString("usable"); err != nil {
		t.Fatal(err)
	}
}

func TestEveryMediaTypeOfTheContractIsKnown(t *testing.T) {
	for number, name := range pb.MediaType_name {
		_, err := Type(pb.MediaType(number))
		if (err == nil) != (number != 0) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
