//go:build linux

package main

import (
	"os"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// faultyFS passes every operation on to the directory beneath, after its fault.
type faultyFS struct {
	fuse.RawFileSystem
	faults *faults
}

type done = <-chan struct{}

func (f *faultyFS) Lookup(c done, h *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	if s := f.faults.before("lookup", c, h.Pid); s != fuse.OK {
		return s
	}
	return f.RawFileSystem.Lookup(c, h, name, out)
}

func (f *faultyFS) GetAttr(c done, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	if s := f.faults.before("getattr", c, in.Pid); s != fuse.OK {
		return s
	}
	return f.RawFileSystem.GetAttr(c, in, out)
}

func (f *faultyFS) SetAttr(c done, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	if s := f.faults.before("setattr", c, in.Pid); s != fuse.OK {
		return s
	}
	return f.RawFileSystem.SetAttr(c, in, out)
}

func (f *faultyFS) Mkdir(c done, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	if s := f.faults.before("mkdir", c, in.Pid); s != fuse.OK {
		return s
	}
	return f.RawFileSystem.Mkdir(c, in, name, out)
}

func (f *faultyFS) Unlink(c done, h *fuse.InHeader, name string) fuse.Status {
	if s := f.faults.before("unlink", c, h.Pid); s != fuse.OK {
		return s
	}
	return f.RawFileSystem.Unlink(c, h, name)
}

func (f *faultyFS) Rmdir(c done, h *fuse.InHeader, name string) fuse.Status {
	if s := f.faults.before("rmdir", c, h.Pid); s != fuse.OK {
		return s
	}
	return f.RawFileSystem.Rmdir(c, h, name)
}

func (f *faultyFS) Rename(c done, in *fuse.RenameIn, from, to string) fuse.Status {
	if s := f.faults.before("rename", c, in.Pid); s != fuse.OK {
		return s
	}
	return f.RawFileSystem.Rename(c, in, from, to)
}

func (f *faultyFS) Create(c done, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	if s := f.faults.before("create", c, in.Pid); s != fuse.OK {
		return s
	}
	status := f.RawFileSystem.Create(c, in, name, out)
	throughUs(&out.OpenOut)
	return status
}

func (f *faultyFS) Open(c done, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	operation := "open"
	if in.Flags&uint32(os.O_WRONLY|os.O_RDWR) != 0 {
		operation = "openw"
	}
	if s := f.faults.before(operation, c, in.Pid); s != fuse.OK {
		return s
	}
	status := f.RawFileSystem.Open(c, in, out)
	throughUs(out)
	return status
}

// throughUs takes back that the kernel may read and write the file beneath by itself.
func throughUs(out *fuse.OpenOut) {
	out.OpenFlags &^= fuse.FOPEN_PASSTHROUGH
	out.BackingID = 0
}

func (f *faultyFS) Read(c done, in *fuse.ReadIn, buffer []byte) (fuse.ReadResult, fuse.Status) {
	if s := f.faults.before("read", c, in.Pid); s != fuse.OK {
		return nil, s
	}
	return f.RawFileSystem.Read(c, in, buffer)
}

func (f *faultyFS) Writev(c done, in *fuse.WriteIn, data [][]byte) (uint32, fuse.Status) {
	if s := f.faults.before("write", c, in.Pid); s != fuse.OK {
		return 0, s
	}
	return f.RawFileSystem.Writev(c, in, data)
}

func (f *faultyFS) Fallocate(c done, in *fuse.FallocateIn) fuse.Status {
	if s := f.faults.before("fallocate", c, in.Pid); s != fuse.OK {
		return s
	}
	return f.RawFileSystem.Fallocate(c, in)
}

func (f *faultyFS) Flush(c done, in *fuse.FlushIn) fuse.Status {
	if s := f.faults.before("flush", c, in.Pid); s != fuse.OK {
		return s
	}
	return f.RawFileSystem.Flush(c, in)
}

func (f *faultyFS) Fsync(c done, in *fuse.FsyncIn) fuse.Status {
	if s := f.faults.before("fsync", c, in.Pid); s != fuse.OK {
		return s
	}
	return f.RawFileSystem.Fsync(c, in)
}

func (f *faultyFS) FsyncDir(c done, in *fuse.FsyncIn) fuse.Status {
	if s := f.faults.before("fsyncdir", c, in.Pid); s != fuse.OK {
		return s
	}
	return f.RawFileSystem.FsyncDir(c, in)
}

func (f *faultyFS) OpenDir(c done, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	if s := f.faults.before("opendir", c, in.Pid); s != fuse.OK {
		return s
	}
	return f.RawFileSystem.OpenDir(c, in, out)
}

func (f *faultyFS) ReadDir(c done, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	if s := f.faults.before("readdir", c, in.Pid); s != fuse.OK {
		return s
	}
	return f.RawFileSystem.ReadDir(c, in, out)
}

func (f *faultyFS) ReadDirPlus(c done, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	if s := f.faults.before("readdir", c, in.Pid); s != fuse.OK {
		return s
	}
	return f.RawFileSystem.ReadDirPlus(c, in, out)
}

func (f *faultyFS) StatFs(c done, h *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	if s := f.faults.before("statfs", c, h.Pid); s != fuse.OK {
		return s
	}
	return f.RawFileSystem.StatFs(c, h, out)
}
