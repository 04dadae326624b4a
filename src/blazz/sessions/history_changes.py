"""What a phone has noted at a message of its history: reactions, votes, a pin, as the messages that they once were."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from typing import TypeVar

from google.protobuf.message import DecodeError

from blazz._generated.engine import history_pb2 as pb
from blazz._generated.wa.waCommon.WACommon_pb2 import MessageKey
from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import Message, PinInChatMessage, ProtocolMessage
from blazz._generated.wa.waWeb.WAWebProtobufsWeb_pb2 import MessageAddOn, PinInChat, PollUpdate, Reaction
from blazz.kit.time import from_unix_ms
from blazz.messaging import inbound, kinds
from blazz.messaging.kinds import envelope
from blazz.messaging.kinds.base import Target
from blazz.messaging.model import InboundMessage, PreparedMessage
from blazz.sessions.addresses import canonical, lid_of, phone_of

_M = TypeVar("_M", Reaction, PinInChat, PollUpdate, MessageAddOn)
_ABOUT = {"reactionMessage": "key", "pinInChatMessage": "key", "pollUpdateMessage": "pollCreationMessageKey"}
"""Where changes name the message that they are about."""
_DELETED = frozenset({1, 132})  # WhatsApp's stubs: by its author, by a group's admin


def changes_of(item: PreparedMessage, one: pb.HistoryMessage) -> Iterator[PreparedMessage]:
    """Yield what has changed a message since it was written; what cannot be read is left out."""
    target = item.message
    made = [_reaction(target, raw) for raw in one.reactions]
    made += [_pin(target, one.pin)] if one.pin else []
    made += [_deletion(target, one)] if is_deleted(one) else []
    updates = [_parsed(PollUpdate, raw) for raw in one.votes]
    for add_on in (_parsed(MessageAddOn, raw) for raw in one.add_ons):
        if add_on is not None and add_on.legacyMessage.HasField("pollVote"):
            updates.append(_update_of(add_on))
        elif add_on is not None:
            made.append(_added(target, add_on))
    yield from inbound.prepare([change for change in made if change is not None])
    for update in updates:
        vote = None if update is None else _vote(item, update)
        if vote is not None:
            yield vote


def is_deleted(one: pb.HistoryMessage) -> bool:
    """Tell whether a phone keeps no more of a message than that it was deleted for everyone."""
    return one.stub in _DELETED and not one.raw


def as_edited(item: PreparedMessage) -> PreparedMessage | None:
    """Return the message that an edit has changed, as it is now; None for what is no edit, or one that is encrypted.

    Phones keep of a message that was edited only its last edit.
    """
    decoded = item.decoded
    if decoded is None or decoded.kind != "edit" or decoded.target is None:
        return None
    message = envelope.unwrap(Message.FromString(item.message.raw))[0]
    if not message.protocolMessage.HasField("editedMessage"):
        return None
    now = Message()
    now.CopyFrom(message.protocolMessage.editedMessage)
    if message.HasField("messageContextInfo") and not now.HasField("messageContextInfo"):
        now.messageContextInfo.CopyFrom(message.messageContextInfo)
    original = replace(item.message, wa_message_id=decoded.target.wa_message_id[:128], raw=now.SerializeToString())
    (prepared,) = inbound.prepare([original])
    return prepared if prepared.decoded is not None else None


def _reaction(target: InboundMessage, raw: bytes) -> InboundMessage | None:
    reaction = _parsed(Reaction, raw)
    if reaction is None or not reaction.key.ID or not reaction.text:
        return None
    content = Message()
    content.reactionMessage.text = reaction.text
    content.reactionMessage.senderTimestampMS = reaction.senderTimestampMS
    content.reactionMessage.key.CopyFrom(_key_of(target, reaction.key))
    return _change(target, reaction.key, content, reaction.senderTimestampMS)


def _pin(target: InboundMessage, raw: bytes) -> InboundMessage | None:
    pin = _parsed(PinInChat, raw)
    if pin is None or not pin.key.ID or target.wa_message_id == pin.key.ID:
        return None
    at = pin.senderTimestampMS or pin.serverTimestampMS
    content = Message()
    holds = pin.type == PinInChat.PIN_FOR_ALL
    content.pinInChatMessage.type = PinInChatMessage.PIN_FOR_ALL if holds else PinInChatMessage.UNPIN_FOR_ALL
    content.pinInChatMessage.senderTimestampMS = at
    content.pinInChatMessage.key.CopyFrom(_key_of(target, pin.key))
    content.messageContextInfo.messageAddOnDurationInSecs = pin.messageAddOnContextInfo.messageAddOnDurationInSecs
    return _change(target, pin.key, content, at)


def _added(target: InboundMessage, add_on: MessageAddOn) -> InboundMessage | None:
    """Return a change that newer phones keep as the message that it was, maybe without what it is about."""
    key, content = add_on.messageAddOnKey, Message()
    content.CopyFrom(add_on.messageAddOn)
    field = next((name for name in _ABOUT if content.HasField(name)), None)
    if not key.ID or field is None:
        return None
    part, at = getattr(content, field), add_on.senderTimestampMS or add_on.serverTimestampMS
    getattr(part, _ABOUT[field]).CopyFrom(_key_of(target, key))
    part.senderTimestampMS = part.senderTimestampMS or at
    if seconds := add_on.addOnContextInfo.messageAddOnDurationInSecs:
        content.messageContextInfo.messageAddOnDurationInSecs = seconds
    return _change(target, key, content, at)


def _update_of(add_on: MessageAddOn) -> PollUpdate:
    return PollUpdate(
        pollUpdateMessageKey=add_on.messageAddOnKey,
        vote=add_on.legacyMessage.pollVote,
        senderTimestampMS=add_on.senderTimestampMS or add_on.serverTimestampMS,
    )


def _vote(poll: PreparedMessage, update: PollUpdate) -> PreparedMessage | None:
    """Return a vote. The phone has opened it, so its message is made without what encrypts it."""
    key = update.pollUpdateMessageKey
    if not key.ID or poll.decoded is None or poll.decoded.kind != "poll":
        return None
    at = update.senderTimestampMS or update.serverTimestampMS
    message = _change(poll.message, key, Message(), at)
    seen = {"content": poll.decoded.content}
    opened = kinds.kind_of("poll_vote").opened(update.vote.SerializeToString(), seen)
    if message is None or opened is None:
        return None
    about = _key_of(poll.message, key)
    target = Target(about.ID, about.fromMe, poll.message.author if about.participant else "", about.remoteJID)
    content = {**opened.content, "at": at} if at > 0 else opened.content
    return PreparedMessage(message, replace(opened, content=content, target=target))


def _deletion(target: InboundMessage, one: pb.HistoryMessage) -> InboundMessage | None:
    """Return the deletion of a message, by its author as far as a phone tells; its own id is not kept."""
    key = MessageKey(ID=f"deletion:{target.wa_message_id}"[:128], fromMe=target.from_me, participant=target.author)
    content = Message()
    content.protocolMessage.type = ProtocolMessage.REVOKE
    content.protocolMessage.key.CopyFrom(_key_of(target, key))
    return _change(target, key, content, one.revoked_ms)


def _key_of(target: InboundMessage, by: MessageKey) -> MessageKey:
    """Return how a change, itself named `by`, names the message that it is about."""
    own = target.from_me == by.fromMe
    if target.is_group and own and not by.fromMe:
        own = canonical(by.participant, "") == target.author
    key = MessageKey(ID=target.wa_message_id, remoteJID=target.chat, fromMe=own)
    if target.is_group and not target.from_me:
        key.participant = target.author
    return key


def _change(target: InboundMessage, key: MessageKey, content: Message, at_ms: int) -> InboundMessage | None:
    author, phone, lid = target.author, target.phone, target.lid
    if target.is_group:
        author = canonical(key.participant, "") if key.participant else ""
        phone, lid = phone_of(key.participant), lid_of(key.participant)
        if not key.fromMe and not author:
            return None
    elif not key.fromMe and not author:
        author = f"{lid}@lid" if lid is not None else target.chat
    return InboundMessage(
        workspace_id=target.workspace_id,
        account_id=target.account_id,
        wa_message_id=key.ID[:128],
        from_me=key.fromMe,
        chat=target.chat,
        is_group=target.is_group,
        author="" if key.fromMe else author,
        phone=None if target.is_group and key.fromMe else phone,
        lid=None if target.is_group and key.fromMe else lid,
        timestamp=_moment(at_ms) or target.timestamp,
        push_name=None,
        raw=content.SerializeToString(),
    )


def _parsed(kind: type[_M], raw: bytes) -> _M | None:
    try:
        return kind.FromString(raw)
    except DecodeError:
        return None


def _moment(milliseconds: int) -> dt.datetime | None:
    """Return a moment that a calendar has, whatever the phone says; None for none."""
    try:
        return from_unix_ms(milliseconds) if milliseconds > 0 else None
    except (OverflowError, ValueError, OSError):
        return None
