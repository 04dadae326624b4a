"""Small stanzas that several parts send."""

from __future__ import annotations

import base64
import hashlib
import itertools
import os
import time
from collections.abc import Iterable

from whatsim.wire.binary import Node
from whatsim.wire.jid import SERVER_JID, parse_jid

# Ids of the server's own stanzas must not repeat after a restart, since unconfirmed ones are kept.
_PREFIX = os.urandom(3).hex()
_IDS = itertools.count(1)


def new_id() -> str:
    """Return an id for a stanza of the server."""
    return f"{_PREFIX}-{next(_IDS)}"


def timestamp() -> str:
    """Return the present time as stanzas carry it: whole seconds since 1970."""
    return str(int(time.time()))


def ib(kind: str, **numbers: int) -> Node:
    """Return an information broadcast with numeric attributes."""
    return Node("ib", {"from": SERVER_JID}, [Node(kind, {name: str(value) for name, value in numbers.items()})])


def notification(kind: str, sender: str, children: list[Node], **attrs: str) -> Node:
    """Return a notification of the given type."""
    return Node("notification", {"from": sender, "type": kind, "id": new_id(), "t": timestamp(), **attrs}, children)


def queue_key(node: Node) -> str:
    """Return what identifies a delivered stanza in its receiver's confirmation.

    Messages are confirmed by id alone, in groups by id and author; anything else by class, id, type and sender.
    """
    attrs = node.attrs
    if node.tag == "message":
        return message_key(attrs.get("id", ""), attrs.get("participant", ""))
    return other_key(node.tag, attrs.get("id", ""), attrs.get("type", ""), attrs.get("from", ""), attrs)


def other_key(kind: str, stanza_id: str, stanza_type: str, sender: str, attrs: dict[str, str]) -> str:
    """Return what identifies a delivered stanza that is no message; receipts in groups differ by who they are of."""
    reader = attrs.get("participant", "") if kind == "receipt" else ""
    return f"{kind} {stanza_id} {stanza_type} {sender} {reader}".rstrip()


def message_key(message_id: str, author: str = "") -> str:
    """Return what identifies a delivered message; `author` in groups, where two members may use one id."""
    return f"message {message_id} {author}".rstrip()


def device_hash(jids: Iterable[str]) -> str:
    """Return the hash of a device list: version 2 hashes the sorted addresses in their long form."""
    long_forms = []
    for text in jids:
        jid = parse_jid(text)
        long_forms.append(f"{jid.user}.0:{jid.device}@{jid.server}")
    digest = hashlib.sha256("".join(sorted(long_forms)).encode()).digest()[:6]
    return f"2:{base64.b64encode(digest).decode().rstrip('=')}"


def number_bytes(value: int, size: int) -> bytes:
    """Return a key id or registration id as it travels: big-endian."""
    return value.to_bytes(size, "big")
