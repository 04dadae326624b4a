"""The simulated phones as a whole: what reaches them, what their owners do with them, and who is told."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING

from whatsim.model import Behaviour, Echo, EventKind, InvalidContent, NetworkEvent, Script, TextContent
from whatsim.phones.app_state import AppState, key_share
from whatsim.phones.contents import Contents, prepare_text
from whatsim.phones.incoming import Receiver
from whatsim.phones.outgoing import Sender
from whatsim.phones.sessions import Sessions
from whatsim.phones.views import message_view, phone_view
from whatsim.server.entities import Device, Message, Phone, now
from whatsim.wire.binary import Node, decode
from whatsim.wire.jid import LID_SERVER, USER_SERVER, parse_jid

if TYPE_CHECKING:
    from whatsim.server.connection import Connection
    from whatsim.server.core import Core


class Phones:
    """All phones share one object; an idle phone costs nothing but its row."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.sessions = Sessions(core)
        self.contents = Contents(core.store)
        self.app_state = AppState(core.store)
        self.sender = Sender(core, self.sessions, self.contents)
        self.receiver = Receiver(core, self.sessions, self.contents, self.sender)
        self._timers: set[asyncio.TimerHandle] = set()

    def close(self) -> None:
        """Forget answers that were still to be written."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    # --- from the server

    def receive(self, phone: Phone, node: Node) -> None:
        """Something has reached a phone that is online."""
        match node.tag:
            case "message":
                self.receiver.message(phone, node)
            case "local":
                self.receiver.local(phone, node)
            case "receipt":
                self.receiver.receipt(phone, node)
            case _:
                self._core.counters.count_unknown(f"{node.tag} to a phone")

    def greet(self, device: Device) -> None:
        """A companion is there for the first time: give it the app-state key and, by that, the push name."""
        if device.greeted:
            return
        phone = device.phone
        device.greeted = True
        self._core.world.save(device)
        self.app_state.ensure_push_name(phone)
        self.sender.push_peer(phone, device, key_share(phone))

    def read_elsewhere(self, reader: Device, author: Phone, kind: str, ids: list[str]) -> None:
        """A companion has read messages: its phone shows them as read, too."""
        if kind not in ("read", "read-self", "played"):
            return
        phone = reader.phone
        for message_id in ids:
            message = phone.find_message(author.number, message_id)
            if message is not None and not message.outgoing:
                self._mark(message)

    def sees_typing(self, phone: Phone, peer: Phone, *, composing: bool) -> None:
        """Somebody types to this phone."""
        if phone.online and self._core.events.watched:
            self._core.events.publish(
                NetworkEvent("typing", number=phone.number, chat=peer.number, composing=composing)
            )

    def presence(self, connection: Connection, device: Device, node: Node) -> None:
        """A companion tells its presence (ignored) or wants to be told a phone's."""
        if node.attrs.get("type") != "subscribe":
            return
        jid = parse_jid(node.attr("to"))
        phone = self._core.world.find(jid)
        if phone is not None:
            phone.watchers.add(device.id)
            connection.send(_presence(phone, jid.server))

    # --- by a phone's owner

    def mark_read(self, phone: Phone, chat: Phone, up_to: int | None) -> int:
        """Send read receipts for the chat's unread messages; returns how many."""
        unread = [
            message
            for message in phone.unread.values()
            if message.chat == chat.number and (up_to is None or message.id <= up_to)
        ]
        if not unread:
            return 0
        ids = [message.message_id for message in unread]
        for message in unread:
            self._mark(message)
        self.receiver.advance(chat, phone, ids, "read")
        self.sender.send_receipt(phone, chat, ids, "read")
        self.sender.send_read_self(phone, chat, ids)
        return len(unread)

    def typing(self, phone: Phone, peer: Phone, *, composing: bool) -> None:
        """Show the other side that this phone types."""
        server = self._core.world.addressing(phone, peer)
        attrs = {"from": phone.jid(server)}
        if server == LID_SERVER:
            attrs["sender_pn"] = phone.jid(USER_SERVER)
        node = Node("chatstate", attrs, [Node("composing" if composing else "paused")])
        for device in peer.devices.values():
            self._core.router.send_passing(device, node)
        self.sees_typing(peer, phone, composing=composing)

    def set_online(self, phone: Phone, *, online: bool) -> None:
        """Connect or disconnect the phone itself; what has waited is received now."""
        if phone.online == online:
            return
        phone.online = online
        self._core.world.save(phone)
        if online:
            for stanza in list(phone.inbox.values()):
                self.receive(phone, decode(stanza.data))
                self._core.world.dequeue(phone, stanza.key)
        for device_id in list(phone.watchers):
            device = self._core.world.devices.get(device_id)
            if device is None:
                phone.watchers.discard(device_id)
            else:
                self._core.router.send_passing(device, _presence(phone, LID_SERVER))
        self.link_changed(phone)

    # --- behaviours

    def react(self, message: Message, author: Phone) -> None:
        """Answer a new message as the phone's behaviour says."""
        if message.type != "text":
            return
        answer = answer_of(message.phone.behaviour, message.body)
        if answer is None:
            return
        text, delay_s = answer
        if delay_s <= 0:
            self._reply(message.phone, author, text)
            return
        self._timers = {timer for timer in self._timers if timer.when() > asyncio.get_running_loop().time()}
        reply = partial(self._reply, message.phone, author, text)
        self._timers.add(asyncio.get_running_loop().call_later(delay_s, reply))

    def _reply(self, phone: Phone, author: Phone, text: str) -> None:
        # An echo may have grown too long; then there is no answer.
        with contextlib.suppress(InvalidContent):
            self.sender.send(phone, author, prepare_text(TextContent(text), phone, author), automatic=True)

    # --- events

    def shown(self, message: Message, *, added: bool) -> None:
        """A message is new or has changed; watchers hear of it once it is durable."""
        if self._core.events.watched:
            kind: EventKind = "message_added" if added else "message_changed"
            self._core.store.on_commit(partial(self._publish_message, kind, message))

    def link_changed(self, phone: Phone) -> None:
        """A phone's links or connections have changed."""
        if self._core.events.watched:
            self._publish_phone("link_changed", phone)

    def phone_event(self, kind: EventKind, phone: Phone) -> None:
        """A phone is new or has changed."""
        if self._core.events.watched:
            self._publish_phone(kind, phone)

    def _publish_message(self, kind: EventKind, message: Message) -> None:
        self._core.events.publish(NetworkEvent(kind, number=message.phone.number, message=message_view(message)))

    def _publish_phone(self, kind: EventKind, phone: Phone) -> None:
        self._core.events.publish(NetworkEvent(kind, number=phone.number, phone=phone_view(phone)))

    def _mark(self, message: Message) -> None:
        if not message.is_read:
            message.is_read = True
            message.receipts.setdefault("read", now())
            message.phone.unread.pop(message.id, None)
            self._core.world.save(message)
            self.shown(message, added=False)


def answer_of(behaviour: Behaviour, text: str) -> tuple[str, float] | None:
    """Return what a behaviour answers to a text and after how many seconds; None for silence."""
    if isinstance(behaviour, Echo):
        return behaviour.prefix + text, behaviour.delay_s
    if isinstance(behaviour, Script):
        for rule in behaviour.rules:
            if rule.match.casefold() in text.casefold():
                return rule.reply, rule.delay_s
    return None


def _presence(phone: Phone, server: str) -> Node:
    attrs = {"from": phone.jid(server)}
    if not phone.online:
        attrs["type"] = "unavailable"
        attrs["last"] = str(int(now()))
    return Node("presence", attrs)
