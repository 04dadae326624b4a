"""whatsmeow's own encoding and encryption, asked through `engine-host/cmd/wirecheck`."""

from __future__ import annotations

import base64
import contextlib
import functools
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tools.setup import paths
from tools.setup.toolchains import find_go, go_environment

_BINARY = paths.BUILD / "wirecheck"
_BUILD_S = 600.0


class LibraryError(Exception):
    """The library refused; the text is its own."""


class LibraryPanic(LibraryError):
    """The library panicked; the text is what it panicked with."""


class Wirecheck:
    """A running program; every call is one request and its answer. Bytes travel as base64."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def ask(self, op: str, args: Any = None) -> Any:
        """Return the operation's result. Raises LibraryError, LibraryPanic."""
        writer, reader = self._process.stdin, self._process.stdout
        assert writer is not None and reader is not None
        writer.write(json.dumps({"op": op, "args": {} if args is None else args}).encode() + b"\n")
        writer.flush()
        line = reader.readline()
        if not line:
            raise AssertionError(f"the program ended during {op}, exit code {self._process.wait(10)}")
        answer = json.loads(line)
        if "panic" in answer:
            raise LibraryPanic(answer["panic"])
        if "error" in answer:
            raise LibraryError(answer["error"])
        return answer.get("result")


def b64(data: bytes) -> str:
    """Return bytes as they travel."""
    return base64.b64encode(data).decode()


def unb64(text: str | None) -> bytes:
    """Undo `b64`; nothing is no bytes."""
    return base64.b64decode(text or "")


@functools.cache
def built() -> Path:
    """Build the program where its sources have changed; the test is skipped where there is no Go."""
    try:
        environment = go_environment(find_go())
    except Exception as error:  # noqa: BLE001 - whatever is wrong with the toolchain, there is none
        pytest.skip(f"no Go: {error}")
    new = _BINARY.with_name(f"{_BINARY.name}.{os.getpid()}")
    command = ["go", "build", "-o", str(new), "./cmd/wirecheck"]
    subprocess.run(
        command, cwd=paths.ENGINE_HOST, env=environment, check=True, capture_output=True, text=True, timeout=_BUILD_S
    )
    new.replace(_BINARY)
    return _BINARY


@contextlib.contextmanager
def running() -> Iterator[Wirecheck]:
    """Run the program."""
    process = subprocess.Popen([built()], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        yield Wirecheck(process)
    finally:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.close()
        process.wait(20)
        process.stdout.close()
