"""The simulated phones as a whole: what reaches them, what their owners do with them, and who is told."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, get_args

from whatsim.language import LanguageContent
from whatsim.model import (
    Behaviour,
    Echo,
    EventKind,
    InvalidContent,
    NetworkEvent,
    OutgoingContent,
    Script,
    TextContent,
)
from whatsim.phones.app_state import AppState, key_share
from whatsim.phones.contents import Contents, Prepared, prepare, prepare_text
from whatsim.phones.groups import PhoneGroups
from whatsim.phones.history import History
from whatsim.phones.incoming import Receiver
from whatsim.phones.language import Language
from whatsim.phones.outgoing import Sender, sender_address
from whatsim.phones.people import People
from whatsim.phones.sessions import Sessions
from whatsim.phones.settings import PhoneSettings
from whatsim.phones.views import message_view, phone_view
from whatsim.phones.writing import Writer
from whatsim.server.entities import Device, Message, Phone, now
from whatsim.server.groups import GROUP_SERVER
from whatsim.wire.binary import Node, decode
from whatsim.wire.jid import LID_SERVER, parse_jid

if TYPE_CHECKING:
    from whatsim.server.connection import Connection
    from whatsim.server.core import Core

log = logging.getLogger(__name__)


class Phones:
    """All phones share one object; an idle phone costs nothing but its row."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.sessions = Sessions(core)
        self.contents = Contents(core.store)
        self.language = Language(core, self.contents)
        self.contents.on_keep = self.language.take
        self.app_state = AppState(core.store)
        self.people = People(core)
        self.settings = PhoneSettings(core, self.app_state)
        self.sender = Sender(core, self.sessions, self.contents)
        self.receiver = Receiver(core, self.sessions, self.contents, self.sender)
        self.groups = PhoneGroups(core, self.sessions, self.contents, self.sender)
        self.history = History(core, self.contents, self.sender)
        self._timers: set[asyncio.TimerHandle] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def prepare(
        self, content: OutgoingContent, phone: Phone, author: Phone, *, group: str | None = None
    ) -> Prepared:
        """Check and serialise what a phone sends to `author`, or to a `group` (see `contents.prepare`)."""
        if isinstance(content, get_args(LanguageContent)):
            chat, address = (group, group) if group else (author.number, author.jid(LID_SERVER))
            return Writer(self.contents, self.language, phone, chat, address).write(content)
        return await prepare(content, phone, author, self._core.media_host, group=group)

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something in the background, until it is done or the network closes."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("A phone's work has failed", exc_info=task.exception())

    def close(self) -> None:
        """Forget answers that were still to be written, and what was being prepared."""
        for task in self._tasks:
            task.cancel()
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    # --- from the server

    def receive(self, phone: Phone, node: Node) -> None:
        """Something has reached a phone that is online."""
        reader: Receiver | PhoneGroups = self.groups if _is_of_group(node) else self.receiver
        match node.tag:
            case "message":
                reader.message(phone, node)
            case "local":
                reader.local(phone, node)
            case "receipt":
                reader.receipt(phone, node)
            case _:
                self._core.counters.count_unknown(f"{node.tag} to a phone")

    def greet(self, device: Device) -> None:
        """A companion is there for the first time: give it the app-state key (by that, the push name) and history."""
        if device.greeted:
            return
        phone = device.phone
        self.settings.ensure_push_name(phone)  # before: nobody is told of a change that they have no key for
        device.greeted = True
        self._core.world.save(device)
        self.sender.push_peer(phone, device, key_share(phone))
        self.history.hand_over(device)

    def read_elsewhere(self, reader: Device, author: Phone, kind: str, ids: list[str]) -> None:
        """A companion has read messages: its phone shows them as read, too."""
        if kind not in ("read", "read-self", "played"):
            return
        phone = reader.phone
        for message_id in ids:
            message = phone.find_message(author.number, message_id, author.number)
            if message is not None:
                self.mark(message)

    def sees_typing(self, phone: Phone, peer: Phone, *, composing: bool) -> None:
        """Somebody types to this phone."""
        if phone.online and self._core.events.watched:
            self._core.events.publish(
                NetworkEvent("typing", number=phone.number, chat=peer.number, composing=composing)
            )

    def presence(self, connection: Connection, device: Device, node: Node) -> None:
        """A companion tells its presence, or wants to be told a phone's; for as long as its connection stands."""
        kind = node.attrs.get("type", "available")
        if kind in ("available", "unavailable"):
            connection.available = kind == "available"
            return
        jid = parse_jid(node.attr("to"))
        phone = self._core.world.find(jid)
        if phone is None:
            return
        if kind == "unsubscribe":
            connection.watching.discard(phone.id)
        elif kind == "subscribe":
            phone.watchers.add(device.id)
            connection.watching.add(phone.id)
            self._show_presence(phone, device, jid.server)

    def _show_presence(self, phone: Phone, device: Device, server: str) -> None:
        """Tell a companion whether a phone is there, as far as its owner lets others know."""
        privacy = phone.profile.privacy
        hides_last = not phone.profile.allows("last")
        if (privacy.get("online") == "match_last_seen" and hides_last) or device.phone.id in phone.profile.blocked:
            return
        attrs = {"from": phone.jid(server)}
        if not phone.online:
            attrs |= {"type": "unavailable", "last": "deny" if hides_last else str(int(now()))}
        self._core.router.send_passing(device, Node("presence", attrs))

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
            self.mark(message)
        self.receiver.advance(chat, phone, ids, "read")
        self.sender.send_receipt(phone, chat, ids, "read")
        self.sender.send_read_self(phone, chat, ids)
        return len(unread)

    def typing(self, phone: Phone, peer: Phone, *, composing: bool) -> None:
        """Show the other side that this phone types."""
        if phone.id in peer.profile.blocked:
            return
        server, other_address = sender_address(phone, peer, self._core.world.addressing(phone, peer))
        attrs = {"from": phone.jid(server), **other_address}
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
            connection = device.connection if device is not None else None
            if device is None or connection is None or phone.id not in connection.watching:
                phone.watchers.discard(device_id)
            else:
                self._show_presence(phone, device, LID_SERVER)
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
        self.later(delay_s, partial(self._reply, message.phone, author, text))

    def later(self, delay_s: float, act: Callable[[], object]) -> None:
        """Do something after a while, unless the network closes before."""
        self._timers = {timer for timer in self._timers if timer.when() > asyncio.get_running_loop().time()}
        self._timers.add(asyncio.get_running_loop().call_later(delay_s, act))

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

    def mark(self, message: Message) -> None:
        """Show a message as read."""
        if not message.is_read:
            message.is_read = True
            message.receipts.setdefault("read", now())
            message.phone.unread.pop(message.id, None)
            self._core.world.save(message)
            self.shown(message, added=False)


def _is_of_group(node: Node) -> bool:
    return "group" in node.attrs or parse_jid(node.attrs.get("from", "")).server == GROUP_SERVER


def answer_of(behaviour: Behaviour, text: str) -> tuple[str, float] | None:
    """Return what a behaviour answers to a text and after how many seconds; None for silence."""
    if isinstance(behaviour, Echo):
        return behaviour.prefix + text, behaviour.delay_s
    if isinstance(behaviour, Script):
        for rule in behaviour.rules:
            if rule.match.casefold() in text.casefold():
                return rule.reply, rule.delay_s
    return None
