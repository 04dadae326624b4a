"""Messages between a phone and its own companions about history: notices, blobs and requests."""

# The declaring functions return dataclass fields; no default is shared between instances.
# ruff: noqa: RUF009

from __future__ import annotations

from dataclasses import dataclass

from whatsim.wire.kinds import MessageKey, PollVote
from whatsim.wire.protobuf import Record, blob, flag, message, messages, text, texts, uint

# Types of a protocol message.
TYPE_HISTORY_NOTICE = 5
TYPE_REQUEST = 16
TYPE_RESPONSE = 17
# Kinds of a request.
REQUEST_HISTORY = 3
REQUEST_PLACEHOLDER = 4
# Kinds of a history blob.
SYNC_BOOTSTRAP = 0
SYNC_RECENT = 3
SYNC_PUSH_NAME = 4
SYNC_ON_DEMAND = 6


@dataclass(slots=True)
class HistoryNotice(Record):
    """Where a blob is: on the media host, or `inline` (compressed, not encrypted again)."""

    file_sha256: bytes | None = blob(1)
    file_length: int | None = uint(2)
    media_key: bytes | None = blob(3)
    file_enc_sha256: bytes | None = blob(4)
    direct_path: str | None = text(5)
    sync_type: int | None = uint(6)
    chunk_order: int | None = uint(7)
    progress: int | None = uint(9)
    inline: bytes | None = blob(11)
    request_id: str | None = text(12)


@dataclass(slots=True)
class OlderHistory(Record):
    """Asks for `count` messages before one that is known."""

    chat: str | None = text(1)
    oldest_id: str | None = text(2)
    oldest_from_me: bool | None = flag(3)
    count: int | None = uint(4)
    oldest_timestamp: int | None = uint(5)


@dataclass(slots=True)
class Placeholder(Record):
    """Asks for one message that could not be read."""

    key: MessageKey | None = message(1, MessageKey)


@dataclass(slots=True)
class Request(Record):
    """What a companion asks of its phone."""

    kind: int | None = uint(1)
    older: OlderHistory | None = message(4, OlderHistory)
    placeholders: list[Placeholder] = messages(5, Placeholder)


@dataclass(slots=True)
class ResentMessage(Record):
    """A serialised WebMessage."""

    message: bytes | None = blob(1)


@dataclass(slots=True)
class Result(Record):
    """One result of a request."""

    placeholder: ResentMessage | None = message(4, ResentMessage)


@dataclass(slots=True)
class Response(Record):
    """What a phone answers; `stanza_id` is the id of the request's message."""

    kind: int | None = uint(1)
    stanza_id: str | None = text(2)
    results: list[Result] = messages(3, Result)


@dataclass(slots=True)
class PeerProtocol(Record):
    """A protocol message with the fields that concern history."""

    type: int | None = uint(2)
    history: HistoryNotice | None = message(6, HistoryNotice)
    request: Request | None = message(16, Request)
    response: Response | None = message(17, Response)


@dataclass(slots=True)
class PeerMessage(Record):
    """The end-to-end encrypted content around it."""

    protocol: PeerProtocol | None = message(12, PeerProtocol)


@dataclass(slots=True)
class NotedReaction(Record):
    """A reaction that a phone has noted at a message; `key` names the reaction's own message."""

    key: MessageKey | None = message(1, MessageKey)
    text: str | None = text(2)
    timestamp_ms: int | None = uint(4)


@dataclass(slots=True)
class NotedVote(Record):
    """A vote, opened, that a phone has noted at its poll; `key` names the vote's own message."""

    key: MessageKey | None = message(1, MessageKey)
    vote: PollVote | None = message(2, PollVote)
    timestamp_ms: int | None = uint(3)


@dataclass(slots=True)
class NotedDuration(Record):
    """How long an addition holds, in seconds."""

    seconds: int | None = uint(1)


@dataclass(slots=True)
class NotedPin(Record):
    """A pin that a phone has noted at the pinned message; type 1 pins."""

    type: int | None = uint(1)
    key: MessageKey | None = message(2, MessageKey)
    timestamp_ms: int | None = uint(3)
    duration: NotedDuration | None = message(5, NotedDuration)


@dataclass(slots=True)
class WebMessage(Record):
    """A message as a phone hands it over. Status: 1 pending, 2 sent, 3 delivered, 4 read, 5 played.

    `stub` says what happened where there is no message: 1 it was deleted; others are notices with parameters.
    """

    key: MessageKey | None = message(1, MessageKey)
    content: bytes | None = blob(2)
    timestamp: int | None = uint(3)
    status: int | None = uint(4)
    participant: str | None = text(5)
    starred: bool | None = flag(17)
    push_name: str | None = text(19)
    stub: int | None = uint(24)
    stub_parameters: list[str] = texts(26)
    reactions: list[NotedReaction] = messages(41, NotedReaction)
    votes: list[NotedVote] = messages(45, NotedVote)
    revoked_at: int | None = uint(52)
    pin: NotedPin | None = message(54, NotedPin)


@dataclass(slots=True)
class HistoryEntry(Record):
    """A message with its place in the phone's own order."""

    message: WebMessage | None = message(1, WebMessage)
    order: int | None = uint(2)


@dataclass(slots=True)
class GroupMember(Record):
    """A member of a group; `rank` is 0 for a member, 1 for an admin, 2 for the owner."""

    address: str | None = text(1)
    rank: int | None = uint(2)


@dataclass(slots=True)
class Conversation(Record):
    """A chat; `end` is 0 when the phone has older messages, 1 when it has none."""

    id: str | None = text(1)
    entries: list[HistoryEntry] = messages(2, HistoryEntry)
    last_timestamp: int | None = uint(5)
    unread: int | None = uint(6)
    end: int | None = uint(11)
    timestamp: int | None = uint(12)
    name: str | None = text(13)
    archived: bool | None = flag(16)
    marked_unread: bool | None = flag(19)
    members: list[GroupMember] = messages(20, GroupMember)
    pinned: int | None = uint(24)
    mute_end: int | None = uint(25)
    created: int | None = uint(31)
    created_by: str | None = text(32)
    description: str | None = text(33)
    pn_jid: str | None = text(39)
    lid_jid: str | None = text(42)


@dataclass(slots=True)
class PushName(Record):
    """The name that somebody has chosen."""

    id: str | None = text(1)
    name: str | None = text(2)


@dataclass(slots=True)
class Mapping(Record):
    """Two addresses of one person."""

    pn_jid: str | None = text(1)
    lid_jid: str | None = text(2)


@dataclass(slots=True)
class HistorySync(Record):
    """A blob of history."""

    sync_type: int | None = uint(1)
    conversations: list[Conversation] = messages(2, Conversation)
    chunk_order: int | None = uint(5)
    progress: int | None = uint(6)
    names: list[PushName] = messages(7, PushName)
    mappings: list[Mapping] = messages(15, Mapping)
