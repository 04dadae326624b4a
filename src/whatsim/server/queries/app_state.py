"""Synchronised settings: each collection is a list of patches, which only the phone's own devices can decrypt."""

from __future__ import annotations

from whatsim.server.queries.query import Query
from whatsim.server.stanzas import notification
from whatsim.wire.binary import Node
from whatsim.wire.jid import SERVER_JID
from whatsim.wire.media import seal
from whatsim.wire.records import ExternalBlob

# From this many patches on, a device that begins anew gets one snapshot in their place.
SNAPSHOT_FROM = 3


def handle(query: Query) -> bool:
    """Namespace `w:sync:app:state`: fetch patches above a version or a snapshot, add one patch on top."""
    collections = [child for child in query.child.children if child.tag == "collection"]
    if any(_wants_snapshot(query, collection) for collection in collections):
        query.core.phones.run(_answer_with_snapshots(query, collections))
    else:
        answers = [_collection(query, collection) for collection in collections]
        query.durable_result([Node("sync", {}, answers)])
    return True


def _wants_snapshot(query: Query, collection: Node) -> bool:
    version = query.core.phones.app_state.version(query.device.phone, collection.attr("name"))
    return collection.attrs.get("return_snapshot") == "true" and version >= SNAPSHOT_FROM


async def _answer_with_snapshots(query: Query, collections: list[Node]) -> None:
    answers = []
    for collection in collections:
        whole = _wants_snapshot(query, collection)
        answers.append(await _snapshot(query, collection.attr("name")) if whole else _collection(query, collection))
    query.durable_result([Node("sync", {}, answers)])


async def _snapshot(query: Query, name: str) -> Node:
    settings, phone = query.core.phones.app_state, query.device.phone
    version = settings.version(phone, name)
    plain = settings.snapshot(phone, name) or b""
    sealed = seal(plain, "app_state")
    path = await query.core.media_host.keep(sealed)
    blob = ExternalBlob(sealed.media_key, path, len(plain), sealed.file_sha256, sealed.file_enc_sha256)
    attrs = {"name": name, "version": str(version), "type": "result"}
    later = settings.patches(phone, name, version)  # written while the file was being stored
    children = [Node("snapshot", {}, blob.encode())]
    if later:
        children.append(Node("patches", {}, [Node("patch", {}, patch) for patch in later]))
    return Node("collection", attrs, children)


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
