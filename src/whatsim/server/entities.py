"""Phones, companion devices and messages: what the network keeps of each, and the row that stores it."""

from __future__ import annotations

import bisect
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from whatsim.model import Behaviour, Direction, Echo, MessageType, Script, ScriptRule, Silent
from whatsim.server.profiles import Profile
from whatsim.server.store import Row
from whatsim.wire.curve import KEY_TYPE, KeyPair, derive_private, key_pair, sign
from whatsim.wire.jid import LID_SERVER, format_jid
from whatsim.wire.signal import LocalIdentity, SignedKey

if TYPE_CHECKING:
    from whatsim.server.connection import Connection

# A phone takes up to four companions (a rule of the real network).
MAX_COMPANIONS = 4
PREKEY_SIZE = 3 + 32
SIGNED_KEY_ID = 1


@dataclass(slots=True)
class PrekeyBatch:
    """One-time keys as they were uploaded (3 bytes id, 32 bytes key, each); the first `used` are taken."""

    batch: int
    keys: bytes
    used: int = 0

    @property
    def left(self) -> int:
        return len(self.keys) // PREKEY_SIZE - self.used

    def numbers(self) -> Iterator[bytes]:
        """The ids of all keys in the batch, taken or not, as 3 bytes each."""
        return (self.keys[at : at + 3] for at in range(0, len(self.keys), PREKEY_SIZE))


@dataclass(slots=True)
class QueuedStanza:
    """A stanza that stays until its receiver has confirmed it.

    `ready` means that it is committed and may be delivered; `skip_acks` counts confirmations still to come that
    belong to an earlier stanza with the same key.
    """

    seq: int
    key: str
    data: bytes
    ready: bool = False
    skip_acks: int = 0


@dataclass(slots=True)
class Device:
    """A linked companion. `confirmed` is False until the client has signed its device identity."""

    id: int
    phone: Phone
    device: int
    noise: bytes
    identity: bytes
    registration_id: int
    signed_key: SignedKey
    key_index: int
    platform: str
    linked_at: float
    confirmed: bool
    greeted: bool
    details: bytes
    prekeys: list[PrekeyBatch] = field(default_factory=list)
    queue: dict[str, QueuedStanza] = field(default_factory=dict)
    connection: Connection | None = None
    epoch: int = 0
    # The highest epoch of an owner that a witness has seen logging in.
    owner_epoch: int = 0
    # Whether the client reads a first part of history inside of a message. Not stored: any client can fetch it instead.
    inline_history: bool = False

    def jid(self, server: str) -> str:
        user = self.phone.lid if server == LID_SERVER else self.phone.number
        return format_jid(user, self.device, server)

    @property
    def prekeys_left(self) -> int:
        return sum(batch.left for batch in self.prekeys)

    def row(self) -> Row:
        return (
            self.id,
            self.phone.id,
            self.device,
            self.noise,
            self.identity,
            self.registration_id,
            self.signed_key.id,
            self.signed_key.public,
            self.signed_key.signature,
            self.key_index,
            self.platform,
            self.linked_at,
            self.confirmed,
            self.greeted,
            self.details,
        )


@dataclass(slots=True)
class Message:
    """A message as a phone shows it. Times are seconds since 1970; `media` holds what is needed to fetch the file."""

    id: int
    phone: Phone
    message_id: str
    chat: str
    outgoing: bool
    type: MessageType
    body: str
    timestamp: float
    deliveries: int = 0
    failures: int = 0
    retries: int = 0
    is_read: bool = False
    undecryptable: bool = False
    by_device: int = 0
    quoted_id: str | None = None
    media: dict[str, Any] | None = None
    receipts: dict[str, float] = field(default_factory=dict)
    # Of group messages: who wrote it (number), and how far it got with each member, by number.
    author: str = ""
    reached: dict[str, dict[str, float]] = field(default_factory=dict)
    # What a kind has beyond its text, and what changes have made of the message.
    extra: dict[str, Any] = field(default_factory=dict)

    def dump_extra(self) -> str:
        """Return `extra` as JSON."""
        return json.dumps(self.extra)

    @property
    def direction(self) -> Direction:
        return "out" if self.outgoing else "in"

    @property
    def written_by(self) -> str:
        """The number of who wrote it."""
        return self.phone.number if self.outgoing else self.author or self.chat

    def row(self) -> Row:
        return (
            self.id,
            self.phone.id,
            self.message_id,
            self.chat,
            self.outgoing,
            self.type,
            self.body,
            self.timestamp,
            self.deliveries,
            self.failures,
            self.retries,
            self.is_read,
            self.undecryptable,
            self.by_device,
            self.quoted_id,
            json.dumps(self.media) if self.media else None,
            json.dumps(self.receipts),
        )


