"""Synchronised settings: each collection is a list of patches, which only the phone's own devices can decrypt."""

from __future__ import annotations

from whatsim.server.queries.query import Query
from whatsim.server.stanzas import notification
from whatsim.wire.binary import Node
from whatsim.wire.jid import SERVER_JID


def handle(query: Query) -> bool:
    """Namespace `w:sync:app:state`: fetch patches above a version, add one on top."""
    answers = [_collection(query, collection) for collection in query.child.children if collection.tag == "collection"]
    query.durable_result([Node("sync", {}, answers)])
    return True


def _collection(query: Query, collection: Node) -> Node:
    name = collection.attr("name")
    settings = query.core.phones.app_state
    phone = query.device.phone
    text = collection.attrs.get("version", "0")
    version = int(text) if text.isdecimal() else 0
    patch = collection.child("patch")
    if patch is not None and patch.data():
        if version != settings.version(phone, name):
            error = Node("error", {"code": "409", "text": "conflict"})
            attrs = {"name": name, "type": "error"}
            return Node("collection", attrs, [*_patches(query, name, version), error])
        new_version = settings.append(phone, name, patch.data())
        change = Node("collection", {"name": name, "version": str(new_version)})
        for device in phone.devices.values():
            if device is not query.device:
                query.core.router.push(device, notification("server_sync", SERVER_JID, [change]))
        return Node("collection", {"name": name, "version": str(new_version), "type": "result"})
    attrs = {"name": name, "version": str(settings.version(phone, name)), "type": "result"}
    return Node("collection", attrs, _patches(query, name, version))


def _patches(query: Query, name: str, above: int) -> list[Node]:
    patches = query.core.phones.app_state.patches(query.device.phone, name, above)
    return [Node("patches", {}, [Node("patch", {}, patch) for patch in patches])] if patches else []
