"""From the engine host's pieces of history to what messaging stores. CPU work, done outside the unit of work."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence

from blazz._generated.engine import history_pb2 as pb
from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import Message
from blazz.kit.time import from_unix_ms
from blazz.messaging import inbound
from blazz.messaging.history_model import (
    FOREVER,
    HistoryChat,
    HistoryMessage,
    HistoryPiece,
    ImportJob,
    Known,
    rank_of,
)
from blazz.messaging.model import InboundMessage
from blazz.sessions.addresses import bare, canonical, lid_of, phone_of
from blazz.sessions.history_changes import as_edited, changes_of
from blazz.sessions.history_notices import happening_of

_STATES = {1: "sent", 2: "sent", 3: "delivered", 4: "read", 5: "played"}  # WhatsApp's, for messages of ours
_CIPHERTEXT = 2  # the stub of a message that the phone itself could not read
_NO_CHATS = ("@newsletter", "@broadcast", "@bot")


def piece_of(job: ImportJob, piece: pb.HistoryPiece) -> HistoryPiece:
    """Return a piece in our terms. What cannot be read becomes `unprocessable`; what is no message is left out."""
    return HistoryPiece(
        number=piece.number,
        last=piece.last,
        chats=[chat for one in piece.conversations if (chat := _chat(job, one)) is not None],
        people=[
            *(Known(phone_of(one.phone), lid_of(one.lid)) for one in piece.mappings),
            *(Known(phone_of(one.jid), lid_of(one.jid), _text(one.name)) for one in piece.names),
        ],
    )


def _chat(job: ImportJob, one: pb.HistoryConversation) -> HistoryChat | None:
    if "@" not in one.jid or one.jid.endswith(_NO_CHATS):
        return None
    is_group = one.jid.endswith("@g.us")
    address = bare(one.jid)
    peers = (one.jid, one.jid_alt)
    phone, lid = (None, None) if is_group else (phone_of(*peers), lid_of(*peers))
    return HistoryChat(
        address=address,
        is_group=is_group,
        phone=phone,
        lid=lid,
        messages=list(_messages(job, one.messages, address, is_group, phone, lid)),
        unread=min(one.unread, 9999),
        marked_unread=one.marked_unread,
        archived=one.archived,
        pinned=one.pinned,
        muted_until=_until(one.muted_until_ms),
        more_on_phone=one.more_on_phone,
        continued=one.continued,
    )


def _until(milliseconds: int) -> dt.datetime | None:
    if milliseconds == 0:
        return None
    if milliseconds < 0:
        return FOREVER
    return min(from_unix_ms(min(milliseconds, 253_402_214_400_000)), FOREVER)  # the last day of the year 9999


def _messages(
    job: ImportJob,
    found: Sequence[pb.HistoryMessage],
    chat: str,
    is_group: bool,
    phone: str | None,
    lid: str | None,
) -> Iterator[HistoryMessage]:
    people = [_inbound(job, one, chat, is_group, phone, lid) for one in found]
    for one, read in zip(found, inbound.prepare(people), strict=True):
        item = read if one.raw or read.message.undecryptable else happening_of(read.message, one) or read
        if item.decoded is None or not one.id or one.timestamp_ms <= 0:
            continue
        instead = as_edited(item)
        yield HistoryMessage(
            prepared=item,
            rank=rank_of(item.message.timestamp, one.order),
            state=_STATES.get(one.status, "sent") if item.message.from_me else None,
            starred=one.starred,
            changes=tuple(changes_of(instead or item, one)),
            instead=instead,
            edited_at=None if instead is None else item.message.timestamp,
        )


def _inbound(
    job: ImportJob, one: pb.HistoryMessage, chat: str, is_group: bool, phone: str | None, lid: str | None
) -> InboundMessage:
    if is_group and not one.from_me:
        phone, lid = phone_of(one.sender, one.sender_alt), lid_of(one.sender, one.sender_alt)
    author = "" if one.from_me else canonical(one.sender, one.sender_alt)
    if not is_group and not one.from_me and lid is not None:
        author = f"{lid}@lid"
    return InboundMessage(
        workspace_id=job.workspace_id,
        account_id=job.account_id,
        wa_message_id=one.id[:128],
        from_me=one.from_me,
        chat=chat,
        is_group=is_group,
        author=author,
        phone=None if is_group and one.from_me else phone,
        lid=None if is_group and one.from_me else lid,
        timestamp=from_unix_ms(max(one.timestamp_ms, 0)),
        push_name=one.push_name or None,
        raw=_with_secret(one),
        undecryptable=not one.raw and one.stub == _CIPHERTEXT,
    )


def _with_secret(one: pb.HistoryMessage) -> bytes:
    """Return the message with its secret where messages carry it; phones may give it beside the message."""
    if not one.secret or not one.raw:
        return one.raw
    # serialised messages that are put together are merged: what the second one sets counts
    about = Message()
    about.messageContextInfo.messageSecret = one.secret
    return one.raw + about.SerializeToString()


def _text(value: str) -> str:
    return value.replace("\x00", "\ufffd")[:128]
