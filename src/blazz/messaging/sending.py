"""Sending: one unit of work that finds chat and account and stores the message with its exact bytes."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import Any, Literal

from blazz import events
from blazz.accounts import service as accounts
from blazz.contacts import service as contacts
from blazz.contacts.resolve import Peer, resolve
from blazz.kit.db import Tx
from blazz.kit.errors import BlazzError, FieldError, conflict, invalid, not_found
from blazz.kit.ids import uuid7, whatsapp_message_id
from blazz.kit.phones import parse_phone
from blazz.kit.time import utc_now
from blazz.media import service as media
from blazz.messaging import kinds, newest, outbox, repository
from blazz.messaging.addresses import is_group, lid_of, phone_of
from blazz.messaging.kinds import Outgoing
from blazz.messaging.schemas import SendMessage
from blazz.messaging.tables import messages
from blazz.messaging.tables import outbox as outbox_table
from blazz.messaging.views import Row
from blazz.workspaces import service as workspaces


@dataclass(frozen=True, slots=True)
class Sender:
    """On whose behalf a message is sent."""

    source: Literal["api", "inbox"]
    user_id: uuid.UUID | None
    expiry: dt.timedelta


def send(tx: Tx, request: SendMessage, sender: Sender) -> tuple[dict[str, Any], events.EventDraft]:
    """Queue a message; returns its row and the event whose position it will have.

    Raises BlazzError: `invalid_phone`, `link_not_supported`, `groups_not_supported`, `media_not_found` (422),
    `account_not_linked`, `media_not_ready` (409), `not_found` (404).
    """
    file = request.file
    if file is not None:
        _check_file(request)
    chat, account = _target(tx, request)
    quote = None
    quoted_id = None
    if request.context is not None:
        quoted_id = _quoted_id(tx, request.context.message_id, chat.id)
        quote = outbox.quote_of(tx, tx.workspace_id, chat.id, quoted_id)
    body = request.text.body if request.text is not None else (file.caption if file is not None else None)
    content: dict[str, Any] = {"client_ref": request.client_ref} if request.client_ref else {}
    if file is not None:
        assert file.id is not None
        _check_type(request.type, media.facts_for_sending(tx, file.id).mime_type)
        if file.filename:
            content["filename"] = file.filename
    payload = kinds.encode("text", Outgoing(body, content, quote)) if file is None else None
    now = utc_now()
    message_id, wa_message_id = uuid7(), whatsapp_message_id()
    row: dict[str, Any] = {
        "id": message_id,
        "workspace_id": tx.workspace_id,
        "account_id": account["id"],
        "chat_id": chat.id,
        "wa_message_id": wa_message_id,
        "from_me": True,
        "author": "",
        "kind": request.type,
        "body": body,
        "content": content,
        "media_id": file.id if file is not None else None,
        "quoted_wa_message_id": quoted_id,
        "state": "pending",
        "state_at": now,
        "error_code": None,
        "error_detail": None,
        "source": sender.source,
        "sent_by": sender.user_id,
        "timestamp": now,
        "created_at": now,
        "flags": None,
        "raw": None,
    }
    draft = events.append(
        tx,
        "message.sent",
        {"message_id": str(message_id), "chat_id": str(chat.id), "state": "pending"},
        account_id=account["id"],
    )
    events.insert_at_position(tx, messages, row, draft)
    events.insert_at_position(tx, outbox_table, _outbox_row(row, chat.address, payload, request.type, sender), draft)
    preview = (body or "")[: newest.PREVIEW]
    newest.note(tx, newest.NewestMessage(chat, message_id, now, request.type, preview, from_me=True))
    events.append(tx, "chat.updated", {"chat_id": str(chat.id)}, account_id=account["id"])
    outbox.wake(tx, account["id"])
    return row, draft


def retry(tx: Tx, message_id: uuid.UUID, sender: Sender) -> uuid.UUID:
    """Queue a failed message again under its own WhatsApp id. Raises BlazzError `not_failed` (409), `not_found`."""
    row = repository.find_message(tx, tx.workspace_id, message_id, for_update=True)
    if row is None:
        raise not_found("message")
    if row["state"] != "failed" or not row["from_me"]:
        raise conflict("not_failed", "Only a message of yours that failed can be tried again.")
    _own_account(tx, row)
    chat = repository.find_chat(tx, tx.workspace_id, row["chat_id"])
    assert chat is not None
    now = utc_now()
    payload = None
    if row["media_id"] is None:
        quoted = row["quoted_wa_message_id"]
        quote = outbox.quote_of(tx, tx.workspace_id, row["chat_id"], quoted) if quoted else None
        payload = kinds.encode(row["kind"], Outgoing(row["body"], row["content"], quote))
    repository.set_states(tx, [repository.state_row(row, "pending", now)])
    draft = events.append(
        tx,
        "message.status",
        {"message_id": str(message_id), "chat_id": str(row["chat_id"]), "state": "pending"},
        account_id=row["account_id"],
    )
    queued = _outbox_row(row, chat["address"], payload, row["kind"], sender)
    events.insert_at_position(tx, outbox_table, queued, draft)
    outbox.wake(tx, row["account_id"])
    return message_id


def _outbox_row(message: Row, recipient: str, payload: bytes | None, kind: str, sender: Sender) -> dict[str, Any]:
    now = utc_now()
    return {
        "id": uuid7(),
        "workspace_id": message["workspace_id"],
        "message_id": message["id"],
        "account_id": message["account_id"],
        "chat_id": message["chat_id"],
        "wa_message_id": message["wa_message_id"],
        "recipient": recipient,
        "payload": payload,
        "kind": kind,
        "media_id": message["media_id"],
        "state": "queued",
        "attempts": 0,
        "due_at": now,
        "expires_at": now + sender.expiry,
        "created_at": now,
    }


def _target(tx: Tx, request: SendMessage) -> tuple[repository.ChatState, Row]:
    """Return the chat to write to and the account to write from."""
    to = request.to
    known_id = _as_uuid(to)
    if known_id is not None:
        row = repository.find_chat(tx, tx.workspace_id, known_id)
        if row is not None:
            if row["kind"] == "group":
                raise _no_groups()
            account = accounts.for_sending(tx, request.account_id) if request.account_id else _own_account(tx, row)
            if account["id"] == row["account_id"]:
                return repository.chat_state(row), account
            return _chat_with(tx, account, row["contact_id"]), account
        contacts.get(tx, known_id)
        account = accounts.for_sending(tx, request.account_id)
        return _chat_with(tx, account, known_id), account
    account = accounts.for_sending(tx, request.account_id)
    return _chat_with(tx, account, _contact_of(tx, to)), account


def _own_account(tx: Tx, chat: Row) -> Row:
    try:
        return accounts.for_sending(tx, chat["account_id"])
    except BlazzError as error:
        if error.status != 404:
            raise
        text = "The number of this chat was removed; name another one in `account_id`."
        raise conflict("account_not_linked", text) from None


def _contact_of(tx: Tx, to: str) -> uuid.UUID:
    if "@" in to:
        if is_group(to):
            raise _no_groups()
        phone, lid = phone_of(to), lid_of(to)
        if phone is None and lid is None:
            text = "Not a WhatsApp address; expected ...@s.whatsapp.net or ...@lid."
            raise invalid(text, code="invalid_address", errors=[FieldError("to", text, "invalid_address")])
    else:
        country = "" if to.startswith("+") else workspaces.default_country(tx, tx.workspace_id)
        return contacts.ensure_by_phone(tx, parse_phone(to, country, field="to"))
    peer = Peer(tx.workspace_id, phone, lid)
    return resolve(tx, [peer]).contact_ids[peer]


def _chat_with(tx: Tx, account: Row, contact_id: uuid.UUID | None) -> repository.ChatState:
    if contact_id is None:
        raise not_found("contact")
    key = (account["id"], contact_id)
    present = repository.find_direct(tx, tx.workspace_id, account["id"], contact_id)
    if present is not None:
        return repository.chat_state(present)
    phone, lid = contacts.addresses_of(tx, tx.workspace_id, contact_id)
    if lid is None and phone is None:
        raise conflict("contact_not_reachable", "This contact has neither a phone number nor a WhatsApp address.")
    address = f"{lid}@lid" if lid else f"{(phone or '').removeprefix('+')}@s.whatsapp.net"
    new = repository.NewChat(tx.workspace_id, account["id"], address, "direct", contact_id)
    return repository.ensure_chats(tx, [tx.workspace_id], {key: new}, {})[0][key]


def _quoted_id(tx: Tx, message_id: uuid.UUID, chat_id: uuid.UUID) -> str:
    row = repository.find_message(tx, tx.workspace_id, message_id)
    if row is None or row["chat_id"] != chat_id:
        text = "The quoted message is not in this chat."
        raise invalid(text, code="quote_not_in_chat", errors=[FieldError("context.message_id", text, "not_found")])
    return str(row["wa_message_id"])


def _check_file(request: SendMessage) -> None:
    file = request.file
    assert file is not None
    if file.link is not None:
        text = "Sending by link is not supported; upload the file to /api/v1/media and use its id."
        raise invalid(text, code="link_not_supported", errors=[FieldError(f"{request.type}.link", text)])
    if file.id is None:
        text = "The id of an uploaded file is needed."
        raise invalid(text, code="media_id_missing", errors=[FieldError(f"{request.type}.id", text, "missing")])
    if request.type == "audio" and file.caption:
        text = "Audio has no caption."
        raise invalid(text, code="caption_not_allowed", errors=[FieldError("audio.caption", text)])


def _check_type(kind: str, mime_type: str) -> None:
    if kind != "document" and not mime_type.startswith(kind + "/"):
        text = f"The file is {mime_type}, which cannot be sent as {kind}; send it as document."
        raise invalid(text, code="media_type_mismatch", errors=[FieldError(f"{kind}.id", text)])


def _no_groups() -> BlazzError:
    return invalid("Sending to groups is not supported yet.", code="groups_not_supported")


def _as_uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text) if len(text) == 36 else None
    except ValueError:
        return None
