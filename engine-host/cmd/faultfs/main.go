//go:build linux

// Command faultfs mounts a directory a second time, through FUSE, with faults that can be set while it is used: storage
// that is slow, hangs, is full, read-only or broken. It is a tool of the tests and no part of the product.
//
//	faultfs SOURCE MOUNTPOINT
//
// Each line of standard input is a JSON object that replaces all faults, by operation ("*" = all but "flush"), and is
// answered with a line on standard output. The end of standard input unmounts.
//
//	{"fsync": {"delay_ms": 5}}    {"*": {"hang": true}}    {"write": {"errno": "ENOSPC"}}    {"change": {"errno": "EROFS"}}
//
// "change" names everything that changes the file system.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: faultfs SOURCE MOUNTPOINT")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(source, target string, commands io.Reader, answers io.Writer) error {
	root, err := fs.NewLoopbackRoot(source)
	if err != nil {
		return err
	}
	now := time.Duration(0) // nothing is remembered: every look goes through us
	faulty := &faultyFS{
		RawFileSystem: fs.NewNodeFS(root, &fs.Options{EntryTimeout: &now, AttrTimeout: &now}),
		faults:        newFaults(),
	}
	server, err := fuse.NewServer(faulty, target, &fuse.MountOptions{
		DirectMountStrict: true, FsName: "faultfs", Name: "faultfs", MaxBackground: 256,
	})
	if err != nil {
		return fmt.Errorf("mount (needs root and /dev/fuse): %w", err)
	}
	go server.Serve()
	// Whoever still has something open gets errors once this process is gone.
	defer func() { _ = unix.Unmount(target, unix.MNT_DETACH) }()
	if err = server.WaitMount(); err != nil {
		return err
	}
	if _, err = fmt.Fprintln(answers, "mounted"); err != nil {
		return err
	}
	lines := bufio.NewScanner(commands)
	for lines.Scan() {
		var wanted map[string]fault
		if err = json.Unmarshal(lines.Bytes(), &wanted); err == nil {
			err = check(wanted)
		}
		answer := "ok"
		if err == nil {
			faulty.faults.set(wanted)
		} else {
			answer = err.Error()
		}
		if _, err = fmt.Fprintln(answers, answer); err != nil {
			return err
		}
	}
	return lines.Err()
}
