"""Changes that came encrypted with the secret of what they change: kept as they came until that message is here."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any

from blazz.messaging.kinds import message_secret
from blazz.messaging.kinds.base import Row
from blazz.messaging.kinds.envelope import secret_bytes

SEALED = "sealed"
_PAYLOAD_MAX = 256 * 1024  # bytes; an edit holds a text of at most 64 KiB


def sealed(purpose: str, payload: bytes, iv: bytes) -> dict[str, Any]:
    """Return what a change's content keeps of an encrypted part. Raises ValueError when it is too large."""
    if len(payload) > _PAYLOAD_MAX:
        raise ValueError("an encrypted change is too large")
    return {SEALED: {"use": purpose, "payload": b64encode(payload).decode(), "iv": b64encode(iv).decode()}}


def unseal(change: Row, target: Row, authors: Iterable[str], changers: Iterable[str]) -> bytes | None:
    """Return the plaintext of an encrypted change; None when none of the addresses fits or a secret is missing.

    Either side may have used the phone number or the LID of either person, so all pairs are tried.
    """
    part: Mapping[str, str] = change["content"][SEALED]
    secret = secret_bytes(target["content"])
    if secret is None:
        return None
    payload, iv = b64decode(part["payload"]), b64decode(part["iv"])
    for author, changer in product(dict.fromkeys(authors), dict.fromkeys(changers)):
        use = message_secret.Use(part["use"], target["wa_message_id"], author, changer)
        plain = message_secret.decrypt(secret, use, payload, iv)
        if plain is not None:
            return plain
    return None
