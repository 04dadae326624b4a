"""One-time codes: the set-up code of the first owner, and sign-in links. Stored as digests."""

from __future__ import annotations

import base64
import datetime as dt
import secrets
import uuid
from pathlib import Path

from blazz.identity import repository
from blazz.kit.db import Tx
from blazz.kit.errors import forbidden
from blazz.kit.files import read_private
from blazz.kit.ids import random_token, token_digest, uuid7
from blazz.kit.time import utc_now

SETUP_FILE = "setup-code.txt"
LINK_TTL = dt.timedelta(minutes=15)
_SETUP_BYTES = 15  # 120 bits, 24 characters of base32


def new_setup_code() -> str:
    """Return a code that a person can type: `XXXXXX-XXXXXX-XXXXXX-XXXXXX`."""
    text = base64.b32encode(secrets.token_bytes(_SETUP_BYTES)).decode()
    return "-".join(text[index : index + 6] for index in range(0, len(text), 6))


def setup_digest(code: str) -> str:
    """Return the digest of a typed code; case, spaces and dashes do not matter."""
    return token_digest("setup:" + "".join(code.upper().split()).replace("-", ""))


def read_setup_file(path: Path) -> str | None:
    """Return the code kept for the operator, or None."""
    return read_private(path).decode().strip() if path.exists() else None


def open_setup_code(tx: Tx, known: str | None, fresh: str) -> str | None:
    """Return a code that works: `known` while it is open, else `fresh`, now stored; None once somebody exists.

    Others stay open beside it: each gateway on a machine of its own prints one.
    """
    if repository.any_user(tx):
        return None
    now = utc_now()
    if known and repository.code_is_open(tx, "setup", setup_digest(known), now) is not None:
        return known
    repository.insert_code(tx, _row("setup", setup_digest(fresh), None, now, None))
    return fresh


def use_setup_code(tx: Tx, code: str) -> None:
    """Use up the set-up code, and with it all others. Raises BlazzError `setup_code_wrong` (403)."""
    now = utc_now()
    row = repository.code_is_open(tx, "setup", setup_digest(code), now)
    if row is None or not repository.use_code(tx, row["id"], now):
        raise forbidden("This is not the code that Blazz printed at its start.", code="setup_code_wrong")
    # two who use different codes at once wait for each other here: one becomes the owner
    repository.delete_codes(tx, "setup")


def create_link(tx: Tx, user_id: uuid.UUID) -> str:
    """Return the token of a link that signs `user_id` in, once, within 15 minutes."""
    token = random_token()
    now = utc_now()
    repository.insert_code(tx, _row("sign_in", token_digest(token), user_id, now, now + LINK_TTL))
    return token


def use_link(tx: Tx, token: str) -> uuid.UUID:
    """Return whom the link signs in. Raises BlazzError `link_used_or_expired` (403)."""
    now = utc_now()
    row = repository.code_is_open(tx, "sign_in", token_digest(token), now)
    if row is None or not repository.use_code(tx, row["id"], now):
        raise forbidden("This link has been used already or is too old.", code="link_used_or_expired")
    user_id: uuid.UUID = row["user_id"]
    return user_id


def _row(
    purpose: str, digest: str, user_id: uuid.UUID | None, now: dt.datetime, expires_at: dt.datetime | None
) -> dict[str, object]:
    return {
        "id": uuid7(),
        "purpose": purpose,
        "code_digest": digest,
        "user_id": user_id,
        "created_at": now,
        "expires_at": expires_at,
        "used_at": None,
    }
