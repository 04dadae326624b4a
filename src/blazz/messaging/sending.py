"""Sending: one unit of work that finds chat and account and stores the message with its exact bytes."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy import RowMapping

from blazz import events
from blazz.accounts import restrictions
from blazz.accounts import service as accounts
from blazz.contacts import service as contacts
from blazz.kit.db import Tx
from blazz.kit.errors import BlazzError, FieldError, conflict, invalid, not_found
from blazz.kit.fetch import parse_url
from blazz.kit.ids import uuid7, whatsapp_message_id
from blazz.kit.time import utc_now
from blazz.media import service as media
from blazz.messaging import admins, changes, kinds, mentions, newest, outbox, repository, settings
from blazz.messaging.addresses import is_group
from blazz.messaging.feeds import feed_kind, read_only
from blazz.messaging.group_receipts import RECIPIENTS
from blazz.messaging.identities import lid_address, phone_address
from blazz.messaging.kinds import Envelope, Outgoing, Target
from blazz.messaging.kinds.envelope import new_secret
from blazz.messaging.recipients import as_uuid, contact_of
from blazz.messaging.repository import group_messages
from blazz.messaging.rows import message_row
from blazz.messaging.schemas import SendMessage
from blazz.messaging.tables import messages
from blazz.messaging.tables import outbox as outbox_table
from blazz.messaging.views import Row


@dataclass(frozen=True, slots=True)
class Sender:
    """On whose behalf a message is sent."""

    source: Literal["api", "inbox"]
    user_id: uuid.UUID | None
    expiry: dt.timedelta


@dataclass(frozen=True, slots=True)
class Queued:
    """A message that was queued: its row, the event whose position it will have, and whether it is for a group."""

    row: dict[str, Any]
    draft: events.EventDraft
    in_group: bool


def send(tx: Tx, request: SendMessage, sender: Sender) -> Queued:
    """Queue a message.

    Raises BlazzError: `invalid_phone`, `message_not_in_chat` and the refusals of the kind (422), `account_not_linked`,
    `not_a_group_member`, `only_admins_write`, `media_not_ready` (409), `not_found` (404).
    """
    kind = kinds.BY_NAME[request.type]
    chat, account = _target(tx, request)
    sender = _patient(sender, account)
    lookup = ChatLookup(tx, chat)
    draft = kind.draft(request.content, lookup)
    if draft.kind is not None:
        kind, draft = _copy(kinds.BY_NAME[draft.kind], draft, lookup)
    quoted = request.context.message_id if request.context is not None else None
    quoted_id = _quoted_id(tx, quoted, chat.id) if quoted is not None else None
    content: dict[str, Any] = {**draft.content, **_around(tx, request, kind, draft, chat)}
    if request.client_ref:
        content["client_ref"] = request.client_ref
    target = None
    if draft.target_id is not None:
        events.see_all_rows(tx, tx.workspace_id)
        target = repository.find_message(tx, tx.workspace_id, draft.target_id, for_update=True)
        if target is None:
            raise not_found("message")
        if target["state"] == "failed" and not draft.local:
            text = "That message of yours was never sent."
            raise kinds.refuse("message_not_sent", text, request.type, "message_id")
    now = utc_now()
    row = message_row(
        id=uuid7(),
        workspace_id=tx.workspace_id,
        account_id=account["id"],
        chat_id=chat.id,
        wa_message_id=whatsapp_message_id(),
        from_me=True,
        kind=kind.name,
        body=draft.body,
        content=content,
        media_id=draft.media_id,
        quoted_wa_message_id=quoted_id,
        state="sent" if draft.local else "pending",
        state_at=now,
        source=sender.source,
        sent_by=sender.user_id,
        timestamp=now,
        created_at=now,
        target_wa_id=target["wa_message_id"] if target is not None else None,
        target_id=draft.target_id,
        flags=_recipients(tx, chat),
    )
    payload = None if kind.waits(draft.media_id, content) else _encode(tx, row, target, chat.address)
    drafted = _announce(tx, row, target)
    events.insert_at_position(tx, messages, row, drafted)
    if draft.local and target is not None:
        settings.hide(tx, target)  # deleted for us only: on the phone, too
    elif not draft.local:
        queued = _outbox_row(row, chat.address, payload, kind.name, sender)
        events.insert_at_position(tx, outbox_table, queued, drafted)
        outbox.wake(tx, account["id"])
    columns = kind.of_chat(content)
    if columns:
        repository.change_chat(tx, tx.workspace_id, chat.id, columns)
    if target is None and not kind.quiet:
        newest.note(tx, newest.of_row(chat, row))
        events.append(tx, "chat.updated", {"chat_id": str(chat.id)}, account_id=account["id"])
    return Queued(row, drafted, is_group(chat.address))


def _copy(kind: kinds.Kind, draft: kinds.Draft, lookup: kinds.Lookup) -> tuple[kinds.Kind, kinds.Draft]:
    """Return kind and draft of a forwarded message. Its file goes along, the large picture of a preview does not."""
    if not kind.forwards:
        text = f"A message of type {kind.name} cannot be forwarded."
        raise kinds.refuse("not_forwardable", text, "forward", "message_id")
    media_id = draft.media_id if kind.media_class is not None else None
    if media_id is not None:
        lookup.file(media_id)
    content = {**kind.copied(draft.content), "context": draft.content["context"]}
    return kind, replace(draft, content=content, media_id=media_id)


def _announce(tx: Tx, row: dict[str, Any], target: Row | None) -> events.EventDraft:
    """Append the event whose position the message has: of itself, or of what it does to another."""
    if target is not None:
        told = changes.apply(tx, row, target)
        if told is None:
            raise conflict("nothing_to_change", "This changes nothing: the message is like that already.")
        return told
    data = {"message_id": str(row["id"]), "chat_id": str(row["chat_id"]), "state": row["state"]}
    return events.append(tx, "message.sent", data, account_id=row["account_id"])


def _encode(tx: Tx, row: Row, target: Row | None, address: str) -> bytes:
    """Return the exact bytes of a message without a file."""
    quoted = row["quoted_wa_message_id"]
    quote = outbox.quote_of(tx, row["workspace_id"], row["chat_id"], quoted) if quoted else None
    return kinds.encode(
        row["kind"],
        Outgoing(
            row["body"],
            row["content"],
            quote,
            target=_key(target, address) if target is not None else None,
            target_kind=target["kind"] if target is not None else "",
            target_content=target["content"] if target is not None else {},
            own=accounts.own_addresses(tx, row["workspace_id"], row["account_id"]) if target is not None else (),
        ),
    )


def _key(target: Row, address: str) -> Target:
    author = target["author"] if is_group(address) and not target["from_me"] else ""
    return Target(target["wa_message_id"], target["from_me"], author, address)


def _around(
    tx: Tx, request: SendMessage, kind: kinds.Kind, draft: kinds.Draft, chat: repository.ChatState
) -> dict[str, Any]:
    """Return what a message's content keeps of what goes around it: of changes at most whom their text names."""
    context = request.context
    if kind.changes or kind.quiet:
        if context is None:
            return {}
        if not kind.names_people or context.message_id is not None or context.forwarded:
            text = f"A message of type {kind.name} has no context" + (" but mentions." if kind.names_people else ".")
            raise kinds.refuse("context_not_allowed", text, "context")
        named = [_address_of(tx, person, draft.body) for person in context.mentions]
        return {"mentions": named} if named else {}
    carried = Envelope.of_content(draft.content)
    around = Envelope(
        mentions=tuple(_address_of(tx, person, draft.body) for person in context.mentions) if context else (),
        forwarded=max(carried.forwarded, 1 if context is not None and context.forwarded else 0),
        view_once=carried.view_once,
        expires_s=chat.timer_s or 0,
    )
    return {**around.stored(), **new_secret()}


