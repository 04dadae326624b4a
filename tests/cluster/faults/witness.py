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
from whatsim.model import Login, Observed

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
    peer: tuple[str, int]


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
        seen = self._seen(login.number, login.peer, lives=login.replaced is not None and self._lives(login.replaced))
        self.logins.append(seen)
        return Observed(seen.epoch, seen.replaced_lives)

    def last(self, number: Number) -> Seen | None:
        """Return the latest login of a number.

        Looks once more when its process was not found: the kernel skips lines of its table of connections while that
        changes, and a living connection is still there.
        """
        index = next((at for at in reversed(range(len(self.logins))) if self.logins[at].number == number.phone), None)
        if index is None:
            return None
        seen = self.logins[index]
        if seen.pid is None:
            seen = self.logins[index] = self._seen(seen.number, seen.peer, lives=seen.replaced_lives)
        return seen

    def of(self, number: Number) -> list[Seen]:
        """Return all logins of a number, in their order."""
        return [seen for seen in self.logins if seen.number == number.phone]

    def _seen(self, number: str, peer: tuple[str, int], *, lives: bool) -> Seen:
        pid = self.holder(peer)
        if pid is None:
            return Seen(number, None, "", None, lives, peer)
        return Seen(number, pid, self.instance_of(pid), self._epoch(pid, number), lives, peer)

    def holder(self, peer: tuple[str, int]) -> int | None:
        """Return the engine host that has the client's end of a connection open."""
        inode = self._inode(peer)
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

    def _lives(self, peer: tuple[str, int]) -> bool:
        """Whether a program that is neither stopped nor cut off still has this connection."""
        pid = self.holder(peer)
        if pid is None or self.instance_of(pid) in self.cut_off:
            return False
        with contextlib.suppress(OSError):
            return _stat(pid)[0] not in ("T", "t", "Z", "X")
        return False

    def _inode(self, peer: tuple[str, int]) -> str | None:
        host, port = peer
        with contextlib.suppress(OSError):
            address = f"{struct.unpack('<I', socket.inet_aton(host))[0]:08X}:{port:04X}"
            tables = ["self", *(str(role.pid) for role in self._stand.instances if role.running)]
            for owner in tables if not host.startswith("127.") else tables[:1]:
                for line in (_PROC / owner / "net" / "tcp").read_text().splitlines()[1:]:
                    fields = line.split()
                    if fields[1] == address and fields[3] == _ESTABLISHED:
                        return fields[9]
        return None


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
