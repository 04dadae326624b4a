package media

import (
	"io"
	"os"
)

// boundedFile refuses to grow beyond its limit, so that a false length cannot fill the disk. The file is not embedded:
// its ReadFrom would bypass the bound.
type boundedFile struct {
	file     *os.File
	limit    int64
	exceeded bool
}

func (b *boundedFile) Read(p []byte) (int, error)             { return b.file.Read(p) }
func (b *boundedFile) ReadAt(p []byte, at int64) (int, error) { return b.file.ReadAt(p, at) }
func (b *boundedFile) Seek(offset int64, whence int) (int64, error) {
	return b.file.Seek(offset, whence)
}
func (b *boundedFile) Truncate(size int64) error  { return b.file.Truncate(size) }
func (b *boundedFile) Stat() (os.FileInfo, error) { return b.file.Stat() }

func (b *boundedFile) Write(p []byte) (int, error) {
	at, err := b.file.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, err
	}
	if at+int64(len(p)) > b.limit {
		b.exceeded = true
		return 0, ErrTooLong
	}
	return b.file.Write(p)
}

func (b *boundedFile) WriteAt(p []byte, at int64) (int, error) {
	if at+int64(len(p)) > b.limit {
		b.exceeded = true
		return 0, ErrTooLong
	}
	return b.file.WriteAt(p, at)
}
