"""WhatsApp addresses: `user[.agent][:device]@server`, and what we keep of them."""

from __future__ import annotations

PHONE_SERVERS = frozenset({"s.whatsapp.net", "c.us", "hosted"})
LID_SERVERS = frozenset({"lid", "hosted.lid"})


def bare(address: str) -> str:
    """Return the address without agent and device; "" stays ""."""
    user, at, server = address.partition("@")
    if not at:
        return address
    return f"{user.split(':', 1)[0].split('.', 1)[0]}@{server}"


def phone_of(*addresses: str) -> str | None:
    """Return the first phone number among the addresses, as E.164 with plus."""
    for address in addresses:
        user, at, server = bare(address).partition("@")
        if at and server in PHONE_SERVERS and user.isdecimal():
            return f"+{user}"
    return None


def lid_of(*addresses: str) -> str | None:
    """Return the digits of the first hidden address (LID) among the addresses."""
    for address in addresses:
        user, at, server = bare(address).partition("@")
        if at and server in LID_SERVERS and user.isdecimal():
            return user
    return None


def canonical(*addresses: str) -> str:
    """Return a person's identity: the LID address where one is known, else the first device-less address, or ""."""
    lid = lid_of(*addresses)
    if lid is not None:
        return f"{lid}@lid"
    return next((bare(address) for address in addresses if address), "")
