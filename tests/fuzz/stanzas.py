"""Stanzas made of words that the server knows, put together as nobody would."""

from __future__ import annotations

import random

from whatsim.server.queries import HANDLERS
from whatsim.wire.binary import Node

_TAGS = ("iq", "iq", "iq", "iq", "message", "receipt", "ack", "presence", "chatstate", "notification", "call", "ib")
_INNER = (
    *(
        "query",
        "list",
        "user",
        "key",
        "item",
        "count",
        "value",
        "identity",
        "registration",
        "skey",
        "picture",
        "status",
    ),
    *(
        "create",
        "invite",
        "leave",
        "add",
        "remove",
        "promote",
        "demote",
        "subject",
        "description",
        "participant",
        "group",
    ),
    *(
        "announcement",
        "not_announcement",
        "locked",
        "unlocked",
        "ephemeral",
        "participating",
        "membership_requests_action",
    ),
    *("membership_approval_mode", "membership_approval_requests", "member_add_mode", "group_join", "approve", "reject"),
    *("sync", "collection", "patch", "snapshot", "devices", "lid", "contact", "usync", "business_profile", "privacy"),
    *("category", "block", "unblock", "link_code_companion_reg", "remove-companion-device", "ref", "passkey_prologue"),
    *("companion_nonce", "encrypted_pairing_request", "enc", "participants", "to", "retry", "keys", "rmr", "encrypt"),
    *("composing", "paused", "offer", "accept", "terminate", "tokens", "token", "body", "delete", "linked_groups"),
)
_NAMES = (
    *(
        "id",
        "to",
        "from",
        "type",
        "jid",
        "participant",
        "recipient",
        "name",
        "value",
        "count",
        "xmlns",
        "stage",
        "action",
    ),
    *(
        "version",
        "index",
        "call-id",
        "call-creator",
        "t",
        "mode",
        "reason",
        "code",
        "expiration",
        "state",
        "class",
        "v",
    ),
    *("target", "device_hash", "dhash", "return_snapshot", "order", "edit", "category", "phash", "addressing_mode"),
)
_VALUES = (
    *(
        "",
        "0",
        "1",
        "-1",
        "99999999999999999999",
        "x",
        "get",
        "set",
        "result",
        "error",
        "subscribe",
        "available",
        "retry",
    ),
    *("read", "played", "sender", "hist_sync", "peer_msg", "server-error", "text", "media", "msg", "pkmsg", "skmsg"),
    *("image", "preview", "true", "false", "regular", "critical_block", "companion_hello", "companion_finish", "all"),
    *(
        "@s.whatsapp.net",
        "@g.us",
        "s.whatsapp.net",
        "status@broadcast",
        "120363000000000001@g.us",
        "1:99@lid",
        "@",
        ":",
    ),
    "ø" * 300,
)


class Stanzas:
    """An endless supply; `addresses` exist on the network (phones, devices, groups)."""

    def __init__(self, pick: random.Random, addresses: list[str]) -> None:
        self._pick = pick
        self._values = [*_VALUES, *addresses * 6]
        self._addresses = addresses

    def make(self) -> Node:
        """Return the next stanza."""
        pick = self._pick
        tag = pick.choice(_TAGS)
        attrs = {"id": str(pick.randrange(1000)), **self._attrs()}
        if pick.random() < 0.9:
            attrs["to"] = pick.choice(("@s.whatsapp.net", "@g.us", *self._addresses))
        if tag == "iq":
            attrs["xmlns"] = pick.choice(tuple(HANDLERS))
            attrs["type"] = pick.choice(("get", "set", "set", "result"))
        return Node(tag, attrs, self._content(0))

    def _content(self, depth: int) -> list[Node] | bytes | None:
        pick = self._pick
        kind = pick.random()
        if depth < 4 and kind < 0.75 - depth * 0.15:
            return [self._child(depth + 1) for _ in range(pick.choice((1, 1, 1, 2, 3)))]
        if kind < 0.9:
            return pick.choice((b"", b"\x00", bytes(3), bytes(32), b"\xff" * 33, b"\x0a\x01x", pick.randbytes(60)))
        return None

    def _child(self, depth: int) -> Node:
        return Node(self._pick.choice(_INNER), self._attrs(), self._content(depth))

    def _attrs(self) -> dict[str, str]:
        pick = self._pick
        return {pick.choice(_NAMES): pick.choice(self._values) for _ in range(pick.choice((0, 1, 1, 2, 4)))}
