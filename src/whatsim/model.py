"""What the simulated network shows and takes: views of phones, devices and messages, behaviours, faults and errors.

Everything here is an immutable value. Times are UTC aware datetimes, durations are seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from whatsim.language import LanguageContent

MessageType = Literal[
    "text",
    "image",
    "video",
    "audio",
    "document",
    "sticker",
    "location",
    "contacts",
    "poll",
    "interactive",
    "group_invite",
    "reaction",
    "poll_vote",
    "edit",
    "delete",
    "pin",
    "timer",
    "other",
]
Direction = Literal["in", "out"]
ReceiptState = Literal["sent", "delivered", "read", "played"]
FaultKind = Literal[
    "refuse_login",
    "drop_connection",
    "silence",
    "delay",
    "stream_error",
    "lose_acks",
    "duplicate",
    "refuse_messages",
    "lose_messages",
    "lose_sent",
    "reorder",
    "corrupt",
    "forget_prekeys",
    "expire_media",
    "lose_pair_success",
    "lose_pair_confirmation",
]
EventKind = Literal[
    "phone_created",
    "phone_changed",
    "message_added",
    "message_changed",
    "typing",
    "link_changed",
    "faults_changed",
]

FAULT_KINDS: tuple[FaultKind, ...] = (
    "refuse_login",
    "drop_connection",
    "silence",
    "delay",
    "stream_error",
    "lose_acks",
    "duplicate",
    "refuse_messages",
    "lose_messages",
    "lose_sent",
    "reorder",
    "corrupt",
    "forget_prekeys",
    "expire_media",
    "lose_pair_success",
    "lose_pair_confirmation",
)
LOGIN_REFUSALS = frozenset({401, 403, 405, 503})


class WhatsimError(Exception):
    """Base of the errors that a caller of the network can act on. `code` is stable, the text is for people."""

    code = "whatsim_error"


class PhoneNotFound(WhatsimError):
    """No simulated phone has this number."""

    code = "phone_not_found"


class PhoneExists(WhatsimError):
    """A simulated phone with this number is already there."""

    code = "phone_exists"


class InvalidNumber(WhatsimError):
    """The number is not 7 to 15 digits (E.164 without the plus sign)."""

    code = "invalid_number"


class MessageNotFound(WhatsimError):
    """The phone has no such message, or the message has no media."""

    code = "message_not_found"


class DeviceNotFound(WhatsimError):
    """The phone has no linked device with this id."""

    code = "device_not_found"


class LinkRefused(WhatsimError):
    """The phone cannot be linked with this code; `reason` is one of `unknown_code`, `expired`, `key_mismatch`,
    `wrong_code`, `too_many_devices`, `not_finished`, `passkey_needed` (the linking goes on with the passkey)."""

    code = "link_refused"

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class GroupNotFound(WhatsimError):
    """There is no group with this address."""

    code = "group_not_found"


class GroupRefused(WhatsimError):
    """The group's rules forbid it; `number` is the code that a client would get."""

    code = "group_refused"

    def __init__(self, number: int, text: str) -> None:
        super().__init__(f"{text} ({number})")
        self.number = number


class InvalidContent(WhatsimError):
    """The content cannot be sent: empty, too large or not decodable."""

    code = "invalid_content"


class InvalidFault(WhatsimError):
    """The fault's fields do not fit its kind."""

    code = "invalid_fault"


@dataclass(frozen=True, slots=True)
class TextContent:
    """A text message of 1 to 65,536 characters; `quoted_id` makes it a reply to that message of the same chat, and
    `mentions` are the numbers of people whom it names."""

    body: str
    quoted_id: str | None = None
    mentions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ImageContent:
    """A picture of at most 16 MiB, sent encrypted through the media host."""

    data: bytes
    mimetype: str = "image/jpeg"
    caption: str | None = None
    view_once: bool = False


