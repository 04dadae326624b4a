"""Files of inbound messages, and placeholders: a message that could not be read at first is put in when it can."""

from __future__ import annotations

import json
import uuid
from base64 import b64encode
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping

from blazz import events
from blazz.kit.db import Tx
from blazz.kit.ids import uuid7
from blazz.media import service as media
from blazz.messaging import changes, kinds, newest, repository
from blazz.messaging.identities import Authors, Identity
from blazz.messaging.model import PreparedMessage
from blazz.messaging.rows import content_of

Seal = Callable[[bytes, str], bytes]
_PREVIEW = 200


def heal(
    tx: Tx, doubles: Sequence[PreparedMessage], authors: Authors, present: Collection[Identity], seal: Seal
) -> int:
    """Fill the placeholders of undecryptable messages from deliveries that can be read; returns files to fetch.

    The sender encrypts such a message again under the same id, so it arrives as a double of its placeholder, maybe
    under the author's other address: the placeholder gets the canonical one unless the message is `present` under it.
    """
    readable = {
        identity: item
        for item in doubles
        if not item.message.undecryptable
        for identity in authors.identities(item.message)
    }
    if not readable:
        return 0
    messages = [item.message for item in readable.values()]
    rows = repository.placeholders(
        tx,
        {message.workspace_id for message in messages},
        {message.account_id for message in messages},
        {message.wa_message_id for message in messages},
    )
    pending: list[media.PendingDownload] = []
    filled = []
    for row in rows:
        stored_as = (row["account_id"], row["wa_message_id"], row["from_me"], row["author"])
        item = readable.get(stored_as)
        if item is None or item.decoded is None or row["content"].get("kind") != "undecryptable":
            continue
        identity = authors.identity(item.message)
        if identity != stored_as and identity in present:
            continue  # the message itself is here under its author's other address
        filled.append((row, item, identity[3], plan_download(item, row["id"], pending, seal)))
    if pending:
        media.plan_downloads(tx, pending)
    for row, item, author, media_id in filled:
        decoded = item.decoded
        assert decoded is not None
        content = {
            "author": author,
            "kind": decoded.kind,
            "body": decoded.body,
            "content": content_of(item),
            "media_id": media_id,
            "quoted_wa_message_id": decoded.quoted_id,
        }
        if decoded.target is not None:
            _turn_into_change(tx, row, {**content, "target_wa_id": decoded.target.wa_message_id, "raw": None})
            continue
        preview = kinds.kind_of(decoded.kind).preview(decoded.body, decoded.content)
        repository.fill_placeholder(tx, row, content, preview[:_PREVIEW])
        _tell(tx, row, "message.edited")
        # what came for it meanwhile could do nothing to a placeholder
        changes.rebuild_if_changed(tx, row["workspace_id"], row["id"])
    return len(pending)


def _turn_into_change(tx: Tx, row: RowMapping, columns: Mapping[str, Any]) -> None:
    """Let a placeholder be the change of another message that it stood for: it is no message of the chat any more."""
    workspace_id, chat_id = row["workspace_id"], row["chat_id"]
    behind = repository.count_inbound_after(tx, workspace_id, chat_id, row["position"], row["history_rank"])
    chat = repository.find_chat(tx, workspace_id, chat_id)
    unread = chat is not None and not row["from_me"] and behind < chat["unread_count"]
    repository.change_message(tx, workspace_id, row["id"], columns)
    newest.recompute(tx, workspace_id, chat_id, fewer_unread=int(unread))
    _tell(tx, row, "message.updated", shown=False)
    changes.catch_up(tx, {(workspace_id, row["account_id"], columns["target_wa_id"])})


def _tell(tx: Tx, row: RowMapping, name: str, **data: Any) -> None:
    events.append(
        tx,
        name,
        {"message_id": str(row["id"]), "chat_id": str(row["chat_id"]), **data},
        workspace_id=row["workspace_id"],
        account_id=row["account_id"],
    )


def plan_download(
    item: PreparedMessage, message_id: uuid.UUID, pending: list[media.PendingDownload], seal: Seal
) -> uuid.UUID | None:
    reference = item.decoded.media if item.decoded is not None else None
    if reference is None:
        return None
    media_id, content = uuid7(), item.decoded.content if item.decoded is not None else {}
    secret = {
        "media_class": reference.media_class,
        "direct_path": reference.direct_path,
        "media_key": b64encode(reference.media_key).decode(),
        "file_enc_sha256": b64encode(reference.file_enc_sha256).decode(),
        "file_sha256": b64encode(reference.file_sha256).decode(),
    }
    pending.append(
        media.PendingDownload(
            media_id=media_id,
            workspace_id=item.message.workspace_id,
            account_id=item.message.account_id,
            message_id=message_id,
            reference=seal(json.dumps(secret).encode(), f"media:{media_id}"),
            mime_type=reference.mime_type[:100],
            filename=reference.filename[:255] if reference.filename else None,
            size=reference.file_length or None,
            width=reference.width,
            height=reference.height,
            thumbnail=reference.thumbnail,
            details={name: content[name] for name in ("seconds", "waveform", "animated") if content.get(name)},
        )
    )
    return media_id
