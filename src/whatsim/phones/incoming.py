"""What phones receive: decrypted, shown once per message id, confirmed, and asked for again when unreadable."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from whatsim.phones import media_again
from whatsim.phones.app_state import key_share
from whatsim.phones.contents import Contents, media_of_reading
from whatsim.phones.outgoing import Sender
from whatsim.phones.sessions import Sessions
from whatsim.server.entities import Device, Message, Phone, now
from whatsim.wire import e2e, peer
from whatsim.wire.binary import Node
from whatsim.wire.errors import WireError
from whatsim.wire.jid import parse_jid
from whatsim.wire.signal import DuplicateMessage

if TYPE_CHECKING:
    from whatsim.server.core import Core

log = logging.getLogger(__name__)


class Receiver:
    """Reads on behalf of phones."""

    def __init__(self, core: Core, sessions: Sessions, contents: Contents, sender: Sender) -> None:
        self._core = core
        self._sessions = sessions
        self._contents = contents
        self._sender = sender

    def message(self, phone: Phone, node: Node) -> None:
        """An encrypted message of somebody's companion, or of the phone's own."""
        world = self._core.world
        origin = parse_jid(node.attr("from"))
        author = world.find(origin)
        device = author.devices.get(origin.device) if author is not None else None
        enc = node.child("enc")
        if author is None or device is None or enc is None:
            return  # unlinked while the phone was offline
        world.set_addressing(phone, author, origin.server)
        chat = author
        if author is phone:
            chat = world.find(parse_jid(node.attrs.get("recipient", ""))) or phone
        message_id = node.attr("id")
        try:
            content = self._sessions.decrypt(phone, device, enc.attrs.get("type", ""), enc.data())
            parsed = e2e.Message.decode(content)
        except DuplicateMessage:
            self._duplicate(phone, author, chat, message_id)
            return
        except WireError as error:
            log.info("Phone %s cannot read %s: %s", phone.number, message_id, error)
            if node.attrs.get("category") != "peer":
                self._undecryptable(phone, device, chat, node)
            return
        if node.attrs.get("category") == "peer":
            if author is phone and parsed.protocol is not None:
                self._peer(phone, device, message_id, parsed.protocol.type, content)
            return
        if author is phone and parsed.device_sent is not None and parsed.device_sent.content is not None:
            content = parsed.device_sent.content
            parsed = e2e.Message.decode(content)
        self._show(phone, author, chat, device.device, node, parsed, content)
        if author is not phone:
            self._sender.send_receipt(phone, author, [message_id])

    def _peer(self, phone: Phone, device: Device, message_id: str, kind: int | None, content: bytes) -> None:
        """A companion asks its phone for something."""
        if kind == e2e.TYPE_KEY_REQUEST:
            self._sender.push_peer(phone, device, key_share(phone))
        elif kind == peer.TYPE_REQUEST:
            protocol = peer.PeerMessage.decode(content).protocol
            if protocol is not None and protocol.request is not None:
                self._core.phones.history.answer(phone, device, message_id, protocol.request)

    def local(self, phone: Phone, node: Node) -> None:
        """A message from another simulated phone."""
        author = self._core.world.by_number.get(node.attr("from"))
        content = node.data()
        if author is not None:
            self._show(phone, author, author, 0, node, e2e.Message.decode(content), content)

    def receipt(self, phone: Phone, node: Node) -> None:
        """A receipt of somebody's companion for messages of this phone, or a request to send one again."""
        origin = parse_jid(node.attr("from"))
        author = self._core.world.find(origin)
        if author is None:
            return
        kind = node.attrs.get("type", "")
        if kind in ("retry", "server-error"):
            device = author.devices.get(origin.device)
            if device is None:
                return
            if kind == "retry":
                self._sender.resend(phone, device, node)
            else:
                media_again.answer(self._core, phone, device, node)
            return
        state = {"read": "read", "played": "played", "": "delivered", "inactive": "delivered"}.get(kind)
        if state is not None:
            listed = node.child("list")
            ids = [node.attr("id"), *(item.attr("id") for item in (listed.children if listed else []))]
            self.advance(phone, author, ids, state)

    def advance(self, phone: Phone, peer: Phone, ids: list[str], state: str) -> None:
        """Note how far messages of this phone got with `peer`."""
        for message_id in ids:
            message = phone.find_message(peer.number, message_id, phone.number)
            if message is None or state in message.receipts:
                continue
            message.receipts[state] = now()
            self._core.world.save(message)
            self._core.phones.shown(message, added=False)

    def _show(
        self, phone: Phone, author: Phone, chat: Phone, by_device: int, node: Node, parsed: e2e.Message, content: bytes
    ) -> None:
        reading = e2e.read(parsed)
        if reading.hidden:
            return
        outgoing = author is phone
        message = phone.find_message(chat.number, node.attr("id"), author.number)
        added = message is None
        if message is None:
            message = self._new(phone, chat, by_device, node, outgoing=outgoing)
        message.deliveries += 1
        if added or message.undecryptable:
            was_unreadable = message.undecryptable
            message.type, message.body, message.quoted_id = reading.type, reading.body, reading.quoted_id
            message.media = media_of_reading(reading)
            message.undecryptable = False
            self._contents.keep(message, content)
            if outgoing:
                self._catch_up(message, chat)
            else:
                message.receipts.setdefault("delivered", now())
                if was_unreadable and not message.is_read:
                    phone.unread[message.id] = message
        if added:
            self._core.world.add_message(message)
        else:
            self._core.world.save(message)
        self._core.phones.shown(message, added=added)
        if not outgoing:
            self.advance(author, phone, [message.message_id], "delivered")
            if message.deliveries - message.failures == 1 and "automatic" not in node.attrs:
                self._core.phones.react(message, author)

    def _catch_up(self, message: Message, chat: Phone) -> None:
        # The receiving phone is usually served first, so its copy may be there (and read) already.
        received = chat.find_message(message.phone.number, message.message_id, message.phone.number)
        message.receipts["sent"] = message.timestamp
        if received is not None and received is not message and not received.undecryptable:
            message.receipts["delivered"] = now()
            if "read" in received.receipts:
                message.receipts["read"] = received.receipts["read"]

    def _new(self, phone: Phone, chat: Phone, by_device: int, node: Node, *, outgoing: bool) -> Message:
        stamp = node.attrs.get("t", "")
        return Message(
            id=self._core.world.new_message_id(),
            phone=phone,
            message_id=node.attr("id"),
            chat=chat.number,
            outgoing=outgoing,
            type="other",
            body="",
            timestamp=float(stamp) if stamp.isdecimal() else now(),
            is_read=outgoing,
            by_device=by_device if outgoing else 0,
        )

    def _duplicate(self, phone: Phone, author: Phone, chat: Phone, message_id: str) -> None:
        # The same ciphertext again (a client that was unsure repeats it): counted, confirmed, not shown.
        message = phone.find_message(chat.number, message_id, author.number)
        if message is not None:
            message.deliveries += 1
            self._core.world.save(message)
            self._core.phones.shown(message, added=False)
        if author is not phone:
            self._sender.send_receipt(phone, author, [message_id])

    def _undecryptable(self, phone: Phone, device: Device, chat: Phone, node: Node) -> None:
        self._core.counters.decrypt_failures += 1
        message = phone.find_message(chat.number, node.attr("id"), device.phone.number)
        added = message is None
        if message is None:
            message = self._new(phone, chat, device.device, node, outgoing=device.phone is phone)
            message.undecryptable = True
        message.deliveries += 1
        message.failures += 1
        if message.undecryptable:
            self._sender.request_retry(phone, device, node, message)
        if added:
            self._core.world.add_message(message)
        else:
            self._core.world.save(message)
        self._core.phones.shown(message, added=added)
