"""WhatsApp addresses as they appear in messages: who they are, without the device."""

from __future__ import annotations

PHONE_SERVER = "s.whatsapp.net"
LID_SERVER = "lid"
GROUP_SERVER = "g.us"


def without_device(address: str) -> str:
    """Return `user@server` of `user[.agent][:device]@server`."""
    user, _, server = address.partition("@")
    user = user.partition(":")[0].partition(".")[0] if server != GROUP_SERVER else user
    return f"{user}@{server}"


def phone_of(address: str) -> str | None:
    """Return the E.164 number of a phone-number address, else None."""
    user, _, server = without_device(address).partition("@")
    return f"+{user}" if server == PHONE_SERVER and user.isdigit() else None


def lid_of(address: str) -> str | None:
    """Return the LID (digits) of a LID address, else None."""
    user, _, server = without_device(address).partition("@")
    return user if server == LID_SERVER and user.isdigit() else None


def is_group(address: str) -> bool:
    """Tell whether this is a group's address."""
    return address.endswith("@" + GROUP_SERVER)
