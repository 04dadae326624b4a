"""What a phone tells of its owner, and to whom: about text, picture, business, username, privacy, blocked people."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from whatsim.server.store import Row
from whatsim.wire.protobuf import Record, blob, text, uint

Addressing = Literal["lid", "number", "lid_only", "number_only"]
"""How a phone's messages are addressed: in LID or number mode, telling the other address along or not."""

DEFAULT_ABOUT = "Simulated phone"
PRIVACY = ("readreceipts", "last", "status", "profile", "groupadd", "online", "calladd")


@dataclass(slots=True)
class Business:
    """What a business tells of itself. `hours` are (day, opens, closes), in minutes since midnight."""

    verified_name: str
    address: str = ""
    email: str = ""
    categories: list[str] = field(default_factory=list)
    timezone: str = "UTC"
    hours: list[tuple[str, int, int]] = field(default_factory=list)


@dataclass(slots=True)
class Picture:
    """A profile picture: its id, and where the media host has the JPEG."""

    id: str
    direct_path: str
    sha256: str


@dataclass(slots=True)
class Profile:
    """The profile of one phone; stored as one row."""

    phone_id: int
    about: str = DEFAULT_ABOUT
    username: str = ""
    picture: Picture | None = None
    next_picture: int = 1
    business: Business | None = None
    privacy: dict[str, str] = field(default_factory=dict)
    blocked: set[int] = field(default_factory=set)
    addressing: Addressing = "lid"
    identity_serial: int = 0

    def allows(self, setting: str) -> bool:
        """Tell whether everybody may see what the setting is about. Contacts are not told apart: all but `none` may."""
        return self.privacy.get(setting, "all") != "none"

    def row(self) -> Row:
        facts = asdict(self)
        facts["blocked"] = sorted(self.blocked)
        return (self.phone_id, json.dumps(facts))


def load_profile(data: str) -> Profile:
    """Undo `Profile.row`."""
    facts: dict[str, Any] = json.loads(data)
    profile = Profile(facts["phone_id"], facts["about"], facts["username"], next_picture=facts["next_picture"])
    profile.picture = Picture(**facts["picture"]) if facts["picture"] else None
    if facts["business"]:
        hours = [(day, opens, closes) for day, opens, closes in facts["business"]["hours"]]
        profile.business = Business(**{**facts["business"], "hours": hours})
    profile.privacy = facts["privacy"]
    profile.blocked = set(facts["blocked"])
    profile.addressing = facts["addressing"]
    profile.identity_serial = facts["identity_serial"]
    return profile


# The declaring functions return dataclass fields; no default is shared between instances.
@dataclass(slots=True)
class _NameDetails(Record):
    serial: int | None = uint(1)
    issuer: str | None = text(2)
    verified_name: str | None = text(4)


@dataclass(slots=True)
class _NameCertificate(Record):
    details: bytes | None = blob(1)
    signature: bytes | None = blob(2)


def name_certificate(business: Business) -> bytes:
    """Return a business's name as the certificate that clients take it from. They do not check its signature."""
    details = _NameDetails(serial=1, issuer="smb:wa", verified_name=business.verified_name).encode()
    return _NameCertificate(details, b"\0" * 64).encode()


def hash_text(sha256: str) -> str:
    """Return a hash (hex) as stanzas carry it."""
    return base64.b64encode(bytes.fromhex(sha256)).decode()
