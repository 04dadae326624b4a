"""Answers to clients' queries (`iq` stanzas), by namespace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whatsim.server.queries import account, app_state, contacts, groups, keys, pairing, people
from whatsim.server.queries.query import Handler, Query
from whatsim.wire.binary import Node

if TYPE_CHECKING:
    from whatsim.server.connection import Connection
    from whatsim.server.core import Core

HANDLERS: dict[str, Handler] = {
    "encrypt": keys.handle,
    "usync": contacts.handle_usync,
    "w:profile:picture": people.handle_picture,
    "w:biz": people.handle_business,
    "status": people.handle_status,
    "md": pairing.handle,
    "w:sync:app:state": app_state.handle,
    "passive": account.handle_passive,
    "privacy": people.handle_privacy,
    "blocklist": people.handle_blocklist,
    "w:m": account.handle_media,
    "w:g2": groups.handle,
    "w:mex": people.handle_mex,
    "w": account.handle_props,
    "abt": account.handle_props,
    "w:p": account.handle_plain,
    "urn:xmpp:ping": account.handle_plain,
    "urn:xmpp:whatsapp:dirty": account.handle_plain,
    "urn:xmpp:whatsapp:push": account.handle_plain,
    "w:stats": account.handle_plain,
    "disappearing_mode": account.handle_plain,
    "newsletter": account.handle_plain,
}
# What a client without identity may ask.
_BEFORE_LOGIN = frozenset({"md", "w:p", "urn:xmpp:ping"})


def answer(core: Core, connection: Connection, node: Node) -> None:
    """Answer one query. What nothing knows is counted and answered with an empty result."""
    kind = node.attrs.get("type", "")
    if kind in ("result", "error"):
        core.linking.handle_result(connection, node)
        return
    query = Query(core, connection, node)
    if connection.device is None and query.namespace not in _BEFORE_LOGIN:
        query.error("401", "not-authorized")
        return
    handler = HANDLERS.get(query.namespace)
    if handler is None or not handler(query):
        child = node.children[0].tag if node.children else ""
        core.counters.count_unknown(f"iq {query.namespace} {kind} {child}".strip())
        query.result()
