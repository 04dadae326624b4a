"""Run as a program of its own: tries what session stores need in one directory and prints what happened, step by step.

It is a process because storage that hangs blocks a system call for ever: the parent can leave a process behind, and
knows from the last line how far it came. It must not import Blazz: it is started by path, often, and has to be quick.
"""

from __future__ import annotations

import contextlib
import errno
import json
import mmap
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

_SYNCS = 20
_BLOCK = b"x" * 4096
_LEFTOVER_S = 3600.0
_PREFIX = ".probe."


def _say(step: str, **facts: object) -> None:
    sys.stdout.write(json.dumps({"step": step, **facts}) + "\n")
    sys.stdout.flush()


@contextlib.contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _exclusive(path: Path) -> dict[str, object]:
    with _opened(path, os.O_CREAT | os.O_EXCL | os.O_RDWR):
        pass
    try:
        with _opened(path, os.O_CREAT | os.O_EXCL | os.O_RDWR):
            return {"works": False}
    except FileExistsError:
        return {"works": True}


def _fsync(path: Path) -> dict[str, object]:
    taken = []
    with _opened(path, os.O_RDWR) as descriptor:
        for _ in range(_SYNCS):
            began = time.perf_counter()
            os.write(descriptor, _BLOCK)
            os.fsync(descriptor)
            taken.append((time.perf_counter() - began) * 1000)
    taken.sort()
    return {"p50_ms": round(taken[len(taken) // 2], 3), "p95_ms": round(taken[int(len(taken) * 0.95)], 3)}


def _truncate(path: Path) -> dict[str, object]:
    with _opened(path, os.O_RDWR) as descriptor:
        os.ftruncate(descriptor, 100)
        os.pwrite(descriptor, b"y", 8191)
        return {"works": os.pread(descriptor, 8192, 0) == _BLOCK[:100] + bytes(8091) + b"y"}


def _mmap(path: Path) -> dict[str, object]:
    try:
        with _opened(path, os.O_RDWR) as descriptor, mmap.mmap(descriptor, 4096) as memory:
            memory[0:1] = b"z"
            return {"works": os.pread(descriptor, 1, 0) == b"z"}
    except OSError as error:
        return {"works": False, "errno": _name(error)}


def _rename(path: Path) -> dict[str, object]:
    target = path.with_name(path.name + ".renamed")
    with _opened(target, os.O_CREAT | os.O_EXCL | os.O_RDWR):
        pass
    path.replace(target)
    works = target.stat().st_size > 0 and not path.exists()
    with _opened(path.parent, os.O_RDONLY | os.O_DIRECTORY) as directory:
        os.fsync(directory)
    target.unlink()
    return {"works": works}


def _clean(directory: Path) -> None:
    for path in directory.glob(_PREFIX + "*"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _LEFTOVER_S:
                path.unlink()


def _name(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, "unknown")


def main(directory: Path, *, make: bool) -> None:
    """Go through all steps; the first that fails ends it with the error's name."""
    step, path = "directory", None
    try:
        if make:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            with contextlib.suppress(PermissionError):  # a mount that belongs to somebody else may still be good
                directory.chmod(0o700)
        real = Path(os.path.realpath(directory))
        _say(step, path=str(real), mode=real.stat().st_mode & 0o777)
        step = "space"
        space = os.statvfs(real)
        free, total = space.f_bavail * space.f_frsize, space.f_blocks * space.f_frsize
        _say(step, free_bytes=free, total_bytes=total)
        path = real / (_PREFIX + secrets.token_hex(8))
        attempts: list[tuple[str, Callable[[Path], dict[str, object]]]] = [
            ("exclusive", _exclusive),
            ("fsync", _fsync),
            ("truncate", _truncate),
            ("mmap", _mmap),
            ("rename", _rename),
        ]
        for step, attempt in attempts:
            _say(step, **attempt(path))
        step = "clean"
        _clean(real)
        _say("done")
    except OSError as error:
        _say("failed", at=step, errno=_name(error), detail=error.strerror or "")
        for leftover in () if path is None else (path, path.with_name(path.name + ".renamed")):
            with contextlib.suppress(OSError):
                leftover.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]), make="make" in sys.argv[2:])