@dataclass(slots=True)
class Phone:
    """A simulated phone. All its keys are derived from `seed`, so none of them needs storing."""

    id: int
    number: str
    name: str
    lid: str
    seed: bytes
    raw_id: int
    online: bool = True
    behaviour: Behaviour = field(default_factory=Silent)
    next_device: int = 1
    next_key_index: int = 1
    next_prekey: int = 1
    devices: dict[int, Device] = field(default_factory=dict)
    pending: dict[int, Device] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)
    by_message_id: dict[str, Message] = field(default_factory=dict)
    # Further messages with the id of another one: of another chat, or of another author in the same one.
    doubles: dict[str, list[Message]] = field(default_factory=dict)
    chats: set[str] = field(default_factory=set)
    addressing: dict[int, str] = field(default_factory=dict)
    inbox: dict[str, QueuedStanza] = field(default_factory=dict)
    watchers: set[int] = field(default_factory=set)
    unread: dict[int, Message] = field(default_factory=dict)
    key_index_list: bytes | None = None
    profile: Profile = field(init=False)
    _identity: LocalIdentity | None = None
    _signed: SignedKey | None = None

    def __post_init__(self) -> None:
        self.profile = Profile(self.id)

    def _label(self, name: str) -> str:
        """Return the name under which a key is derived; another one after every new installation."""
        serial = self.profile.identity_serial
        return f"{name} {serial}" if serial else name

    def forget_identity(self) -> None:
        """Derive the keys anew when they are needed."""
        self._identity = self._signed = None

    @property
    def identity(self) -> LocalIdentity:
        """The phone's Signal identity (device 0)."""
        if self._identity is None:
            keys = key_pair(derive_private(self.seed, self._label("identity")))
            signed = key_pair(derive_private(self.seed, self._label("signed prekey")))
            registration_id = (
                int.from_bytes(derive_private(self.seed, self._label("registration"))[:2], "big") % 16380 + 1
            )
            self._identity = LocalIdentity(keys, registration_id, signed, SIGNED_KEY_ID, self.prekey)
        return self._identity

    @property
    def signed_key(self) -> SignedKey:
        """The signed prekey that others may fetch; signing takes about a millisecond, hence only when asked for."""
        if self._signed is None:
            local = self.identity
            signature = sign(local.keys.private, KEY_TYPE + local.signed_key.public)
            self._signed = SignedKey(SIGNED_KEY_ID, local.signed_key.public, signature)
        return self._signed

    def prekey(self, number: int) -> KeyPair | None:
        """Return a one-time key that was handed out, else None."""
        if not 0 < number < self.next_prekey:
            return None
        return key_pair(derive_private(self.seed, self._label(f"prekey {number}")))

    def jid(self, server: str) -> str:
        return f"{self.lid if server == LID_SERVER else self.number}@{server}"

    def all_jids(self, server: str) -> list[str]:
        """The addresses of the phone and its confirmed companions."""
        return [self.jid(server), *(device.jid(server) for device in self.devices.values())]

    def find_message(self, chat: str, message_id: str, author: str | None = None) -> Message | None:
        """Return the shown message with this id in a chat, the first of them when `author` (a number) is not given."""
        named = self.all_with_id(message_id)
        return next((one for one in named if one.chat == chat and author in (None, one.written_by)), None)

    def find_own(self, message_id: str) -> Message | None:
        """Return the message with this id that was written here, in whatever chat."""
        return next((one for one in self.all_with_id(message_id) if one.outgoing), None)

    def all_with_id(self, message_id: str) -> Iterator[Message]:
        """Yield the shown messages with this id, of any chat and author, the first shown first."""
        if (first := self.by_message_id.get(message_id)) is not None:
            yield first
            yield from self.doubles.get(message_id, ())

    def messages_after(self, position: int, limit: int) -> list[Message]:
        start = bisect.bisect_right(self.messages, position, key=lambda message: message.id)
        return self.messages[start : start + limit]

    def row(self) -> Row:
        return (
            self.id,
            self.number,
            self.name,
            self.lid,
            self.seed,
            self.online,
            dump_behaviour(self.behaviour),
            self.raw_id,
            self.next_device,
            self.next_key_index,
            self.next_prekey,
        )


def dump_behaviour(behaviour: Behaviour) -> str:
    """Return a behaviour as JSON."""
    if isinstance(behaviour, Echo):
        return json.dumps({"kind": "echo", "prefix": behaviour.prefix, "delay_s": behaviour.delay_s})
    if isinstance(behaviour, Script):
        rules = [{"match": rule.match, "reply": rule.reply, "delay_s": rule.delay_s} for rule in behaviour.rules]
        return json.dumps({"kind": "script", "rules": rules})
    return json.dumps({"kind": "silent"})


def load_behaviour(text: str) -> Behaviour:
    """Undo `dump_behaviour`."""
    raw = json.loads(text)
    if raw["kind"] == "echo":
        return Echo(raw["prefix"], raw["delay_s"])
    if raw["kind"] == "script":
        return Script(tuple(ScriptRule(rule["match"], rule["reply"], rule["delay_s"]) for rule in raw["rules"]))
    return Silent()


def now() -> float:
    """Return the present time in seconds since 1970."""
    return time.time()
