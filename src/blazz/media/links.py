"""Short-lived addresses of files: whoever has one may read that file until it ends, without signing in."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import struct
import uuid
from dataclasses import dataclass

from blazz.kit.crypto import SecretBox
from blazz.kit.errors import BlazzError, not_found

LIFETIME = dt.timedelta(minutes=10)
_CONTEXT = "media-link"
_FACTS = struct.Struct(">16s16sQ")  # workspace, file, end as seconds since 1970; then the task in ASCII


@dataclass(frozen=True, slots=True)
class Grant:
    """What an address gives: a file, or with `task` what that made of it."""

    workspace_id: uuid.UUID
    media_id: uuid.UUID
    task: str


def sign(box: SecretBox, grant: Grant, end: dt.datetime) -> str:
    """Return the last part of an address; the secret key seals it, so that it tells nothing and cannot be changed."""
    facts = _FACTS.pack(grant.workspace_id.bytes, grant.media_id.bytes, int(end.timestamp()))
    return base64.urlsafe_b64encode(box.seal(facts + grant.task.encode("ascii"), _CONTEXT)).decode().rstrip("=")


def verify(box: SecretBox, token: str, now: dt.datetime) -> Grant:
    """Return what a token gives. Raises BlazzError `not_found` for one that was not made here, `link_expired` (410)."""
    try:
        opened = box.open(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)), _CONTEXT)
        workspace, media, end = _FACTS.unpack_from(opened)
        task = opened[_FACTS.size :].decode("ascii")
    except (BlazzError, binascii.Error, ValueError, struct.error):
        raise not_found("file") from None
    if now.timestamp() >= end:
        raise BlazzError("link_expired", "This address was valid for some minutes only; ask for a new one.", 410)
    return Grant(uuid.UUID(bytes=workspace), uuid.UUID(bytes=media), task)
