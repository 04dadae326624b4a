"""Captions that are changed after their file was sent: ours by the API, customers' as WhatsApp delivers them."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from sqlalchemy import select

from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import Message
from blazz.kit.db import Platform, Tx, Workspaces
from blazz.kit.time import utc_now
from blazz.messaging import outbox
from blazz.messaging.kinds import MediaFacts, Uploaded
from blazz.messaging.tables import outbox as outbox_table
from tests.media import samples
from tests.messaging import wire
from tests.messaging.stage import Stage
from tests.messaging.test_changes import finish, send, shown
from tests.support.app import problem

pytestmark = pytest.mark.anyio
FILES: dict[str, tuple[bytes, str]] = {
    "image": (samples.picture(), "a.jpg"),
    "video": (samples.MP4, "a.mp4"),
    "gif": (samples.animation(), "a.gif"),
    "note": (samples.MP4, "a.mp4"),
    "document": (samples.PDF, "a.pdf"),
    "audio": (samples.MP3, "a.mp3"),
}
UPLOADED = Uploaded("https://mmg.whatsapp.net/x", "/x?", b"k" * 32, b"e" * 32, b"f" * 32, 4)


async def file_of_ours(stage: Stage, name: str = "image", **fields: Any) -> Any:
    content, filename = FILES[name]
    upload = await stage.owner.browser.post("/api/v1/media", files={"file": (filename, content)})
    kind = {"gif": "video", "note": "video"}.get(name, name)
    flags = {"gif": {"animated": True}, "note": {"note": True}}.get(name, {})
    return await send(stage, kind, {"id": upload.json()["id"], **flags, **fields})


async def edit(stage: Stage, message: Any, body: str, status: int = 202) -> Any:
    return await send(stage, "edit", {"message_id": message["id"], "text": {"body": body}}, status)


async def leaving(stage: Stage, message: Any) -> Message:
    """What the outbox holds of a message, the wrapper of edits taken off."""

    def read(tx: Tx) -> bytes:
        row = tx.one(select(outbox_table).where(outbox_table.c.message_id == uuid.UUID(message["id"])))
        assert row is not None
        return bytes(row["payload"])

    raw = await stage.owner.running.database.read(Platform("test"), read)
    return Message.FromString(raw).editedMessage.message


async def uploaded(stage: Stage) -> Message:
    """What becomes of the oldest message in the outbox once its file is uploaded."""

    def work(tx: Tx) -> bytes:
        item = outbox.claim(tx, [stage.account_id], 1, utc_now())[0]
        return outbox.encode_uploaded(tx, item, UPLOADED, MediaFacts("image/jpeg"))

    scope = Workspaces.of([stage.owner.workspace_id])
    return Message.FromString(await stage.owner.running.database.write(scope, work))


@pytest.mark.kind("edit", "api")
@pytest.mark.parametrize("caption", [{}, {"caption": "first"}], ids=["without caption", "with caption"])
@pytest.mark.parametrize("name", ["image", "video", "gif", "document"])
async def test_a_caption_of_ours_is_edited(stage: Stage, name: str, caption: dict[str, str]) -> None:
    ours = await file_of_ours(stage, name, **caption)
    await finish(stage, "sent")
    sent = await leaving(stage, await edit(stage, ours, "second"))
    new = sent.protocolMessage.editedMessage
    assert ours["wa_message_id"] == sent.protocolMessage.key.ID
    holder = new.documentWithCaptionMessage.message if name == "document" else new
    part = getattr(holder, f"{ours['type']}Message")
    assert [(field.name, value) for field, value in part.ListFields()] == [("caption", "second")]
    now = await shown(stage, ours)
    assert (now[ours["type"]]["caption"], now["edited_at"] is not None) == ("second", True)
    assert now[ours["type"]]["id"] == ours[ours["type"]]["id"], "the file is the same"
    original = (await stage.owner.get(f"/messages/{ours['id']}/changes")).json()["original"]
    assert original == {"body": caption.get("caption")}
    preview = (await stage.owner.get("/chats")).json()["data"][0]["last_message"]["preview"]
    assert preview == "second"


async def test_a_caption_whose_edit_fails_is_the_first_one_again(stage: Stage) -> None:
    ours = await file_of_ours(stage, caption="first")
    await finish(stage, "sent")
    change = await edit(stage, ours, "second")
    await finish(stage, "failed")
    assert (await shown(stage, ours))["image"]["caption"] == "first"
    assert (await stage.owner.post(f"/messages/{change['id']}/retry")).status_code == 202
    assert (await leaving(stage, change)).protocolMessage.editedMessage.imageMessage.caption == "second"
    assert (await shown(stage, ours))["image"]["caption"] == "second"


@pytest.mark.parametrize(
    ("name", "fields", "body", "code"),
    [
        ("note", {}, "x", "not_editable"),
        ("audio", {}, "x", "not_editable"),
        ("image", {"view_once": True, "caption": "first"}, "x", "not_editable"),
        ("image", {"caption": "first"}, "x" * 1025, "caption_too_long"),
    ],
    ids=["video note", "audio", "seen once", "too long"],
)
async def test_what_has_no_caption_to_edit_is_refused(
    stage: Stage, name: str, fields: dict[str, Any], body: str, code: str
) -> None:
    ours = await file_of_ours(stage, name, **fields)
    before = await stage.rows()
    request = {"message_id": ours["id"], "text": {"body": body}}
    answer = await stage.owner.post("/messages", {"to": "+628110000101", "type": "edit", "edit": request})
    problem(answer, 422, code)
    assert await stage.rows() == before


@pytest.mark.parametrize("change", ["edit", "delete"])
async def test_a_file_leaves_as_it_was_first_however_long_its_upload_takes(stage: Stage, change: str) -> None:
    ours = await file_of_ours(stage, caption="first")
    await (edit(stage, ours, "second") if change == "edit" else send(stage, "delete", {"message_id": ours["id"]}))
    message = await uploaded(stage)
    assert (message.imageMessage.caption, len(message.messageContextInfo.messageSecret)) == ("first", 32)


def captioned(field: str, caption: str) -> Message:
    message = Message()
    holder = message.documentWithCaptionMessage.message if field == "documentMessage" else message
    getattr(holder, field).caption = caption
    return message


@pytest.mark.kind("edit", "receive")
@pytest.mark.parametrize("field", ["imageMessage", "videoMessage", "documentMessage"])
async def test_a_caption_that_a_customer_edits_is_taken_over(stage: Stage, field: str) -> None:
    await stage.deliver(stage.inbound("", raw=captioned(field, "first").SerializeToString(), wa_message_id="3ATARGET"))
    for caption in ("second", ""):
        raw = wire.edit("3ATARGET", captioned(field, caption))
        await stage.deliver(stage.inbound("", raw=raw))
    (row,) = [row for row in await stage.rows() if row["target_wa_id"] is None]
    assert row["body"] == "second", "nobody's client takes a caption away by an edit"
