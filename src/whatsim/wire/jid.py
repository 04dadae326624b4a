"""Addresses (JIDs) as they appear in stanzas: `user@server` or, for a companion device, `user:device@server`."""

from __future__ import annotations

from typing import NamedTuple

USER_SERVER = "s.whatsapp.net"
LEGACY_SERVER = "c.us"
LID_SERVER = "lid"
SERVER_JID = f"@{USER_SERVER}"


class Jid(NamedTuple):
    """A parsed address. `device` 0 is the phone itself; `user` is empty for the server."""

    user: str
    device: int
    server: str

    def __str__(self) -> str:
        return format_jid(self.user, self.device, self.server)

    @property
    def is_lid(self) -> bool:
        return self.server == LID_SERVER


def format_jid(user: str, device: int, server: str) -> str:
    """Return the address as text; device 0 is left out."""
    return f"{user}:{device}@{server}" if device else f"{user}@{server}"


def parse_jid(text: str) -> Jid:
    """Split an address. Text without `@` becomes a user without server; a device that is no number counts as 0."""
    user, _, server = text.partition("@")
    name, colon, device = user.partition(":")
    if colon and device.isdecimal() and len(device) <= 5:
        return Jid(name, int(device), server)
    return Jid(name, 0, server)
