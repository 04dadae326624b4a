"""What clients ask about their own account after login."""

from __future__ import annotations

from whatsim.server.media_host import HOST
from whatsim.server.queries.query import Query
from whatsim.wire.binary import Node

_PRIVACY = ("readreceipts", "last", "status", "profile", "groupadd", "online", "calladd")


def handle_passive(query: Query) -> bool:
    """Namespace `passive`: `active` means that the client is ready for what waits."""
    query.result()
    if query.child.tag == "active":
        query.core.session.activate(query.connection)
    return True


def handle_privacy(query: Query) -> bool:
    """Namespace `privacy`: everything is open to everybody; trusted-contact tokens are taken and not used."""
    if query.child.tag == "privacy" and query.kind == "get":
        settings = [Node("category", {"name": name, "value": "all"}) for name in _PRIVACY]
        query.result([Node("privacy", {}, settings)])
    else:
        query.result()
    return True


def handle_blocklist(query: Query) -> bool:
    """Namespace `blocklist`: always empty."""
    query.result([Node("list", {"dhash": "none"}, [])])
    return True


def handle_media(query: Query) -> bool:
    """Namespace `w:m`: where to upload and download; times in seconds."""
    attrs = {"auth": "simulated", "auth_ttl": "21600", "ttl": "300", "max_buckets": "12"}
    host = Node("host", {"hostname": HOST, "maxContentLengthBytes": "104857600"})
    query.result([Node("media_conn", attrs, [host])])
    return True


def handle_groups(query: Query) -> bool:
    """Namespace `w:g2`: there are no groups."""
    if query.child.tag == "participating":
        query.result([Node("groups", {}, [])])
    else:
        query.error("404", "item-not-found")
    return True


def handle_mex(query: Query) -> bool:
    """Namespace `w:mex`: queries of the newer kind find nothing."""
    query.result([Node("result", {}, b'{"data":{}}')])
    return True


def handle_props(query: Query) -> bool:
    """Namespaces `w` and `abt`: no experiments."""
    query.result([Node("props", {"hash": "1", "protocol": "1"}, [])])
    return True


def handle_plain(query: Query) -> bool:
    """What only needs a yes: pings, clean marks, push registrations, statistics."""
    query.result()
    return True
