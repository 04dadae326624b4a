"""Which machines Blazz can be built and run on, and what the others are told."""

from __future__ import annotations

import platform
from dataclasses import dataclass

SUPPORTED = "Blazz runs on Linux x64 and arm64 (glibc) and on macOS arm64."

_ARCHITECTURES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True)
class Machine:
    """What decides whether Blazz can run here; libc is "glibc", "musl" or "" where the system has neither."""

    system: str
    architecture: str
    libc: str

    @staticmethod
    def current() -> Machine:
        system = platform.system()
        raw = platform.machine().lower()
        libc = ""
        if system == "Linux":
            libc = "glibc" if platform.libc_ver()[0] == "glibc" else "musl"
        return Machine(system=system, architecture=_ARCHITECTURES.get(raw, raw), libc=libc)

    def __str__(self) -> str:
        name = {"Darwin": "macOS"}.get(self.system, self.system or "unknown system")
        return f"{name} {self.architecture}" + (f" ({self.libc})" if self.libc else "")


def unsupported_reason(machine: Machine) -> str | None:
    """None for a supported machine, else the sentences to show before anything is touched."""
    if machine.system == "Linux":
        if machine.libc != "glibc":
            return (
                f"{SUPPORTED} This is {machine}: prebuilt packages for this C library do not exist. "
                "Use a Debian, Ubuntu or Fedora based system or container."
            )
        if machine.architecture in ("x64", "arm64"):
            return None
    elif machine.system == "Darwin":
        if machine.architecture == "arm64":
            return None
        return (
            f"{SUPPORTED} This is {machine}. On an Apple silicon Mac, use a terminal that does not run under Rosetta."
        )
    elif machine.system == "Windows":
        return f"{SUPPORTED} This is {machine}. On Windows, use WSL 2 with Ubuntu or Debian."
    return f"{SUPPORTED} This is {machine}."
