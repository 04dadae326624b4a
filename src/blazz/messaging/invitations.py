"""Invitations to groups that have come in as messages."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from blazz.kit.db import Tx
from blazz.kit.errors import BlazzError, conflict, not_found
from blazz.kit.time import to_unix_ms, utc_now
from blazz.messaging import repository

_KIND = "group_invite"


@dataclass(frozen=True, slots=True)
class Invitation:
    """What an invitation says. `inviter` is the address of who has sent it, `expires_s` seconds since 1970, or 0."""

    account_id: uuid.UUID
    address: str
    inviter: str
    code: str
    expires_s: int


def received(tx: Tx, message_id: uuid.UUID) -> Invitation:
    """Return the invitation that came in as this message. Raises BlazzError `not_found`, `invitation_over` (409)."""
    row = repository.find_message(tx, tx.workspace_id, message_id)
    if row is None or row["kind"] != _KIND or row["from_me"] or row["deleted_at"] is not None:
        raise not_found("invitation")
    content = row["content"]
    expires_s = int(content.get("expires_s", 0))
    if expires_s and expires_s * 1000 <= to_unix_ms(utc_now()):
        raise over()
    return Invitation(row["account_id"], content["address"], row["author"], content["code"], expires_s)


def over() -> BlazzError:
    """Return what is answered when an invitation does not count any more."""
    return conflict("invitation_over", "This invitation has expired or was taken back; ask for a new one.")
