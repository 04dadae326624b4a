"""Files of every kind between two simulated phones, driven by the control API alone."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest

from tests.whatsim.control.helpers import assert_problem, new_phone, picture, shown, until

pytestmark = pytest.mark.anyio
DATA = bytes(range(256)) * 9
CONTENT = base64.b64encode(DATA).decode()
WAVE = list(range(64))


@pytest.mark.kind("image", "network")
@pytest.mark.kind("video", "network")
@pytest.mark.kind("gif", "network")
@pytest.mark.kind("video_note", "network")
@pytest.mark.kind("audio", "network")
@pytest.mark.kind("voice", "network")
@pytest.mark.kind("document", "network")
@pytest.mark.kind("sticker", "network")
@pytest.mark.parametrize(
    ("kind", "fields", "mimetype", "details"),
    [
        ("video", {"seconds": 7, "width": 64, "height": 48, "caption": "look"}, "video/mp4", {"seconds": 7}),
        ("video", {"animated": True}, "video/mp4", {"animated": True}),
        ("video", {"note": True, "seconds": 3}, "video/mp4", {"seconds": 3, "note": True}),
        ("audio", {"mimetype": "audio/mpeg", "seconds": 9}, "audio/mpeg", {"seconds": 9}),
        (
            "audio",
            {"voice": True, "waveform": WAVE, "view_once": True},
            "audio/ogg; codecs=opus",
            {"voice": True, "waveform": WAVE, "view_once": True},
        ),
        ("document", {"filename": "offer.pdf", "mimetype": "application/pdf"}, "application/pdf", {}),
        ("sticker", {"animated": True}, "image/webp", {"animated": True}),
    ],
    ids=["video", "gif", "note", "audio", "voice", "document", "sticker"],
)
async def test_a_file_arrives_as_what_it_was_sent(
    client: httpx.AsyncClient, kind: str, fields: dict[str, Any], mimetype: str, details: dict[str, Any]
) -> None:
    ana, budi = await new_phone(client, "Ana"), await new_phone(client, "Budi")
    body = {"to": budi, "type": kind, kind: {"base64": CONTENT, **fields}}
    sent = await client.post(f"/phones/{ana}/messages", json=body)
    assert sent.status_code == 201, sent.text
    (got,) = await until(lambda: shown(client, budi))
    assert (got["type"], got["body"], got["details"]) == (kind, fields.get("caption", ""), details)
    assert (got["media"]["mimetype"], got["media"]["size"]) == (mimetype, len(DATA))
    assert got["media"]["filename"] == fields.get("filename")
    assert (await client.get(got["media"]["url"])).content == DATA


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("video", {"base64": CONTENT, "mimetype": "text/html"}),
        ("video", {"base64": CONTENT, "seconds": -1}),
        ("audio", {"base64": CONTENT, "waveform": [101]}),
        ("audio", {"base64": CONTENT, "caption": "none"}),
        ("sticker", {"base64": CONTENT, "width": 0}),
        ("document", {}),
    ],
    ids=range(6),
)
async def test_what_no_phone_would_send_is_refused(
    client: httpx.AsyncClient, kind: str, content: dict[str, Any]
) -> None:
    ana, budi = await new_phone(client, "Ana"), await new_phone(client, "Budi")
    answer = await client.post(f"/phones/{ana}/messages", json={"to": budi, "type": kind, kind: content})
    assert_problem(answer, 422, "invalid_request")
    assert await shown(client, budi) == []
    answer = await client.post(
        f"/phones/{ana}/messages", json={"to": budi, "type": "audio", "audio": {"base64": "no base64!"}}
    )
    assert_problem(answer, 422, "invalid_base64")


async def test_a_picture_may_be_seen_only_once(client: httpx.AsyncClient) -> None:
    ana, budi = await new_phone(client, "Ana"), await new_phone(client, "Budi")
    image = {"base64": base64.b64encode(picture()).decode(), "view_once": True}
    await client.post(f"/phones/{ana}/messages", json={"to": budi, "type": "image", "image": image})
    (got,) = await until(lambda: shown(client, budi))
    assert (got["type"], got["details"]["view_once"]) == ("image", True)
