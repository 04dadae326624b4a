"""Sees which engine host a login comes from, and under which epoch: by its sockets and the session stores it has open.

Nothing of this is on the wire, and nothing of it is taken from the database whose decisions are on trial.
"""

from __future__ import annotations

import contextlib
import re
import socket
import struct
from dataclasses import dataclass
from pathlib import Path

from tests.support.cluster import ClusterStand, Number
from whatsim.model import Ends, Login, Observed

_STORE = re.compile(r"/session_([0-9a-f-]{36})/store\.(\d+)\.db$")
_ESTABLISHED = "01"
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Seen:
    """A login with what was found behind it; `instance` and `epoch` are empty when its process was gone already."""

    number: str
    pid: int | None
    instance: str
    epoch: int | None
    replaced_lives: bool


class Witness:
    """Give it to `Network.watch_logins`."""

    def __init__(self, stand: ClusterStand) -> None:
        self._stand = stand
        self._accounts: dict[str, str] = {}
        self._engines: set[int] = set()
        self.cut_off: set[str] = set()
        """Instances that cannot reach the network: their connections may be replaced."""
        self.logins: list[Seen] = []

    def know(self, number: Number) -> None:
        """Remember which account a phone is linked to."""
        self._accounts[number.phone] = number.account_id

    def __call__(self, login: Login) -> Observed:
        pid = self.holder(login.ends)
        epoch = None if pid is None else self._epoch(pid, login.number)
        lives = login.replaced is not None and self._lives(login.replaced)
        self.logins.append(Seen(login.number, pid, "" if pid is None else self.instance_of(pid), epoch, lives))
        return Observed(epoch, lives)

    def holder(self, ends: Ends) -> int | None:
        """Return the engine host that has the client's end of a connection open."""
        inode = self._inode(ends)
        if inode is None:
            return None
        link = f"socket:[{inode}]"
        found = next((pid for pid in self._engines if link in _links(pid)), None)
        if found is None:
            self._engines = set(_engine_hosts())
            found = next((pid for pid in self._engines if link in _links(pid)), None)
        return found

    def instance_of(self, pid: int) -> str:
        """Return the instance whose engine host this is, by the environment that it was started with."""
        with contextlib.suppress(OSError):
            for entry in (_PROC / str(pid) / "environ").read_bytes().split(b"\0"):
                if entry.startswith(b"BLAZZ_INSTANCE_ID="):
                    return entry.partition(b"=")[2].decode()
        with contextlib.suppress(OSError):
            parent = _stat(pid)[1]
            return next((role.name for role in self._stand.instances if role.running and role.pid == int(parent)), "")
        return ""

    def epochs_open(self, pid: int) -> dict[str, int]:
        """Return the sessions whose stores a process has open, with the highest epoch of each."""
        found: dict[str, int] = {}
        for link in _links(pid):
            match = _STORE.search(link)
            if match is not None:
                found[match[1]] = max(int(match[2]), found.get(match[1], 0))
        return found

    def _epoch(self, pid: int, phone: str) -> int | None:
        account = self._accounts.get(phone)
        return None if account is None else self.epochs_open(pid).get(account)

    def _lives(self, ends: Ends) -> bool:
        """Whether a program that is neither stopped nor cut off still has this connection."""
        pid = self.holder(ends)
        if pid is None or self.instance_of(pid) in self.cut_off:
            return False
        with contextlib.suppress(OSError):
            return _stat(pid)[0] not in ("T", "t", "Z", "X")
        return False

    def _inode(self, ends: Ends) -> str | None:
        host = ends.client[0]
        with contextlib.suppress(OSError):
            wanted = [*(_in_table(end) for end in (ends.client, ends.network)), _ESTABLISHED]
            tables = ["self", *(str(role.pid) for role in self._stand.instances if role.running)]
            for owner in tables if not host.startswith("127.") else tables[:1]:
                for line in (_PROC / owner / "net" / "tcp").read_text().splitlines()[1:]:
                    fields = line.split()
                    if fields[1:4] == wanted:
                        return fields[9]
        return None


def _in_table(end: tuple[str, int]) -> str:
    """Return an address as the kernel's table of connections has it. Raises OSError when it is none of IPv4."""
    return f"{struct.unpack('<I', socket.inet_aton(end[0]))[0]:08X}:{end[1]:04X}"


def _engine_hosts() -> list[int]:
    found = []
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if "blazz-engine" in (entry / "comm").read_text():
                    found.append(int(entry.name))
    return found


def _links(pid: int) -> set[str]:
    """Return what a process has open."""
    found = set()
    with contextlib.suppress(OSError):
        for entry in (_PROC / str(pid) / "fd").iterdir():
            with contextlib.suppress(OSError):
                found.add(str(entry.readlink()))
    return found


def _stat(pid: int) -> list[str]:
    """Return the state and what follows of a process."""
    return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