@dataclass(frozen=True, slots=True)
class FileContent:
    """A file of at most 100 MiB, sent encrypted through the media host as it is.

    `seconds` is the length of what plays, `waveform` 64 samples of 0 to 100. `voice` makes a sound a voice note,
    `note` a video a round one; `animated` marks a video that loops silently, or a sticker that moves.
    """

    kind: Literal["video", "audio", "document", "sticker"]
    data: bytes
    mimetype: str
    caption: str | None = None
    filename: str | None = None
    seconds: int | None = None
    waveform: tuple[int, ...] = ()
    width: int | None = None
    height: int | None = None
    voice: bool = False
    note: bool = False
    animated: bool = False
    view_once: bool = False


@dataclass(frozen=True, slots=True)
class RawContent:
    """A serialised WhatsApp message (`waE2E.Message`), sent as it is."""

    data: bytes


OutgoingContent = TextContent | ImageContent | FileContent | RawContent | LanguageContent


@dataclass(frozen=True, slots=True)
class Silent:
    """The phone confirms deliveries and says nothing."""


@dataclass(frozen=True, slots=True)
class Echo:
    """The phone answers every text with `prefix` and the same text, `delay_s` seconds later."""

    prefix: str = ""
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ScriptRule:
    """Answer `reply` after `delay_s` seconds when a text contains `match` (ignoring case; empty matches everything)."""

    match: str
    reply: str
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Script:
    """The first rule that matches answers."""

    rules: tuple[ScriptRule, ...] = ()


Behaviour = Silent | Echo | Script


@dataclass(frozen=True, slots=True)
class DeviceView:
    """A linked companion device of a phone. `queued` counts stanzas which wait until the device confirms them."""

    id: int
    platform: str
    linked_at: datetime
    connected: bool
    queued: int


@dataclass(frozen=True, slots=True)
class ReceiptView:
    """How far a message got with the other side, and when. Each state is listed once, at its first time."""

    state: ReceiptState
    at: datetime


@dataclass(frozen=True, slots=True)
class MediaView:
    """What is known of a message's media. `size` is in bytes and None while unknown."""

    mimetype: str
    size: int | None = None
    width: int | None = None
    height: int | None = None
    filename: str | None = None


@dataclass(frozen=True, slots=True)
class MessageView:
    """A message as the phone shows it: once per WhatsApp id, however often it was delivered.

    `id` rises over the whole network (position for `after`), `message_id` is the WhatsApp id. `chat` is the other
    side's number, `from_number` and `to_number` are digits. `deliveries` counts raw deliveries of stanzas with this
    id to this phone, `decrypt_failures` those which could not be decrypted, `retry_requests` the re-sends which
    this phone asked for (`in`) or was asked for (`out`). `body` is the text, or the caption of media, or empty while
    the message could not be decrypted yet (`undecryptable`). `by_device` is 0 for the phone itself, else the linked
    device which wrote an `out` message. In groups `chat` is the group's address and `reached` says how far an `out`
    message got with each member.

    `details` holds what a kind has beyond its text (coordinates, options, cards, buttons, mentions, `forwarded`,
    `view_once`, `expires_s`). A change of another message names it in `target_id`; what changes have made of a message
    is in `reactions` and `votes` (by number), `edited`, `deleted` and `pinned`.
    """

    id: int
    message_id: str
    number: str
    chat: str
    direction: Direction
    from_number: str
    to_number: str
    type: MessageType
    body: str
    timestamp: datetime
    deliveries: int
    decrypt_failures: int
    retry_requests: int
    receipts: tuple[ReceiptView, ...]
    read: bool
    media: MediaView | None = None
    quoted_id: str | None = None
    undecryptable: bool = False
    by_device: int = 0
    reached: dict[str, str] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    target_id: str | None = None
    reactions: dict[str, str] = field(default_factory=dict)
    votes: dict[str, list[str]] = field(default_factory=dict)
    edited: bool = False
    deleted: bool = False
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class PhoneView:
    """A simulated phone with its linked devices."""

    number: str
    name: str
    lid: str
    online: bool
    behaviour: Behaviour
    devices: tuple[DeviceView, ...]
    unread: int
    last_message: MessageView | None


