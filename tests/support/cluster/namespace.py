"""A machine of its own for one role: a network namespace whose cables can be pulled one by one. Needs root and `ip`.

Each cable is a pair of virtual interfaces with two addresses of 10.0.0.0/8 that exist nowhere else. A pulled cable
drops everything without a word, in both directions, as a broken switch does.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence

import pytest

_numbers = itertools.count(1)


class Namespace:
    """Made by `namespace`. A cable's `here` is our address on it, `there` the namespace's."""

    def __init__(self, name: str, cables: Sequence[str]) -> None:
        self.name = name
        self.cables = tuple(cables)
        self.prefix = ("ip", "netns", "exec", name)
        self._net = f"10.{180 + os.getpid() % 60}.{next(_numbers)}"

    def here(self, cable: str) -> str:
        """Return our address."""
        return f"{self._net}.{4 * self.cables.index(cable) + 1}"

    def there(self, cable: str) -> str:
        """Return the address within the namespace."""
        return f"{self._net}.{4 * self.cables.index(cable) + 2}"

    def pull(self, *cables: str) -> None:
        """Let nothing pass through these cables (all when none is named)."""
        for cable in cables or self.cables:
            _ip("link", "set", self._interface(cable), "down")

    def plug(self, *cables: str) -> None:
        """Let everything pass again."""
        for cable in cables or self.cables:
            _ip("link", "set", self._interface(cable), "up")

    def make(self) -> None:
        """Make the namespace and its cables."""
        _ip("netns", "add", self.name)
        _ip("-n", self.name, "link", "set", "lo", "up")
        for cable in self.cables:
            ours, theirs = self._interface(cable), f"{self._interface(cable)}p"
            _ip("link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", self.name)
            _ip("addr", "add", f"{self.here(cable)}/30", "dev", ours)
            _ip("-n", self.name, "addr", "add", f"{self.there(cable)}/30", "dev", theirs)
            _ip("-n", self.name, "link", "set", theirs, "up")
            _ip("link", "set", ours, "up")

    def remove(self) -> None:
        """Remove both; what runs in it is not ended."""
        for cable in self.cables:
            with contextlib.suppress(AssertionError):
                _ip("link", "del", self._interface(cable))
        with contextlib.suppress(AssertionError):
            _ip("netns", "del", self.name)

    def _interface(self, cable: str) -> str:
        return f"{self.name[:10]}{self.cables.index(cable)}"  # a name has 15 characters at most


@contextlib.contextmanager
def namespace(*cables: str) -> Iterator[Namespace]:
    """Make a namespace with these cables and remove it at the end; the test that asks is skipped without root."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and the program `ip` (package iproute2)")
    made = Namespace(f"bz{os.getpid() % 100_000:05d}{next(_numbers):02d}", cables)
    try:
        made.make()
        yield made
    finally:
        made.remove()


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"
