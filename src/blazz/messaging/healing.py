"""Files of inbound messages, and placeholders: a message that could not be read at first is put in when it can."""

from __future__ import annotations

import json
import uuid
from base64 import b64encode
from collections.abc import Callable, Sequence

from blazz import events
from blazz.kit.db import Tx
from blazz.kit.ids import uuid7
from blazz.media import service as media
from blazz.messaging import repository
from blazz.messaging.model import InboundMessage, PreparedMessage

Seal = Callable[[bytes, str], bytes]
Identity = tuple[uuid.UUID, str, bool, str]
_PREVIEW = 200


def heal(
    tx: Tx, doubles: Sequence[PreparedMessage], identity_of: Callable[[InboundMessage], Identity], seal: Seal
) -> int:
    """Fill the placeholders of undecryptable messages from deliveries that can be read; returns files to fetch.

    The sender encrypts such a message again under the same id, so it arrives as a double of its placeholder.
    """
    readable = {identity_of(item.message): item for item in doubles if not item.message.undecryptable}
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
    changes = []
    for row in rows:
        item = readable.get((row["account_id"], row["wa_message_id"], row["from_me"], row["author"]))
        if item is None or item.decoded is None or row["content"].get("kind") != "undecryptable":
            continue
        changes.append((row, item.decoded, plan_download(item, row["id"], pending, seal)))
    if pending:
        media.plan_downloads(tx, pending)
    for row, decoded, media_id in changes:
        content = {
            "kind": decoded.kind,
            "body": decoded.body,
            "content": dict(decoded.content),
            "media_id": media_id,
            "quoted_wa_message_id": decoded.quoted_id,
        }
        repository.fill_placeholder(tx, row, content, (decoded.body or "")[:_PREVIEW])
        events.append(
            tx,
            "message.edited",
            {"message_id": str(row["id"]), "chat_id": str(row["chat_id"])},
            workspace_id=row["workspace_id"],
            account_id=row["account_id"],
        )
    return len(pending)


def plan_download(
    item: PreparedMessage, message_id: uuid.UUID, pending: list[media.PendingDownload], seal: Seal
) -> uuid.UUID | None:
    reference = item.decoded.media if item.decoded is not None else None
    if reference is None:
        return None
    media_id = uuid7()
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
            size=reference.file_length,
            width=reference.width,
            height=reference.height,
        )
    )
    return media_id
