"""Messages with files over the API: what each kind takes, what is made of the file, and what is refused."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import Message
from blazz.kit.db import Tx, Workspaces
from blazz.kit.time import utc_now
from blazz.messaging import kinds, outbox
from blazz.messaging.kinds import MediaFacts, Uploaded
from tests.media import samples
from tests.messaging.stage import Stage
from tests.support.app import problem

pytestmark = pytest.mark.anyio


async def upload(stage: Stage, content: bytes, name: str) -> str:
    answer = await stage.owner.browser.post("/api/v1/media", files={"file": (name, content)})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def send(stage: Stage, kind: str, **content: Any) -> Any:
    return await stage.send(type=kind, text=None, **{kind: content})


@pytest.mark.kind("image", "api")
@pytest.mark.kind("video", "api")
@pytest.mark.kind("gif", "api")
@pytest.mark.kind("video_note", "api")
@pytest.mark.kind("audio", "api")
@pytest.mark.kind("voice", "api")
@pytest.mark.kind("document", "api")
@pytest.mark.kind("sticker", "api")
@pytest.mark.kind("view_once", "api")
@pytest.mark.parametrize(
    ("kind", "content", "name", "fields", "form"),
    [
        ("image", samples.picture(), "a.jpg", {"caption": "look"}, None),
        ("image", samples.picture(orientation=6), "a.jpg", {"view_once": True}, "image"),
        ("image", samples.picture("WEBP"), "a.webp", {}, "image"),
        ("video", samples.MP4, "a.mp4", {"caption": "look"}, "video"),
        ("video", samples.animation(), "a.gif", {"animated": True}, "gif"),
        ("video", samples.MP4, "a.mp4", {"note": True}, "note"),
        ("audio", samples.MP3, "a.mp3", {}, "audio"),
        ("audio", samples.OPUS, "a.ogg", {"voice": True, "view_once": True}, "voice"),
        ("document", samples.PDF, "a.pdf", {"filename": "offer.pdf", "caption": "here"}, None),
        ("sticker", samples.picture("PNG"), "a.png", {}, "sticker"),
    ],
    ids=["plain", "sideways", "webp", "video", "gif", "note", "audio", "voice", "document", "sticker"],
)
async def test_a_file_is_accepted_with_what_will_be_made_of_it(
    stage: Stage, kind: str, content: bytes, name: str, fields: dict[str, Any], form: str | None
) -> None:
    answer = await send(stage, kind, id=await upload(stage, content, name), **fields)
    assert answer.status_code == 202, answer.text
    message = answer.json()
    shown = message[kind]
    assert (message["type"], shown["form"], shown["caption"]) == (kind, form, fields.get("caption"))
    assert shown["status"] == ("completed" if form is None else "processing")
    assert message["view_once"] is fields.get("view_once", False)
    for name_of_flag in ("animated", "note", "voice"):
        assert bool(shown[name_of_flag]) is fields.get(name_of_flag, False)
    if kind == "document":
        assert shown["filename"] == "offer.pdf"


async def test_a_file_by_its_address_is_accepted_at_once_and_pending(stage: Stage) -> None:
    answer = await send(stage, "video", link="https://files.example/film.mp4", caption="soon")
    assert answer.status_code == 202, answer.text
    assert (answer.json()["state"], answer.json()["video"]["status"]) == ("pending", "pending")


@pytest.mark.kind("link_preview", "api")
@pytest.mark.kind("link_preview", "receive")
async def test_a_preview_that_came_with_a_text_is_shown(stage: Stage) -> None:
    message = Message()
    part = message.extendedTextMessage
    part.text, part.matchedText, part.title = "see https://a.example", "https://a.example", "A"
    part.description, part.JPEGThumbnail = "All of it", samples.picture(size=(40, 30))
    await stage.deliver(stage.inbound("", raw=message.SerializeToString()))
    (row,) = await stage.rows()
    shown = (await stage.owner.get(f"/messages/{row['id']}")).json()["text"]
    assert shown["body"] == "see https://a.example"
    assert (shown["preview"]["url"], shown["preview"]["title"]) == ("https://a.example", "A")
    assert shown["preview"]["thumbnail"].startswith("data:image/jpeg;base64,")
    part.JPEGThumbnail = b"<svg onload=alert(1)>" * 10
    decoded = kinds.decode(message.SerializeToString())
    assert decoded is not None
    assert "thumbnail" not in decoded.content["preview"]


async def test_the_large_picture_of_a_link_is_fetched(stage: Stage) -> None:
    message = Message()
    part = message.extendedTextMessage
    part.text, part.matchedText, part.title = "see https://a.example", "https://a.example", "A"
    part.thumbnailDirectPath, part.mediaKey = "/v/t62/x?", b"k" * 32
    part.thumbnailSHA256, part.thumbnailEncSHA256 = b"f" * 32, b"e" * 32
    part.thumbnailWidth, part.thumbnailHeight = 1024, 538
    await stage.deliver(stage.inbound("", raw=message.SerializeToString()))
    (row,) = await stage.rows()
    picture = (await stage.owner.get(f"/messages/{row['id']}")).json()["text"]["preview"]["picture"]
    assert (picture["status"], picture["width"], picture["height"]) == ("pending", 1024, 538)
    assert picture["size"] is None, "the message does not say"
    forward = {"message_id": str(row["id"])}
    copy = (await stage.send(type="forward", text=None, forward=forward)).json()
    assert (copy["text"]["preview"]["title"], copy["text"]["preview"]["picture"]) == ("A", None)


async def test_a_text_that_failed_gets_the_large_picture_of_its_link_anew(stage: Stage) -> None:
    ours = (await stage.send(text={"body": "https://a.example", "preview_url": True})).json()
    uploaded = Uploaded("https://mmg.whatsapp.net/x", "/x?", b"k" * 32, b"e" * 32, b"f" * 32, 4)
    large = outbox.LargePicture(
        uuid.UUID(await upload(stage, samples.picture(), "a.jpg")),
        uploaded,
        MediaFacts("image/jpeg", width=640, height=400),
    )

    def fail(tx: Tx) -> bytes:
        item = outbox.claim(tx, [stage.account_id], 1, utc_now())[0]
        payload = outbox.encode_previewed(tx, item, {"url": "https://a.example", "title": "A"}, large)
        outbox.record_results(tx, [outbox.SendResult.failed(item, "refused", "No.")])
        return payload

    scope = Workspaces.of([stage.owner.workspace_id])
    raw = await stage.owner.running.database.write(scope, fail)
    assert Message.FromString(raw).extendedTextMessage.thumbnailDirectPath == uploaded.direct_path
    assert (await stage.owner.get(f"/messages/{ours['id']}")).json()["text"]["preview"]["picture"][
        "status"
    ] == "completed"
    assert (await stage.owner.post(f"/messages/{ours['id']}/retry")).status_code == 202

    def unwritten(tx: Tx) -> bytes | None:
        return outbox.claim(tx, [stage.account_id], 1, utc_now())[0].payload

    assert await stage.owner.running.database.write(scope, unwritten) is None


@pytest.mark.parametrize(
    ("kind", "fields", "code"),
    [
        ("image", {}, "media_id_missing"),
        ("image", {"id": "mp4", "link": "https://a.example/"}, "media_id_missing"),
        ("image", {"id": "mp4"}, "media_type_mismatch"),
        ("video", {"id": "gif"}, "media_type_mismatch"),
        ("video", {"id": "mp4", "note": True, "animated": True}, "video_note_is_plain"),
        ("video", {"id": "mp4", "note": True, "caption": "x"}, "video_note_is_plain"),
        ("audio", {"id": "mp4"}, "media_type_mismatch"),
        ("audio", {"id": "mp3", "caption": "x"}, "caption_not_allowed"),
        ("sticker", {"id": "mp4"}, "media_type_mismatch"),
        ("sticker", {"id": "gif", "caption": "x"}, "invalid_request"),
        ("document", {"link": "ftp://a.example/a.pdf"}, "url_invalid"),
        ("document", {"link": "https://user:secret@a.example/"}, "url_invalid"),
        ("image", {"link": "file:///etc/passwd"}, "url_invalid"),
        ("image", {"link": "https://a.example/" + "x" * 2048}, "invalid_request"),
        ("video", {"id": "mp4", "animated": "maybe"}, "invalid_request"),
    ],
    ids=range(15),
)
async def test_contradictory_or_impossible_contents_are_refused_and_store_nothing(
    stage: Stage, kind: str, fields: dict[str, Any], code: str
) -> None:
    files = {"mp4": samples.MP4, "gif": samples.animation(), "mp3": samples.MP3}
    if "id" in fields:
        fields = {**fields, "id": await upload(stage, files[fields["id"]], "a." + fields["id"])}
    problem(await send(stage, kind, **fields), 422, code)
    assert await stage.rows() == []


async def test_files_of_another_workspace_do_not_exist(stage: Stage) -> None:
    stranger = await stage.owner.running.stranger()
    answer = await stranger.browser.post("/api/v1/media", files={"file": ("a.jpg", samples.picture())})
    problem(await send(stage, "image", id=answer.json()["id"]), 404, "not_found")
    problem(await send(stage, "image", id=str(uuid.uuid4())), 404, "not_found")
