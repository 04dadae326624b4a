"""What phones send: messages to companions of both sides, re-sends, receipts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from whatsim.phones.app_state import key_share
from whatsim.phones.contents import Contents, Prepared
from whatsim.phones.sessions import Sessions
from whatsim.server.entities import Device, Message, Phone, now
from whatsim.server.queries.keys import phone_retry_keys, read_signed_key
from whatsim.server.stanzas import number_bytes, timestamp
from whatsim.wire import e2e
from whatsim.wire.binary import Node
from whatsim.wire.jid import LID_SERVER, USER_SERVER
from whatsim.wire.protobuf import Record
from whatsim.wire.signal import Bundle

if TYPE_CHECKING:
    from whatsim.server.core import Core

# Clients give up asking for a message after this many times.
MAX_RETRIES = 4


class Sender:
    """Writes on behalf of phones. Everything is durable before it leaves."""

    def __init__(self, core: Core, sessions: Sessions, contents: Contents) -> None:
        self._core = core
        self._sessions = sessions
        self._contents = contents

    def send(self, phone: Phone, peer: Phone, prepared: Prepared, *, automatic: bool = False) -> Message:
        """Send to all devices of `peer` and show the message on both phones; returns the sender's.

        An automatic message is an answer that must not be answered automatically again.
        """
        world = self._core.world
        message = Message(
            id=world.new_message_id(),
            phone=phone,
            message_id=new_message_id(),
            chat=peer.number,
            outgoing=True,
            type=prepared.type,
            body=prepared.body,
            timestamp=now(),
            is_read=True,
            quoted_id=prepared.quoted_id,
            media=prepared.media,
            receipts={"sent": now()},
        )
        world.add_message(message)
        self._contents.keep(message, prepared.data)
        self._core.phones.shown(message, added=True)
        heard = phone.id not in peer.profile.blocked
        if peer is not phone and heard:
            for device in peer.devices.values():
                self._push(message, device, peer, prepared.data, prepared.stanza_type, prepared.media_type)
        own_copy = self._own_copy(phone, peer, prepared.data)
        for device in phone.devices.values():
            self._push(message, device, peer, own_copy, prepared.stanza_type, prepared.media_type)
        if peer is not phone and heard:
            # Between two phones nothing is encrypted: both are in this process.
            attrs = {"from": phone.number, "id": message.message_id, "t": timestamp()}
            if automatic:
                attrs["automatic"] = "1"
            self._core.router.to_phone(peer, Node("local", attrs, prepared.data))
        return message

    def resend(self, phone: Phone, device: Device, node: Node) -> None:
        """Answer a companion's request for a message that it could not read, in a new session."""
        retry = node.child("retry")
        if retry is None:
            return
        message_id = retry.attrs.get("id", node.attrs.get("id", ""))
        count = retry.attrs.get("count", "1")
        self._sessions.restart(phone, device, self.retry_bundle(device, node))
        message = phone.find_own(message_id)
        content = self._contents.find(message) if message is not None else None
        if message is None or content is None:
            if node.attrs.get("category") == "peer":
                self.push_peer(phone, device, key_share(phone), message_id, count)
            return
        message.retries += 1
        self._core.world.save(message)
        peer = self._core.world.by_number.get(message.chat, phone)
        reading = e2e.read(e2e.Message.decode(content))
        if device.phone is phone:
            content = self._own_copy(phone, peer, content)
        media_type = reading.type if reading.media is not None else ""
        self._push(message, device, peer, content, "media" if media_type else "text", media_type, count)
        self._core.phones.shown(message, added=False)

    def push_peer(
        self, phone: Phone, device: Device, content: Record, message_id: str | None = None, count: str = ""
    ) -> None:
        """Send a message between a phone and its own companion, which nobody sees."""
        attrs = {
            "from": phone.jid(LID_SERVER),
            "id": message_id or new_message_id(),
            "type": "text",
            "category": "peer",
            "t": timestamp(),
            "notify": phone.name,
        }
        enc = self._encrypt(phone, device, content.encode(), "", count)
        self._core.router.push(device, Node("message", attrs, [enc]))

    def request_retry(self, phone: Phone, device: Device, node: Node, message: Message) -> None:
        """Ask the sending device for a message again, with keys for a new session."""
        if message.retries >= MAX_RETRIES:
            return
        message.retries += 1
        number, key = self._core.world.take_phone_prekey(phone)
        server = self._core.world.addressing(phone, device.phone)
        attrs = {"from": phone.jid(server), "id": message.message_id, "type": "retry", "t": timestamp()}
        if recipient := node.attrs.get("recipient"):
            attrs["recipient"] = recipient
        retry = {"count": str(message.retries), "id": message.message_id, "t": node.attrs.get("t", ""), "v": "1"}
        children = [
            Node("retry", retry),
            Node("registration", {}, number_bytes(phone.identity.registration_id, 4)),
            phone_retry_keys(phone, number, key),
        ]
        self._core.counters.retry_requests += 1
        self._core.router.push(device, Node("receipt", attrs, children))

    def send_receipt(self, phone: Phone, peer: Phone, ids: list[str], kind: str = "") -> None:
        """Tell all companions of `peer` what became of its messages; no kind means delivered."""
        if not ids or not peer.devices:
            return
        server = self._core.world.addressing(phone, peer)
        attrs = {"from": phone.jid(server), "id": ids[0], "t": timestamp()}
        if kind:
            attrs["type"] = kind
        items = [Node("item", {"id": message_id}) for message_id in ids[1:]]
        content = [Node("list", {}, items)] if items else None
        for device in peer.devices.values():
            self._core.router.push(device, Node("receipt", attrs, content))

    def send_read_self(self, phone: Phone, peer: Phone, ids: list[str]) -> None:
        """Tell the phone's own companions that a chat was read on the phone."""
        server = self._core.world.addressing(phone, phone)
        attrs = {
            "from": phone.jid(server),
            "recipient": peer.jid(server),
            "id": ids[0],
            "t": timestamp(),
            "type": "read-self",
        }
        items = [Node("item", {"id": message_id}) for message_id in ids[1:]]
        for device in phone.devices.values():
            self._core.router.push(device, Node("receipt", attrs, [Node("list", {}, items)] if items else None))

    def _own_copy(self, phone: Phone, peer: Phone, content: bytes) -> bytes:
        server = self._core.world.addressing(phone, phone)
        copy = e2e.DeviceSentMessage(peer.jid(server), content)
        return e2e.Message(device_sent=copy).encode()

    def _push(
        self,
        message: Message,
        device: Device,
        peer: Phone,
        content: bytes,
        stanza_type: str,
        media_type: str,
        count: str = "",
    ) -> None:
        phone = message.phone
        world = self._core.world
        # Answer with the kind of address that the other side used: clients file their sessions under it.
        server, other_address = sender_address(phone, device.phone, world.addressing(phone, device.phone))
        attrs = {
            "from": phone.jid(server),
            "id": message.message_id,
            "type": stanza_type,
            "t": str(int(message.timestamp)),
            "notify": phone.name,
        }
        if device.phone is phone:
            attrs["recipient"] = peer.jid(server)
            other, other_server = (
                ("peer_recipient_pn", USER_SERVER)
                if server == LID_SERVER
                else (
                    "peer_recipient_lid",
                    LID_SERVER,
                )
            )
            attrs[other] = peer.jid(other_server)
        else:
            attrs |= other_address
            attrs["addressing_mode"] = "lid" if server == LID_SERVER else "pn"
        enc = self._encrypt(phone, device, content, media_type, count)
        self._core.router.push(device, Node("message", attrs, [enc]))

    def _encrypt(self, phone: Phone, device: Device, content: bytes, media_type: str, count: str) -> Node:
        kind, sealed = self._sessions.encrypt(phone, device, content)
        attrs = {"v": "2", "type": kind}
        if media_type:
            attrs["mediatype"] = media_type
        if count:
            attrs["count"] = count
        return Node("enc", attrs, sealed)

    def retry_bundle(self, device: Device, node: Node) -> Bundle:
        """Return the keys of a device that asks for a message again; its published ones where it names none."""
        keys = node.child("keys")
        if keys is None:
            return self._sessions.take_bundle(device)
        one_time = keys.child("key")
        return Bundle(
            int.from_bytes(node.data("registration"), "big"),
            keys.data("identity"),
            read_signed_key(keys),
            int.from_bytes(one_time.data("id"), "big") if one_time is not None else None,
            one_time.data("value") if one_time is not None else None,
        )


def new_message_id() -> str:
    """Return a message id as phones make them: 3A and 18 hexadecimal digits."""
    return "3A" + os.urandom(9).hex().upper()


def sender_address(phone: Phone, peer: Phone, used: str) -> tuple[str, dict[str, str]]:
    """Return by which kind of address a phone writes to `peer`, and the attribute that tells the other kind.

    `used` is the kind that the peer uses; a phone that is set to a mode keeps to that.
    """
    mode = phone.profile.addressing
    server = used if phone is peer or mode == "lid" else LID_SERVER if mode == "lid_only" else USER_SERVER
    if mode in ("lid_only", "number_only"):
        return server, {}
    if server == LID_SERVER:
        return server, {"sender_pn": phone.jid(USER_SERVER)}
    return server, {"sender_lid": phone.jid(LID_SERVER)}
