"""Prekeys: uploads by companions, and bundles with which anybody can begin a session with a device."""

from __future__ import annotations

from whatsim.server.entities import Phone
from whatsim.server.queries.query import Query
from whatsim.server.stanzas import number_bytes
from whatsim.wire.binary import Node
from whatsim.wire.curve import KEY_SIZE, KEY_TYPE
from whatsim.wire.errors import WireError
from whatsim.wire.jid import parse_jid
from whatsim.wire.signal import Bundle, SignedKey

MAX_UPLOAD = 2_000


def handle(query: Query) -> bool:
    """Namespace `encrypt`."""
    match query.kind, query.child.tag:
        case "get", "count":
            query.result([Node("count", {"value": str(query.device.prekeys_left)})])
        case "get", "key":
            users = [_user_bundle(query, user) for user in query.child.children]
            # A key is handed out once: it must be gone for good before anybody builds on it.
            query.durable_result([Node("list", {}, users)])
        case "get", _:
            query.error("404", "item-not-found")
        case "set", "rotate":
            query.device.signed_key = read_signed_key(query.child)
            query.core.world.save(query.device)
            query.durable_result()
        case "set", _:
            _upload(query)
        case _:
            return False
    return True


def _upload(query: Query) -> None:
    node, device = query.node, query.device
    entries = node.child("list")
    if entries is None:
        raise WireError("prekey upload without keys")
    if len(entries.children) > MAX_UPLOAD:
        raise WireError("prekey upload is too large")
    device.identity = _key(node.data("identity"))
    device.registration_id = int.from_bytes(node.data("registration"), "big")
    device.signed_key = read_signed_key(node)
    keys = b"".join(entry.data("id").rjust(3, b"\0")[-3:] + _key(entry.data("value")) for entry in entries.children)
    query.core.world.save(device)
    query.core.world.add_prekeys(device, keys)
    query.durable_result()


def read_signed_key(node: Node) -> SignedKey:
    """Return the `<skey>` inside a node. Raises WireError when there is none."""
    signed = node.child("skey")
    if signed is None:
        raise WireError("no signed prekey")
    return SignedKey(int.from_bytes(signed.data("id"), "big"), _key(signed.data("value")), signed.data("signature"))


def _key(value: bytes) -> bytes:
    if len(value) != KEY_SIZE:
        raise WireError("key of unexpected length")
    return value


def _user_bundle(query: Query, user: Node) -> Node:
    jid = user.attr("jid")
    address = parse_jid(jid)
    world = query.core.world
    phone = world.find(address)
    device = phone.devices.get(address.device) if phone is not None else None
    if phone is not None and address.device == 0:
        number, key = world.take_phone_prekey(phone)
        identity = phone.identity
        bundle = Bundle(identity.registration_id, identity.keys.public, phone.signed_key, number, key)
    elif device is not None:
        bundle = query.core.phones.sessions.take_bundle(device)
    else:
        return Node("user", {"jid": jid}, [Node("error", {"code": "404", "text": "item-not-found"})])
    return Node("user", {"jid": jid}, bundle_nodes(bundle))


def bundle_nodes(bundle: Bundle) -> list[Node]:
    """Return a bundle as the children of a `<user>`."""
    signed = bundle.signed_key
    nodes = [
        Node("registration", {}, number_bytes(bundle.registration_id, 4)),
        Node("type", {}, KEY_TYPE),
        Node("identity", {}, bundle.identity),
        Node("skey", {}, [*_key_nodes(signed.id, signed.public), Node("signature", {}, signed.signature)]),
    ]
    if bundle.one_time_key is not None and bundle.one_time_id is not None:
        nodes.append(Node("key", {}, _key_nodes(bundle.one_time_id, bundle.one_time_key)))
    return nodes


def _key_nodes(number: int, public: bytes) -> list[Node]:
    return [Node("id", {}, number_bytes(number, 3)), Node("value", {}, public)]


def phone_retry_keys(phone: Phone, number: int, public: bytes) -> Node:
    """Return the `<keys>` with which a phone asks to be sent a message again."""
    signed = phone.signed_key
    return Node(
        "keys",
        {},
        [
            Node("type", {}, KEY_TYPE),
            Node("identity", {}, phone.identity.keys.public),
            Node("key", {}, _key_nodes(number, public)),
            Node("skey", {}, [*_key_nodes(signed.id, signed.public), Node("signature", {}, signed.signature)]),
        ],
    )
