"""What clients ask about their own account after login."""

from __future__ import annotations

from whatsim.server.media_host import HOST
from whatsim.server.queries.query import Query
from whatsim.wire.binary import Node


def handle_passive(query: Query) -> bool:
    """Namespace `passive`: `active` means that the client is ready for what waits."""
    query.result()
    if query.child.tag == "active":
        query.core.session.activate(query.connection)
    return True


def handle_media(query: Query) -> bool:
    """Namespace `w:m`: where to upload and download; times in seconds."""
    attrs = {"auth": "simulated", "auth_ttl": "21600", "ttl": "300", "max_buckets": "12"}
    host = Node("host", {"hostname": HOST, "maxContentLengthBytes": "104857600"})
    query.result([Node("media_conn", attrs, [host])])
    return True


def handle_props(query: Query) -> bool:
    """Namespaces `w` and `abt`: no experiments."""
    query.result([Node("props", {"hash": "1", "protocol": "1"}, [])])
    return True


def handle_plain(query: Query) -> bool:
    """What only needs a yes: pings, clean marks, push registrations, statistics."""
    query.result()
    return True
