"""The release record: proof, for the failover controller, that an instance's two processes are gone.

The supervisor and the engine host each hold a lock while they live, whatever happens to the other; the system gives
the locks back when the last of a process is gone. Whoever holds both may say so in the database, and the sessions
move at once. Without the record the lease decides, a few seconds later.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import secrets
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

from blazz.cluster import membership
from blazz.kit.db import Database, Platform
from blazz.kit.errors import conflict
from blazz.kit.files import private_directory, write_private
from blazz.kit.settings import Settings
from blazz.sessions.engine_lock import take_engine_lock

_SUPERVISOR_LOCK = "instance.lock"
_GENERATION = "generation.json"
_PLACE = "place.id"
_POLL_S = 0.1


@contextlib.asynccontextmanager
async def supervisor_lock(settings: Settings, *, timeout_s: float = 0.0) -> AsyncIterator[None]:
    """Hold the lock of the instance's own process.

    `timeout_s` bounds the wait for a former process that is ending. Raises BlazzError `instance_running` after that.
    """
    private_directory(settings.instance_dir)
    descriptor = os.open(settings.instance_dir / _SUPERVISOR_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + timeout_s
    try:
        while not _locked(descriptor):
            if time.monotonic() >= deadline:
                raise conflict(
                    "instance_running",
                    f"An instance named {settings.instance_id} is running on {settings.data_dir}. Stop it, or give "
                    "this one another name with BLAZZ_INSTANCE_ID.",
                )
            await asyncio.sleep(_POLL_S)
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def place_of(settings: Settings) -> str:
    """Return a name for where these locks mean something: this machine's name and a random id kept beside them."""
    path: Path = private_directory(settings.instance_dir) / _PLACE
    if not path.exists():
        write_private(path, secrets.token_hex(16).encode() + b"\n")
    return f"{socket.gethostname()[:64]}:{path.read_text().strip()}"


def note_generation(settings: Settings, generation: int) -> None:
    """Remember on this machine which start of the instance a later release is about."""
    content = json.dumps({"instance": settings.instance_id, "generation": generation}).encode() + b"\n"
    write_private(private_directory(settings.instance_dir) / _GENERATION, content)


def require_noted(settings: Settings) -> int:
    """Return the generation that last ran on this machine. Raises BlazzError `nothing_to_release`."""
    path: Path = settings.instance_dir / _GENERATION
    try:
        return int(json.loads(path.read_text())["generation"])
    except (OSError, ValueError, KeyError, TypeError):
        raise conflict(
            "nothing_to_release", f"No instance {settings.instance_id} has run on {settings.data_dir}."
        ) from None


async def release(database: Database, settings: Settings, *, timeout_s: float) -> bool:
    """Write the release record of the instance that last ran here; False when a newer start has taken its name.

    `timeout_s` bounds the wait for the engine host, which ends with its supervisor or at its deadline. Raises
    BlazzError `nothing_to_release`, `instance_running`, `previous_engine_alive` when there is no proof.
    """
    generation = require_noted(settings)
    async with supervisor_lock(settings):
        engine = await take_engine_lock(settings.engine_lock_path, timeout_s=timeout_s)
        try:
            return await database.write(
                Platform("the processes of an instance are proven gone"),
                membership.release,
                settings.instance_id,
                generation,
            )
        finally:
            os.close(engine)
