"""All phones with their devices, queues and messages; every change is handed to the store."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

from whatsim.model import MessageType, PhoneNotFound
from whatsim.server.entities import PREKEY_SIZE, Device, Message, Phone, PrekeyBatch, QueuedStanza, load_behaviour
from whatsim.server.profiles import load_profile
from whatsim.server.store import Row, Store
from whatsim.wire.curve import derive_private
from whatsim.wire.jid import LID_SERVER, USER_SERVER, Jid
from whatsim.wire.signal import SignedKey


class World:
    """All phones, found by number, LID or id."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.by_number: dict[str, Phone] = {}
        self.by_lid: dict[str, Phone] = {}
        self.by_id: dict[int, Phone] = {}
        self.devices: dict[int, Device] = {}
        self._next_device_row = 1
        self._next_message = 1
        self._next_seq = 1
        self._load()

    def phone(self, number: str) -> Phone:
        """Return the phone with this number. Raises PhoneNotFound."""
        try:
            return self.by_number[number.removeprefix("+")]
        except KeyError:
            raise PhoneNotFound(f"There is no simulated phone with the number {number}.") from None

    def find(self, jid: Jid) -> Phone | None:
        """Return the phone that an address belongs to."""
        return (self.by_lid if jid.is_lid else self.by_number).get(jid.user)

    def find_device(self, jid: Jid) -> Device | None:
        """Return the confirmed companion with this address."""
        phone = self.find(jid)
        return phone.devices.get(jid.device) if phone is not None else None

    def add_phone(self, number: str, name: str) -> Phone:
        phone_id = max(self.by_id, default=0) + 1
        seed = os.urandom(32)
        # LIDs have 15 digits and say nothing about the number.
        lid = str(100_000_000_000_000 + int.from_bytes(derive_private(seed, "lid")[:6], "big") % 10**14)
        phone = Phone(phone_id, number, name, lid, seed, int.from_bytes(os.urandom(3), "big") + 1)
        self._index(phone)
        self.save(phone)
        return phone

    def save(self, item: Phone | Device | Message) -> None:
        """Write the item's row with the next commit."""
        table = "phones" if isinstance(item, Phone) else "devices" if isinstance(item, Device) else "messages"
        self.store.put(table, item.id, item)

    def save_profile(self, phone: Phone) -> None:
        """Write the phone's profile with the next commit."""
        self.store.put("profiles", phone.id, phone.profile)

    def new_device_row(self) -> int:
        row = self._next_device_row
        self._next_device_row += 1
        return row

    def add_message(self, message: Message) -> None:
        """Show a message in its phone."""
        phone = message.phone
        phone.messages.append(message)
        self._index_message(message)
        self.save(message)

    def new_message_id(self) -> int:
        number = self._next_message
        self._next_message += 1
        return number

    def enqueue(self, owner: Device | Phone, key: str, data: bytes) -> QueuedStanza:
        """Keep a stanza until it is confirmed. One with the same key is replaced by it, in its place."""
        queue = owner.queue if isinstance(owner, Device) else owner.inbox
        old = queue.get(key)
        if old is None:
            stanza = QueuedStanza(self._next_seq, key, data)
            self._next_seq += 1
        else:
            stanza = QueuedStanza(old.seq, key, data, skip_acks=old.skip_acks)
        queue[key] = stanza
        # Phones' own queues carry the negative id, so that both kinds of owners fit one column.
        owner_id = owner.id if isinstance(owner, Device) else -owner.id
        self.store.put("queue", stanza.seq, (stanza.seq, owner_id, key, data))
        return stanza

    def dequeue(self, owner: Device | Phone, key: str) -> bool:
        """Forget a confirmed stanza; returns whether there was one."""
        queue = owner.queue if isinstance(owner, Device) else owner.inbox
        stanza = queue.pop(key, None)
        if stanza is None:
            return False
        self.store.delete("queue", stanza.seq)
        return True

    def add_prekeys(self, device: Device, keys: bytes) -> None:
        """Keep an uploaded batch (35 bytes each).

        A client that was cut off before it knew of its success uploads the same keys again; those are kept once.
        """
        known = {number for batch in device.prekeys for number in batch.numbers()}
        entries = [keys[at : at + PREKEY_SIZE] for at in range(0, len(keys), PREKEY_SIZE)]
        keys = b"".join(entry for entry in entries if entry[:3] not in known)
        if not keys:
            return
        batch = PrekeyBatch(max((batch.batch for batch in device.prekeys), default=0) + 1, keys)
        device.prekeys.append(batch)
        self.store.put("prekeys", (device.id, batch.batch), (device.id, batch.batch, keys))

    def take_prekey(self, device: Device) -> tuple[int, bytes] | None:
        """Hand out a companion's next one-time key, each only once; None when there is none left."""
        while device.prekeys and not device.prekeys[0].left:
            empty = device.prekeys.pop(0)
            self.store.delete("prekeys", (device.id, empty.batch))
            self.store.delete("prekeys_used", (device.id, empty.batch))
        if not device.prekeys:
            return None
        batch = device.prekeys[0]
        entry = batch.keys[batch.used * PREKEY_SIZE : (batch.used + 1) * PREKEY_SIZE]
        batch.used += 1
        self.store.put("prekeys_used", (device.id, batch.batch), (device.id, batch.batch, batch.used))
        return int.from_bytes(entry[:3], "big"), entry[3:]

    def forget_prekeys(self, device: Device) -> None:
        """Drop a companion's one-time keys that are left."""
        for batch in device.prekeys:
            self.store.delete("prekeys", (device.id, batch.batch))
            self.store.delete("prekeys_used", (device.id, batch.batch))
        device.prekeys.clear()

    def take_phone_prekey(self, phone: Phone) -> tuple[int, bytes]:
        """Hand out one of a phone's one-time keys."""
        number = phone.next_prekey
        phone.next_prekey += 1
        self.save(phone)
        pair = phone.prekey(number)
        assert pair is not None
        return number, pair.public

    def drop_device(self, device: Device) -> None:
        """Forget a companion and everything that was kept for it. Its number is not given out again."""
        phone = device.phone
        phone.devices.pop(device.device, None)
        phone.pending.pop(device.device, None)
        phone.key_index_list = None
        self.devices.pop(device.id, None)
        for stanza in list(device.queue.values()):
            self.dequeue(device, stanza.key)
        self.forget_prekeys(device)
        self.store.delete("devices", device.id)

    def all_devices(self) -> Iterator[Device]:
        return iter(self.devices.values())

    def set_addressing(self, phone: Phone, peer: Phone, server: str) -> None:
        """Remember by which kind of address `peer` talks to `phone`."""
        if phone.addressing.get(peer.id, LID_SERVER) != server:
            phone.addressing[peer.id] = server
            self.store.put("addressing", (phone.id, peer.id), (phone.id, peer.id, server))

    def addressing(self, phone: Phone, peer: Phone) -> str:
        """Return the kind of address to use between the two; LIDs unless the peer has used its number."""
        server = phone.addressing.get(peer.id, LID_SERVER)
        return server if server in (LID_SERVER, USER_SERVER) else LID_SERVER

    def _index(self, phone: Phone) -> None:
        self.by_number[phone.number] = phone
        self.by_lid[phone.lid] = phone
        self.by_id[phone.id] = phone

    def _index_message(self, message: Message) -> None:
        phone = message.phone
        other = phone.by_message_id.setdefault(message.message_id, message)
        if other is not message:
            phone.doubles.setdefault(message.message_id, []).append(message)
        phone.chats.add(message.chat)
        if not message.outgoing and not message.is_read and not message.undecryptable:
            phone.unread[message.id] = message

    def _load(self) -> None:
        read = self.store.read
        for row in read("SELECT * FROM phones ORDER BY id"):
            phone = Phone(row[0], row[1], row[2], row[3], row[4], row[7], bool(row[5]), load_behaviour(row[6]))
            phone.next_device, phone.next_key_index, phone.next_prekey = row[8:11]
            self._index(phone)
        for phone_id, data in read("SELECT * FROM profiles"):
            self.by_id[phone_id].profile = load_profile(data)
        for row in read("SELECT * FROM devices ORDER BY id"):
            self._load_device(row)
        for device_id, batch, keys, used in read(
            "SELECT p.device, p.batch, p.keys, coalesce(u.used, 0) FROM prekeys p"
            " LEFT JOIN prekeys_used u USING (device, batch) ORDER BY p.device, p.batch"
        ):
            if device_id in self.devices:
                self.devices[device_id].prekeys.append(PrekeyBatch(batch, keys, used))
        for seq, owner_id, key, data in read("SELECT * FROM queue ORDER BY seq"):
            owner = self.devices.get(owner_id) if owner_id > 0 else self.by_id.get(-owner_id)
            if owner is not None:
                queue = owner.queue if isinstance(owner, Device) else owner.inbox
                queue[key] = QueuedStanza(seq, key, data, ready=True)
            self._next_seq = seq + 1
        for phone_id, peer, server in read("SELECT * FROM addressing"):
            self.by_id[phone_id].addressing[peer] = server
        of_groups = {row[0]: row for row in read("SELECT * FROM group_messages")}
        for row in read("SELECT * FROM messages ORDER BY id"):
            self._load_message(row, of_groups.get(row[0]))
        extras: dict[int, str] = {row[0]: row[1] for row in read("SELECT * FROM message_extras")}
        for phone in self.by_id.values():
            for message in phone.messages:
                message.extra = json.loads(extras.get(message.id, "{}"))

    def _load_device(self, row: Row) -> None:
        phone = self.by_id[row[1]]
        device = Device(
            id=row[0],
            phone=phone,
            device=row[2],
            noise=row[3],
            identity=row[4],
            registration_id=row[5],
            signed_key=SignedKey(row[6], row[7], row[8]),
            key_index=row[9],
            platform=row[10],
            linked_at=row[11],
            confirmed=bool(row[12]),
            greeted=bool(row[13]),
            details=row[14],
        )
        (phone.devices if device.confirmed else phone.pending)[device.device] = device
        self.devices[device.id] = device
        self._next_device_row = device.id + 1

    def _load_message(self, row: Row, of_group: Row | None) -> None:
        message_type: MessageType = row[5]
        message = Message(
            row[0], self.by_id[row[1]], row[2], row[3], bool(row[4]), message_type, row[6], row[7], *row[8:11]
        )
        message.is_read, message.undecryptable, message.by_device = bool(row[11]), bool(row[12]), row[13]
        message.quoted_id = row[14]
        message.media = json.loads(row[15]) if row[15] else None
        message.receipts = json.loads(row[16])
        if of_group is not None:
            message.author, message.reached = of_group[1], json.loads(of_group[2])
        message.phone.messages.append(message)
        self._index_message(message)
        self._next_message = message.id + 1