def _address_of(tx: Tx, person: str, text: str | None) -> str:
    """Return the WhatsApp address of somebody who is mentioned: the one whose digits the text has, or the LID."""
    known_id = as_uuid(person)
    contact_id = known_id if known_id is not None else contact_of(tx, person)
    phone, lid = contacts.addresses_of(tx, tx.workspace_id, contact_id)
    if phone is None and lid is None:
        raise not_found("contact")
    by_phone = phone_address(phone) if phone is not None else None
    if lid is None or (by_phone is not None and mentions.has_digits_of(text, by_phone)):
        return by_phone or ""
    return lid_address(lid)


@dataclass(frozen=True, slots=True)
class ChatLookup:
    """What a message to a chat may refer to."""

    tx: Tx
    chat: repository.ChatState

    @property
    def is_group(self) -> bool:
        """Whether the chat is a group's."""
        return is_group(self.chat.address)

    @property
    def is_admin(self) -> bool:
        """Whether our number administers the chat's group."""
        return admins.is_admin(self.tx, self.tx.workspace_id, self.chat.id, None)

    @property
    def timer_s(self) -> int:
        """How long new messages of the chat stay, in seconds; 0 for ever."""
        return self.chat.timer_s or 0

    def message(self, message_id: uuid.UUID, field: str, *, any_chat: bool = False) -> Row:
        """Return a message of the chat; with `any_chat` of the workspace."""
        row = repository.find_message(self.tx, self.tx.workspace_id, message_id)
        here = row is not None and (any_chat or row["chat_id"] == self.chat.id)
        if row is None or not here or row["target_wa_id"] is not None or row["kind"] in kinds.QUIET:
            text = "There is no such message in this chat."
            raise invalid(text, code="message_not_in_chat", errors=[FieldError(field, text, "not_found")])
        return row

    def file(self, media_id: uuid.UUID) -> kinds.FileFacts:
        """Return a file of the workspace that can be sent."""
        facts = media.facts_for_sending(self.tx, media_id)
        return kinds.FileFacts(
            media_id,
            facts.mime_type,
            facts.filename,
            facts.size,
            facts.width,
            facts.height,
            plain=bool(facts.details.get("plain")),
        )

    def fetch(self, url: str, family: str, filename: str | None) -> uuid.UUID:
        """Have a file fetched by its address."""
        parse_url(url)
        return media.expect_file(self.tx, url, family, filename)

    def make(self, media_id: uuid.UUID, task: kinds.MediaTask) -> None:
        """Have something made of a file before the message leaves."""
        media.have_made(self.tx, media_id, task)


