"""Carries messages, receipts and typing notices between devices, and keeps each until its receiver has confirmed it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from whatsim.server.entities import Device, Phone
from whatsim.server.group_router import is_shared
from whatsim.server.older_clients import lid_of
from whatsim.server.stanzas import message_key, notification, other_key, queue_key, timestamp
from whatsim.wire.binary import Node, encode
from whatsim.wire.jid import LID_SERVER, SERVER_JID, USER_SERVER, Jid, parse_jid

if TYPE_CHECKING:
    from whatsim.server.connection import Connection
    from whatsim.server.core import Core

# Clients upload more one-time keys when told that fewer than this many are left.
LOW_WATER = 5
# Receipts which only concern the sender's own bookkeeping are not passed on.
_PRIVATE_RECEIPTS = frozenset({"sender", "peer_msg", "hist_sync", "read-self", "played-self", "server-error"})
_COPIED_ATTRS = ("edit", "category", "push_priority")
_COPIED_CHILDREN = frozenset({"meta", "biz", "bot"})


class Router:
    """Stanzas of logged-in devices other than queries."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def handle(self, connection: Connection, device: Device, node: Node) -> None:
        """Handle one stanza. Raises WireError when it is malformed."""
        match node.tag:
            case "message":
                self._message(connection, device, node)
            case "receipt":
                self._receipt(connection, device, node)
            case "ack":
                self._ack(device, node)
            case "chatstate":
                self._chatstate(device, node)
            case "presence":
                self._core.phones.presence(connection, device, node)
            case "call":
                self._core.calls.handle(device, node)
            case "ib" | "notification":
                pass
            case _:
                self._core.counters.count_unknown(node.tag)

    # --- delivery

    def push(self, device: Device, node: Node) -> None:
        """Deliver a stanza that the device must confirm: kept, and sent as soon as it is durable."""
        stanza = self._core.world.enqueue(device, queue_key(node), encode(node))
        is_visible = node.tag == "message" and node.attrs.get("category") != "peer"
        self._core.store.on_commit(partial(self._core.delivery.deliver, device, stanza, is_message=is_visible))

    def send_passing(self, device: Device, node: Node) -> None:
        """Send a stanza that is lost when the device is away, or does not show as online (typing, presence)."""
        connection = device.connection
        if connection is not None and connection.active and connection.available:
            connection.send(node)

    def prekey_taken(self, device: Device) -> None:
        """Ask a connected companion for more one-time keys when few are left; others look at their next login."""
        left = device.prekeys_left
        if left < LOW_WATER and device.connection is not None:
            self.push(device, notification("encrypt", SERVER_JID, [Node("count", {"value": str(left)})]))

    # --- messages

    def _message(self, connection: Connection, sender: Device, node: Node) -> None:
        core = self._core
        to, message_id = node.attr("to"), node.attr("id")
        core.counters.messages += 1
        ack = {"class": "message", "id": message_id, "from": to, "t": timestamp()}
        target = parse_jid(to)
        refusal = None
        if core.faults.any and core.world.find(target) is not sender.phone:
            if core.faults.hit("lose_sent", sender) is not None:
                return
            refusal = core.faults.hit("refuse_messages", sender)
        if refusal is not None:
            connection.send(Node("ack", {**ack, "error": refusal.spec.code or "500"}))
            return
        forbidden = core.limits.refuses_message(sender.phone, core.world.find(target))
        if forbidden is not None:
            connection.send(Node("ack", {**ack, "error": forbidden}))
            return
        if is_shared(target):
            refused = core.group_router.message(sender, node)
            if refused is not None:
                connection.send(Node("ack", {**ack, "error": str(refused)}))
                return
        else:
            for jid, enc in _addressed(node, target):
                self._forward(sender, node, jid, enc, to)
        if core.faults.hit("lose_acks", sender) is not None:
            core.counters.acks_lost += 1
            return
        core.store.on_commit(partial(connection.send, Node("ack", ack)))

    def _forward(self, sender: Device, node: Node, jid: Jid, enc: Node, to: str) -> None:
        phone = self._core.world.find(jid)
        if phone is None:
            self._core.counters.count_unknown("message to an unknown address")
            return
        own = phone is sender.phone
        if sender.phone.id in phone.profile.blocked and not to.endswith("@g.us"):
            return
        attrs = self._message_attrs(sender, node, jid.server, to, own=own)
        children = [enc]
        if enc.attrs.get("type") == "pkmsg" and (identity := node.child("device-identity")) is not None:
            children.append(identity)
        children += [child for child in node.children if child.tag in _COPIED_CHILDREN]
        copy = Node("message", attrs, children)
        if jid.device == 0:
            self.to_phone(phone, copy)
            return
        device = phone.devices.get(jid.device)
        if device is not None and device is not sender:
            self.push(device, copy)

    def _message_attrs(self, sender: Device, node: Node, server: str, to: str, *, own: bool) -> dict[str, str]:
        attrs = {
            "from": sender.jid(server),
            "id": node.attrs["id"],
            "type": node.attrs.get("type", "text"),
            "t": timestamp(),
            "notify": sender.phone.name,
        }
        for name in _COPIED_ATTRS:
            if value := node.attrs.get(name):
                attrs[name] = value
        if own:
            if attrs.get("category") != "peer":
                attrs["recipient"] = node.attrs.get("recipient", to)
                if number := node.attrs.get("peer_recipient_pn"):
                    attrs["peer_recipient_pn"] = number
        elif server == LID_SERVER:
            attrs["sender_pn"] = f"{sender.phone.number}@{USER_SERVER}"
            attrs["addressing_mode"] = "lid"
        else:
            attrs["sender_lid"] = f"{sender.phone.lid}@{LID_SERVER}"
        return attrs

    def to_phone(self, phone: Phone, node: Node) -> None:
        """Hand a message or receipt to a phone, or keep it while the phone is offline."""
        if phone.online:
            self._core.phones.receive(phone, node)
        else:
            self._core.world.enqueue(phone, queue_key(node), encode(node))

    # --- receipts and confirmations

    def _receipt(self, connection: Connection, sender: Device, node: Node) -> None:
        core = self._core
        core.counters.receipts += 1
        to, receipt_id = node.attr("to"), node.attr("id")
        kind = node.attrs.get("type", "")
        ids = [receipt_id]
        listed = node.child("list")
        if listed is not None:
            ids += [item.attr("id") for item in listed.children]
        if kind == "retry":
            core.counters.retry_requests += 1
            self._expect_ack(sender, self._waiting_key(sender, receipt_id, node))
        else:
            for message_id in ids:
                core.world.dequeue(sender, self._waiting_key(sender, message_id, node))
        target = parse_jid(to)
        phone = core.world.find(target)
        if is_shared(target):
            core.group_router.receipt(sender, node, kind, ids)
        elif phone is not None and kind not in _PRIVATE_RECEIPTS:
            self._forward_receipt(sender, node, target, phone, kind, ids)
        elif phone is not None and kind == "read-self":
            core.phones.read_elsewhere(sender, phone, kind, ids)
        elif phone is sender.phone and kind == "server-error":
            attrs = {**node.attrs, "from": sender.jid(target.server)}
            self.to_phone(phone, Node("receipt", attrs, node.content))
        ack = {"class": "receipt", "id": receipt_id, "from": to, "t": timestamp()}
        if kind:
            ack["type"] = kind
        core.store.on_commit(partial(connection.send, Node("ack", ack)))

    def _waiting_key(self, device: Device, message_id: str, node: Node) -> str:
        """Return under what a message that is confirmed waits; older clients name its author by number."""
        author = node.attrs.get("participant", "")
        key = message_key(message_id, author)
        return key if key in device.queue or not author else message_key(message_id, lid_of(self._core.world, author))

    def _expect_ack(self, device: Device, key: str) -> None:
        # A client that asks for a message again confirms the stanza it could not read as well. By then the new
        # stanza, with the same id, may be waiting; that confirmation must not take it away.
        old = device.queue.get(key)
        if old is not None:
            old.skip_acks += 1

    def _forward_receipt(
        self, sender: Device, node: Node, target: Jid, phone: Phone, kind: str, ids: list[str]
    ) -> None:
        attrs = dict(node.attrs)
        del attrs["to"]
        attrs.setdefault("t", timestamp())
        server = target.server
        # Read receipts speak for the person, the others for the device.
        attrs["from"] = sender.phone.jid(server) if kind in ("read", "played") else sender.jid(server)
        copy = Node("receipt", attrs, node.content)
        if kind == "retry":
            if target.device == 0:
                self.to_phone(phone, copy)
            elif (device := phone.devices.get(target.device)) is not None and device is not sender:
                self.push(device, copy)
            return
        for device in phone.devices.values():
            if device is not sender:
                self.push(device, copy)
        if phone is not sender.phone:
            self._core.phones.read_elsewhere(sender, phone, kind, ids)
            self.to_phone(phone, copy)

    def _ack(self, device: Device, node: Node) -> None:
        attrs = node.attrs
        kind = attrs.get("class", "")
        if kind == "message":
            key = self._waiting_key(device, attrs.get("id", ""), node)
            stanza = device.queue.get(key)
            if stanza is not None and stanza.skip_acks:
                stanza.skip_acks -= 1
                return
        else:
            key = other_key(kind, attrs.get("id", ""), attrs.get("type", ""), attrs.get("to", ""), attrs)
            if key not in device.queue:
                # Older clients confirm by number what waits by LID.
                to, reader = (lid_of(self._core.world, attrs.get(name, "")) for name in ("to", "participant"))
                named = {"participant": reader}
                key = other_key(kind, attrs.get("id", ""), attrs.get("type", ""), to, named)
        self._core.world.dequeue(device, key)

    # --- typing

    def _chatstate(self, sender: Device, node: Node) -> None:
        target = parse_jid(node.attr("to"))
        if is_shared(target):
            self._core.group_router.chatstate(sender, node)
            return
        phone = self._core.world.find(target)
        if phone is None or not node.children or sender.phone.id in phone.profile.blocked:
            return
        state = node.children[0]
        attrs = {"from": sender.jid(target.server)}
        for device in phone.devices.values():
            if device is not sender:
                self.send_passing(device, Node("chatstate", attrs, [state]))
        if phone is not sender.phone:
            self._core.phones.sees_typing(phone, sender.phone, composing=state.tag == "composing")


def _addressed(node: Node, target: Jid) -> list[tuple[Jid, Node]]:
    participants = node.child("participants")
    if participants is None:
        return [(target, enc) for enc in node.children if enc.tag == "enc"]
    pairs = []
    for entry in participants.children:
        enc = entry.child("enc")
        if enc is not None:
            pairs.append((parse_jid(entry.attr("jid")), enc))
    return pairs