@dataclass(frozen=True, slots=True)
class FaultSpec:
    """A disturbance to add. Fields that a kind does not use must be None.

    - `refuse_login`: logins are answered with failure `code` (401, 403, 405 or 503), `count` times (None: until
      cleared)
    - `drop_connection`: the matching open connections are cut at once, without goodbye
    - `silence`: matching connections stay open, but nothing is answered or delivered, for `seconds` (None:
      until cleared)
    - `delay`: whatever the network sends to matching devices leaves `seconds` later
    - `stream_error`: matching connections get the stream error `code` (`503`, `515`, `replaced`, `device_removed`, or
      any other number) and are closed
    - `lose_acks`: the next `count` acknowledgements of messages are not sent
    - `duplicate`: the next `count` messages are delivered twice
    - `refuse_messages`: messages of matching devices are refused with ack error `code`, `count` times (None: until
      cleared)
    - `lose_messages`: the next `count` messages to matching devices are lost; each waits for its device's next login
    - `lose_sent`: the next `count` messages of matching devices are lost: not delivered, not acknowledged
    - `reorder`: the next `count` (2 or more) messages to matching devices are held and then delivered in reverse order,
      at the latest `seconds` (default 2) after the first of them
    - `corrupt`: the next `count` messages to matching devices arrive with a broken ciphertext
    - `forget_prekeys`: matching devices' one-time prekeys on the server are gone, and they are told so
    - `expire_media`: nothing that is on the media host now can be fetched any more (410) until it is uploaded again; of
      the whole network
    - `lose_pair_success`: the next `count` clients that are being linked are cut off before they hear that the phone
      has accepted them
    - `lose_pair_confirmation`: the next `count` clients that confirm a linking are cut off, and what they said is lost

    `number` limits a fault to one phone's linked devices, `device` to one of them; None means all.
    """

    kind: FaultKind
    number: str | None = None
    device: int | None = None
    code: str | None = None
    count: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class FaultView:
    """An active fault. `remaining` is None for one that stays until cleared (or until its seconds are over)."""

    id: str
    spec: FaultSpec
    remaining: int | None
    hits: int
    added_at: datetime


@dataclass(frozen=True, slots=True)
class NetworkStats:
    """Counters since the start of this process, and present sizes.

    `stanzas_from_older_connection` counts stanzas accepted from a connection after a newer login of the same device:
    anything but 0 is a defect. `unknown` names stanzas that nothing handles, with their count.

    With a witness of logins (`Network.watch_logins`): `logins_below_epoch` counts logins under a lower epoch than an
    earlier one of the same device, `replaced_living` those that replaced a connection whose program still had it.
    """

    logins: int = 0
    login_refusals: int = 0
    registrations: int = 0
    replaced: int = 0
    messages: int = 0
    receipts: int = 0
    acks_lost: int = 0
    duplicates: int = 0
    stanzas_from_older_connection: int = 0
    logins_below_epoch: int = 0
    replaced_living: int = 0
    open_connections: int = 0
    online: int = 0
    queued: int = 0
    phones: int = 0
    decrypt_failures: int = 0
    retry_requests: int = 0
    uploads: int = 0
    downloads: int = 0
    commits: int = 0
    unknown: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ends:
    """Host and port of both ends of a connection. The client's alone may also be another connection's."""

    client: tuple[str, int]
    network: tuple[str, int]


@dataclass(frozen=True, slots=True)
class Login:
    """A login as the network sees it: whose it is and by which connection, and which earlier one ends by it."""

    number: str
    device: int
    ends: Ends
    replaced: Ends | None


@dataclass(frozen=True, slots=True)
class Observed:
    """What somebody who can see the programs behind the connections says of a login; nothing of it is on the wire."""

    epoch: int | None = None
    replaced_lives: bool = False


@dataclass(frozen=True, slots=True)
class NetworkEvent:
    """Something changed. `number` is the phone concerned (None for faults); the matching view is filled in.

    For `typing`, `chat` is the number that types to this phone and `composing` says whether it does.
    """

    kind: EventKind
    number: str | None = None
    phone: PhoneView | None = None
    message: MessageView | None = None
    chat: str | None = None
    composing: bool | None = None