def retry(tx: Tx, message_id: uuid.UUID, sender: Sender) -> uuid.UUID:
    """Queue a failed message again under its own WhatsApp id. Raises BlazzError `not_failed` (409), `not_found`."""
    row = repository.find_message(tx, tx.workspace_id, message_id, for_update=True)
    if row is None:
        raise not_found("message")
    if row["state"] != "failed" or not row["from_me"]:
        raise conflict("not_failed", "Only a message of yours that failed can be tried again.")
    sender = _patient(sender, _own_account(tx, row))
    chat = repository.find_chat(tx, tx.workspace_id, row["chat_id"])
    assert chat is not None
    now = utc_now()
    target = None
    if row["target_id"] is not None:
        events.see_all_rows(tx, tx.workspace_id)
        target = repository.find_message(tx, tx.workspace_id, row["target_id"], for_update=True)
        if target is None:
            raise not_found("message")
        kinds.kind_of(row["kind"]).in_time(target, now)
    waits = kinds.kind_of(row["kind"]).waits(row["media_id"], row["content"])
    if row["media_id"] is not None:
        media.try_again(tx, row["media_id"], row["content"].get("form"))
    payload = None if waits else _encode(tx, row, target, chat["address"])
    repository.set_states(tx, [repository.state_row(row, "pending", now)])
    if target is not None:
        changes.rebuild(tx, target)
    columns = kinds.kind_of(row["kind"]).of_chat(row["content"])
    if columns:
        repository.change_chat(tx, tx.workspace_id, row["chat_id"], columns)
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


def _patient(sender: Sender, account: Row) -> Sender:
    """Let a message of a restricted number wait for the end of the restriction, and its own time after that."""
    now = utc_now()
    end = restrictions.held_until(account, now)
    return sender if end is None else replace(sender, expiry=sender.expiry + (end - now))


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
    known_id = as_uuid(to)
    if known_id is not None:
        row = repository.find_chat(tx, tx.workspace_id, known_id)
        if row is not None:
            if feed_kind(row["address"]) is not None:
                raise read_only()
            if row["kind"] == "group":
                return _group(tx, request, row)
            account = accounts.for_sending(tx, request.account_id) if request.account_id else _own_account(tx, row)
            if account["id"] == row["account_id"]:
                return repository.chat_state(row), account
            return _chat_with(tx, account, row["contact_id"]), account
        contacts.get(tx, known_id)
        account = accounts.for_sending(tx, request.account_id)
        return _chat_with(tx, account, known_id), account
    if feed_kind(to) is not None:
        raise read_only()
    account = accounts.for_sending(tx, request.account_id)
    if is_group(to):
        known = repository.find_chats(tx, [tx.workspace_id], account["id"], [to])
        row = repository.find_chat(tx, tx.workspace_id, known[0]["id"]) if known else None
        if row is None:
            raise _not_a_member()
        return _group(tx, request, row)
    return _chat_with(tx, account, contact_of(tx, to)), account


def _own_account(tx: Tx, chat: Row) -> Row:
    try:
        return accounts.for_sending(tx, chat["account_id"])
    except BlazzError as error:
        if error.status != 404:
            raise
        text = "The number of this chat was removed; name another one in `account_id`."
        raise conflict("account_not_linked", text) from None


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


def _group(tx: Tx, request: SendMessage, chat: RowMapping) -> tuple[repository.ChatState, Row]:
    """Return a group's chat and its number, which alone can write there."""
    account = _own_account(tx, chat)
    if request.account_id is not None and request.account_id != account["id"]:
        raise _not_a_member()
    if chat["closed"] == "announcement":
        raise conflict("only_admins_write", "Only admins can write to this group.")
    if chat["closed"] is not None:
        raise _not_a_member()
    return repository.chat_state(chat), account


def _recipients(tx: Tx, chat: repository.ChatState) -> dict[str, int] | None:
    """Return the flag of a message in a group: how many others it goes to."""
    members = group_messages.groups_among(tx, [tx.workspace_id], [chat.id]) if is_group(chat.address) else {}
    return {RECIPIENTS: members[chat.id] - 1} if members.get(chat.id) else None


def _not_a_member() -> BlazzError:
    return conflict("not_a_group_member", "This number is not a member of the group, so it cannot write there.")
