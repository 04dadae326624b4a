"""From the engine host's events to what messaging stores: addresses without devices, canonical authors, no protobuf."""

from __future__ import annotations

import uuid
from typing import Literal

from blazz._generated.engine import engine_pb2 as pb
from blazz.kit.time import from_unix_ms, utc_now
from blazz.messaging.addresses import is_group
from blazz.messaging.feeds import STATUS
from blazz.messaging.model import InboundMessage, InboundReceipt
from blazz.sessions.addresses import bare, canonical, lid_of, phone_of
from blazz.sessions.registry import Session

ReceiptState = Literal["delivered", "read", "played"]

# Receipt types by what they say of a message. The others ("sender", "retry", ...) concern devices, not people.
_STATES: dict[str, ReceiptState] = {
    "": "delivered",
    "inactive": "delivered",
    "read": "read",
    "played": "played",
    "read-self": "read",
    "played-self": "played",
}


def is_stored(event: pb.Event) -> bool:
    """Tell whether messaging stores this event at all; others are acknowledged without."""
    kind = event.WhichOneof("body")
    if kind == "message" or kind == "undecryptable":
        message = event.message if kind == "message" else event.undecryptable
        return not (message.from_me and _over_list(message))  # ours to a list stand in the phone's list alone
    return kind == "receipt" and event.receipt.type in _STATES and bool(event.receipt.message_ids)


def message_of(session: Session, message: pb.Message) -> InboundMessage:
    """Return a decrypted message."""
    peers = _peers(message.chat, message.sender, message.sender_alt, message.recipient_alt, message.from_me)
    return InboundMessage(
        workspace_id=session.workspace_id,
        account_id=session.account_id,
        wa_message_id=message.id,
        from_me=message.from_me,
        chat=_chat(message),
        is_group=is_group(message.chat),
        author="" if message.from_me else canonical(message.sender, message.sender_alt),
        phone=phone_of(*peers),
        lid=lid_of(*peers),
        timestamp=from_unix_ms(message.timestamp_ms) if message.timestamp_ms else utc_now(),
        push_name=message.push_name,
        raw=message.raw,
        offline=message.is_offline,
    )


def undecryptable_of(session: Session, message: pb.Undecryptable) -> InboundMessage:
    """Return a message that could not be decrypted yet; the sender is asked to send it again."""
    peers = _peers(message.chat, message.sender, message.sender_alt, "", message.from_me)
    return InboundMessage(
        workspace_id=session.workspace_id,
        account_id=session.account_id,
        wa_message_id=message.id,
        from_me=message.from_me,
        chat=_chat(message),
        is_group=is_group(message.chat),
        author="" if message.from_me else canonical(message.sender, message.sender_alt),
        phone=phone_of(*peers),
        lid=lid_of(*peers),
        timestamp=from_unix_ms(message.timestamp_ms) if message.timestamp_ms else utc_now(),
        push_name="",
        raw=b"",
        offline=False,
        undecryptable=True,
    )


def receipt_of(session: Session, receipt: pb.Receipt) -> InboundReceipt:
    """Return a receipt. `from_me` says that our own phone or another device of ours has read."""
    return InboundReceipt(
        workspace_id=session.workspace_id,
        account_id=session.account_id,
        wa_message_ids=tuple(receipt.message_ids),
        chat=bare(receipt.chat),
        author=canonical(receipt.sender, receipt.sender_alt),
        state=_STATES[receipt.type],
        at=from_unix_ms(receipt.timestamp_ms) if receipt.timestamp_ms else utc_now(),
        from_me=receipt.from_me or receipt.type.endswith("-self"),
    )


def identity_of(event: pb.Event, account_id: uuid.UUID) -> tuple[uuid.UUID, str]:
    """Return what tells one delivery from another when the same event is delivered again."""
    kind = event.WhichOneof("body")
    if kind == "message":
        return account_id, f"{event.message.id} {event.message.from_me} {event.message.sender}"
    if kind == "undecryptable":
        return account_id, f"{event.undecryptable.id} {event.undecryptable.sender}"
    return account_id, f"{event.receipt.type} {','.join(event.receipt.message_ids)} {event.receipt.sender}"


def _chat(message: pb.Message | pb.Undecryptable) -> str:
    """Return where people look for a message: one that came over a broadcast list, in the chat with its sender."""
    return bare(message.sender if _over_list(message) else message.chat)


def _over_list(message: pb.Message | pb.Undecryptable) -> bool:
    return message.chat.endswith("@broadcast") and message.chat != STATUS


def _peers(chat: str, sender: str, sender_alt: str, recipient_alt: str, from_me: bool) -> tuple[str, ...]:
    """Return the addresses of the person on the other side: the recipient of our own message, else the sender."""
    return (chat, recipient_alt) if from_me else (sender, sender_alt)
