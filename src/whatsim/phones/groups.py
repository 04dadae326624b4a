"""Phones as members of groups: their sender keys, what they write to groups and read there."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from whatsim.model import InvalidContent, Script, TextContent
from whatsim.phones.contents import Contents, Prepared, media_of_reading, prepare_text
from whatsim.phones.outgoing import MAX_RETRIES, Sender, new_message_id
from whatsim.phones.sessions import Sessions
from whatsim.server.entities import Device, Message, Phone, now
from whatsim.server.group_router import STATUS_JID, participant
from whatsim.server.groups import Group
from whatsim.server.queries.keys import phone_retry_keys
from whatsim.server.stanzas import number_bytes, timestamp
from whatsim.server.store import Row
from whatsim.wire import e2e
from whatsim.wire.binary import Node
from whatsim.wire.errors import WireError
from whatsim.wire.jid import LID_SERVER, USER_SERVER, parse_jid
from whatsim.wire.sender_keys import SenderKeys
from whatsim.wire.signal import DuplicateMessage

if TYPE_CHECKING:
    from whatsim.server.core import Core

log = logging.getLogger(__name__)

_Key = tuple[int, str, int, int]


@dataclass(slots=True)
class _Entry:
    key: _Key
    keys: SenderKeys

    def row(self) -> Row:
        return (*self.key, self.keys.dump())


class PhoneGroups:
    """Sender keys by phone, group, and the other side's phone and device (0 and 0 for the phone's own)."""

    def __init__(self, core: Core, sessions: Sessions, contents: Contents, sender: Sender) -> None:
        self._core = core
        self._store = core.store
        self._sessions = sessions
        self._contents = contents
        self._sender = sender
        self._entries: dict[_Key, _Entry] = {}

    # --- writing

    def send(self, phone: Phone, group: Group, prepared: Prepared, *, automatic: bool = False) -> Message:
        """Send to all members' devices and show the message on their phones; returns the sender's."""
        message = self._new(phone, group, new_message_id(), now(), outgoing=True)
        message.type, message.body, message.quoted_id = prepared.type, prepared.body, prepared.quoted_id
        message.media, message.is_read, message.receipts = prepared.media, True, {"sent": now()}
        self._add(message)
        self._contents.keep(message, prepared.data)
        self._core.phones.shown(message, added=True)
        devices = list(self._core.groups.devices(group))
        self._push(phone, group.jid, participant(group, phone), devices, message, prepared)
        for member in self._core.groups.members(group):
            if member is not phone:
                attrs = {"from": phone.number, "group": group.jid, "id": message.message_id, "t": timestamp()}
                if automatic:
                    attrs["automatic"] = "1"
                self._core.router.to_phone(member, Node("local", attrs, prepared.data))
        return message

    def post_status(self, phone: Phone, prepared: Prepared) -> str:
        """Post a status: the companions of everybody the phone has a chat with receive it; returns its id."""
        by_number = self._core.world.by_number
        message = Message(0, phone, new_message_id(), STATUS_JID, True, prepared.type, prepared.body, now())
        friends = [by_number[number] for number in phone.chats if number in by_number]
        devices = [device for friend in friends for device in friend.devices.values()]
        lid, number = phone.jid(LID_SERVER), phone.jid(USER_SERVER)
        named = {"participant": lid, "participant_pn": number, "addressing_mode": "lid"}
        self._push(phone, STATUS_JID, named, devices, message, prepared)
        return message.message_id

    def publish(self, channel: str, followers: list[Phone], prepared: Prepared) -> str:
        """Post to a channel, which nothing encrypts, for the companions of its followers; returns the post's id."""
        message_id = new_message_id()
        attrs = {"from": channel, "id": message_id, "server_id": timestamp(), "type": "text", "t": timestamp()}
        for device in (device for phone in followers for device in phone.devices.values()):
            self._core.router.push(device, Node("message", dict(attrs), [Node("plaintext", {}, prepared.data)]))
        return message_id

    def _push(
        self,
        phone: Phone,
        chat: str,
        named: dict[str, str],
        devices: list[Device],
        message: Message,
        prepared: Prepared,
    ) -> None:
        entry = self._entry(phone, chat, 0, 0)
        distribution = entry.keys.distribution()
        enc = {"v": "2", "type": "skmsg"}
        if prepared.media_type:
            enc["mediatype"] = prepared.media_type
        shared = Node("enc", enc, entry.keys.encrypt(e2e.pad(prepared.data)))
        for device in devices:
            children = [shared]
            if str(device.id) not in entry.keys.given:
                entry.keys.given.add(str(device.id))
                content = e2e.Message(sender_key=e2e.SenderKeyDistribution(chat, distribution))
                kind, sealed = self._sessions.encrypt(phone, device, content.encode())
                children.insert(0, Node("enc", {"v": "2", "type": kind}, sealed))
            attrs = {
                "from": chat,
                "id": message.message_id,
                "type": prepared.stanza_type,
                "t": str(int(message.timestamp)),
                "notify": phone.name,
                **named,
            }
            self._core.router.push(device, Node("message", attrs, children))
        self._save_keys(entry)

    def mark_read(self, phone: Phone, group: Group, up_to: int | None) -> int:
        """Send read receipts for the group's unread messages; returns how many."""
        unread = [
            message
            for message in phone.unread.values()
            if message.chat == group.jid and (up_to is None or message.id <= up_to)
        ]
        by_author: dict[str, list[str]] = {}
        for message in unread:
            by_author.setdefault(message.author, []).append(message.message_id)
            self._core.phones.mark(message)
        for number, ids in by_author.items():
            author = self._core.world.by_number.get(number)
            if author is not None:
                self._advance(author, group, phone, ids, "read")
                self._send_receipt(phone, group, author, ids, "read")
        return len(unread)

    def typing(self, phone: Phone, group: Group, *, composing: bool) -> None:
        """Show the other members' devices that this phone types."""
        attrs = {"from": group.jid, **participant(group, phone)}
        state = Node("composing" if composing else "paused")
        for device in self._core.groups.devices(group):
            if device.phone is not phone:
                self._core.router.send_passing(device, Node("chatstate", attrs, [state]))

    def forget_keys(self, group: Group) -> None:
        """Somebody has left: every phone begins a new chain with its next message."""
        rows = self._store.read("SELECT phone FROM sender_keys WHERE group_id = ? AND peer = 0", group.jid)
        known = {key[0] for key in self._entries if key[1] == group.jid and key[2] == 0}
        for phone_id in known | {row[0] for row in rows}:
            phone = self._core.world.by_id.get(phone_id)
            if phone is not None:
                entry = self._entry(phone, group.jid, 0, 0)
                entry.keys.forget()
                self._save_keys(entry)

    def forget_sender(self, phone: Phone, group: Group, device: Device) -> None:
        """Lose what a device's messages in a group are read with (to try out how clients recover)."""
        entry = self._entry(phone, group.jid, device.phone.id, device.device)
        entry.keys = SenderKeys()
        self._save_keys(entry)

    # --- reading

    def message(self, phone: Phone, node: Node) -> None:
        """A message of somebody's companion in a group."""
        group = self._core.groups.find(node.attr("from"))
        origin = parse_jid(node.attrs.get("participant", ""))
        author = self._core.world.find(origin)
        device = author.devices.get(origin.device) if author is not None else None
        if group is None or author is None or device is None:
            return
        content: bytes | None = None
        is_double = False
        entry = self._entry(phone, group.jid, author.id, device.device)
        for enc in (child for child in node.children if child.tag == "enc"):
            try:
                if enc.attrs.get("type") == "skmsg":
                    content = e2e.unpad(entry.keys.decrypt(enc.data()))
                else:
                    content = self._sessions.decrypt(phone, device, enc.attrs.get("type", ""), enc.data())
                    key = e2e.Message.decode(content).sender_key
                    if key is not None and key.data:
                        entry.keys.learn(key.data)
            except DuplicateMessage:
                is_double = True
            except WireError as error:
                log.info("Phone %s cannot read %s: %s", phone.number, node.attr("id"), error)
                if enc.attrs.get("type") == "skmsg" or len(node.children) == 1:
                    self._undecryptable(phone, group, device, node)
                    return
        self._save_keys(entry)
        if content is not None and not is_double:
            self._show(phone, group, author, node, content, by_device=device.device)
        if author is not phone:
            self._send_receipt(phone, group, author, [node.attr("id")])

    def local(self, phone: Phone, node: Node) -> None:
        """A message from another simulated phone."""
        group = self._core.groups.find(node.attr("group"))
        author = self._core.world.by_number.get(node.attr("from"))
        if group is not None and author is not None:
            self._show(phone, group, author, node, node.data())

    def receipt(self, phone: Phone, node: Node) -> None:
        """A receipt of a member's companion for messages of this phone, or a request to send one again."""
        group = self._core.groups.find(node.attr("from"))
        origin = parse_jid(node.attrs.get("participant", ""))
        reader = self._core.world.find(origin)
        if group is None or reader is None:
            return
        kind = node.attrs.get("type", "")
        if kind == "retry":
            device = reader.devices.get(origin.device)
            if device is not None:
                self._resend(phone, group, device, node)
            return
        state = {"read": "read", "played": "played", "": "delivered", "inactive": "delivered"}.get(kind)
        if state is not None:
            listed = node.child("list")
            ids = [node.attr("id"), *(item.attr("id") for item in (listed.children if listed else []))]
            self._advance(phone, group, reader, ids, state)

    def read_elsewhere(self, phone: Phone, group: Group, author: Phone, ids: list[str]) -> None:
        """The owner has read messages of `author` on a companion."""
        for message_id in ids:
            message = phone.find_message(group.jid, message_id, author.number)
            if message is not None and not message.outgoing:
                self._core.phones.mark(message)

    def _show(
        self, phone: Phone, group: Group, author: Phone, node: Node, content: bytes, *, by_device: int = 0
    ) -> None:
        reading = e2e.read(e2e.Message.decode(content))
        if reading.hidden or (reading.type == "other" and e2e.Message.decode(content).sender_key is not None):
            return
        outgoing = author is phone
        message = phone.find_message(group.jid, node.attr("id"), author.number)
        added = message is None
        if message is None:
            message = self._new(phone, group, node.attr("id"), _time(node), outgoing=outgoing)
            message.author, message.by_device = author.number, by_device if outgoing else 0
        message.deliveries += 1
        if added or message.undecryptable:
            message.type, message.body, message.quoted_id = reading.type, reading.body, reading.quoted_id
            message.media, message.undecryptable = media_of_reading(reading), False
            self._contents.keep(message, content)
            if outgoing:
                message.receipts.setdefault("sent", message.timestamp)
            elif not message.is_read:
                message.receipts.setdefault("delivered", now())
                if not added:
                    phone.unread[message.id] = message
        if added:
            self._add(message)
        else:
            self._save(message)
        self._core.phones.shown(message, added=added)
        if not outgoing:
            self._advance(author, group, phone, [message.message_id], "delivered")
            if added and "automatic" not in node.attrs:
                self._react(message, group)

    def _react(self, message: Message, group: Group) -> None:
        """In groups only scripts answer, in the group: echoes of echoes would never end."""
        behaviour, phone = message.phone.behaviour, message.phone
        if not isinstance(behaviour, Script) or message.type != "text" or not self._core.groups.may_write(group, phone):
            return
        for rule in behaviour.rules:
            if rule.match.casefold() in message.body.casefold():
                try:
                    prepared = prepare_text(TextContent(rule.reply), phone, phone)
                except InvalidContent:
                    return
                self._core.phones.later(rule.delay_s, partial(self.send, phone, group, prepared, automatic=True))
                return

    def _advance(self, phone: Phone, group: Group, reader: Phone, ids: list[str], state: str) -> None:
        """Note how far messages of this phone got with one member; a message is delivered when all have it."""
        others = {number.number for number in self._core.groups.members(group) if number is not phone}
        for message_id in ids:
            message = phone.find_message(group.jid, message_id, phone.number)
            if message is None or state in message.reached.get(reader.number, {}):
                continue
            message.reached.setdefault(reader.number, {})[state] = now()
            if others <= {number for number, states in message.reached.items() if state in states}:
                message.receipts.setdefault(state, now())
            self._save(message)
            self._core.phones.shown(message, added=False)

    def _undecryptable(self, phone: Phone, group: Group, device: Device, node: Node) -> None:
        self._core.counters.decrypt_failures += 1
        message = phone.find_message(group.jid, node.attr("id"), device.phone.number)
        added = message is None
        if message is None:
            message = self._new(phone, group, node.attr("id"), _time(node), outgoing=device.phone is phone)
            message.author, message.undecryptable = device.phone.number, True
        message.deliveries += 1
        message.failures += 1
        if message.undecryptable and message.retries < MAX_RETRIES:
            message.retries += 1
            self._request_retry(phone, group, device, node, message)
        if added:
            self._add(message)
        else:
            self._save(message)
        self._core.phones.shown(message, added=added)

    def _request_retry(self, phone: Phone, group: Group, device: Device, node: Node, message: Message) -> None:
        number, key = self._core.world.take_phone_prekey(phone)
        attrs = {"from": group.jid, "id": message.message_id, "type": "retry", "t": timestamp()}
        retry = {"count": str(message.retries), "id": message.message_id, "t": node.attrs.get("t", ""), "v": "1"}
        children = [
            Node("retry", retry),
            Node("registration", {}, number_bytes(phone.identity.registration_id, 4)),
            phone_retry_keys(phone, number, key),
        ]
        self._core.counters.retry_requests += 1
        self._core.router.push(device, Node("receipt", {**attrs, **participant(group, phone)}, children))

    def _resend(self, phone: Phone, group: Group, device: Device, node: Node) -> None:
        retry = node.child("retry")
        if retry is None:
            return
        message_id = retry.attrs.get("id", node.attrs.get("id", ""))
        message = phone.find_message(group.jid, message_id, phone.number)
        content = self._contents.find(message) if message is not None else None
        self._sessions.restart(phone, device, self._sender.retry_bundle(device, node))
        if message is None or content is None:
            return
        message.retries += 1
        self._save(message)
        entry = self._entry(phone, group.jid, 0, 0)
        key = e2e.Message(sender_key=e2e.SenderKeyDistribution(group.jid, entry.keys.distribution()))
        entry.keys.given.add(str(device.id))
        self._save_keys(entry)
        # Serialised messages can be joined: the fields of both count.
        kind, sealed = self._sessions.encrypt(phone, device, content + key.encode())
        reading = e2e.read(e2e.Message.decode(content))
        attrs = {
            "from": group.jid,
            "id": message_id,
            "type": "media" if reading.media is not None else "text",
            "t": str(int(message.timestamp)),
            "notify": phone.name,
            **participant(group, phone),
        }
        enc = {"v": "2", "type": kind, "count": retry.attrs.get("count", "1")}
        self._core.router.push(device, Node("message", attrs, [Node("enc", enc, sealed)]))
        self._core.phones.shown(message, added=False)

    def _send_receipt(self, phone: Phone, group: Group, author: Phone, ids: list[str], kind: str = "") -> None:
        if not ids:
            return
        attrs = {"from": group.jid, "id": ids[0], "t": timestamp(), **participant(group, phone)}
        if kind:
            attrs["type"] = kind
        items = [Node("item", {"id": message_id}) for message_id in ids[1:]]
        content = [Node("list", {}, items)] if items else None
        for device in author.devices.values():
            self._core.router.push(device, Node("receipt", dict(attrs), content))

    # --- state

    def _new(self, phone: Phone, group: Group, message_id: str, at: float, *, outgoing: bool) -> Message:
        message = Message(
            id=self._core.world.new_message_id(),
            phone=phone,
            message_id=message_id,
            chat=group.jid,
            outgoing=outgoing,
            type="other",
            body="",
            timestamp=at,
            is_read=outgoing,
        )
        message.author = phone.number if outgoing else ""
        return message

    def _add(self, message: Message) -> None:
        self._core.world.add_message(message)
        self._save_author(message)

    def _save(self, message: Message) -> None:
        self._core.world.save(message)
        self._save_author(message)

    def _save_author(self, message: Message) -> None:
        row = (message.id, message.author, json.dumps(message.reached))
        self._store.put("group_messages", message.id, row)

    def _save_keys(self, entry: _Entry) -> None:
        self._store.put("sender_keys", entry.key, entry)

    def _entry(self, phone: Phone, group: str, peer: int, device: int) -> _Entry:
        key = (phone.id, group, peer, device)
        entry = self._entries.get(key)
        if entry is None:
            rows = self._store.read(
                "SELECT record FROM sender_keys WHERE phone = ? AND group_id = ? AND peer = ? AND device = ?", *key
            )
            entry = self._entries[key] = _Entry(key, SenderKeys.load(rows[0][0]) if rows else SenderKeys())
        return entry


def _time(node: Node) -> float:
    stamp = node.attrs.get("t", "")
    return float(stamp) if stamp.isdecimal() else now()
