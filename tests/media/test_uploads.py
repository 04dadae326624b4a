"""Files that people upload: taken by what they are, refused when they could act, given back exactly."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.media import samples
from tests.support.app import Person, Running, problem, run_app

pytestmark = pytest.mark.anyio


async def upload(person: Person, content: bytes, name: str = "file.bin", mime: str | None = None) -> httpx.Response:
    part = (name, content) if mime is None else (name, content, mime)
    return await person.browser.post("/api/v1/media", files={"file": part})


def files_in(running: Running, folder: str) -> list[Path]:
    return [path for path in (running.settings.media_dir / folder).rglob("*") if path.is_file()]


async def test_a_picture_comes_back_byte_for_byte_with_its_size_and_digest(running: Running, owner: Person) -> None:
    content = samples.picture()
    answer = await upload(owner, content, "cat.jpg", "application/x-anything")
    assert answer.status_code == 201, answer.text
    media = answer.json()
    assert media["mime_type"] == "image/jpeg"
    assert (media["width"], media["height"], media["size"]) == (640, 400, len(content))
    assert media["sha256"] == hashlib.sha256(content).hexdigest()
    assert (media["filename"], media["status"], media["failure"]) == ("cat.jpg", "completed", None)
    assert (await owner.get(f"/media/{media['id']}")).json() == media
    served = await owner.get(f"/media/{media['id']}/content")
    assert served.content == content
    assert served.headers["content-type"] == "image/jpeg"
    assert served.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in served.headers["content-security-policy"]
    assert served.headers["content-disposition"].startswith("inline;")
    assert files_in(running, "tmp") == []


@pytest.mark.parametrize(
    ("content", "name", "declared", "mime_type"),
    [
        (samples.picture("PNG"), "a.png", None, "image/png"),
        (samples.picture("WEBP"), "a.jpg", "image/jpeg", "image/webp"),
        (samples.picture("GIF"), "a.gif", None, "image/gif"),
        (samples.MP4, "a.mp4", "video/mp4", "video/mp4"),
        (samples.MP4, "a.m4a", "audio/mp4", "audio/mp4"),
        (samples.OPUS, "a.ogg", "audio/ogg", "audio/ogg; codecs=opus"),
        (samples.MP3, "a.mp3", None, "audio/mpeg"),
        (samples.PDF, "a.pdf", "text/html-not", "application/pdf"),
        (b"Just some words.\n", "notes.txt", None, "text/plain"),
        ("Caf\u00e9 3 < 5".encode("cp1252"), "notes.txt", None, "text/plain"),
        ("words".encode("utf-16"), "notes.txt", None, "text/plain"),
        (b"a,b\n1,2\n", "table.csv", "application/vnd.ms-excel", "text/csv"),
        (b"BEGIN:VCARD\nEND:VCARD\n", "a.vcf", None, "text/vcard"),
        (samples.archive("a.txt"), "a.zip", None, "application/zip"),
        (
            samples.archive("[Content_Types].xml", "word/document.xml"),
            "a.docx",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        ),
    ],
)
async def test_the_type_follows_from_the_content(
    owner: Person, content: bytes, name: str, declared: str | None, mime_type: str
) -> None:
    if declared == "text/html-not":
        declared = None
    answer = await upload(owner, content, name, declared)
    assert answer.status_code == 201, answer.text
    assert answer.json()["mime_type"] == mime_type


@pytest.mark.parametrize(
    ("content", "name", "declared"),
    [
        (b"<!DOCTYPE html><script>alert(1)</script>", "page.txt", "text/plain"),
        (b"\n\n <html><body>hi", "a.png", "image/png"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "a.jpg", "image/jpeg"),
        (b"<svg onload=alert(1)>", "a.txt", None),
        (b"\xef\xbb\xbf<html>", "a.txt", None),
        ("<script>x</script>".encode("utf-16"), "a.txt", None),
        (b"alert(1)", "a.js", None),
        (b"alert(1)", "a.txt", "text/javascript"),
        (b"words", "a.html", "text/plain"),
        (samples.picture(), "a.svg", "image/svg+xml"),
        (b"MZ\x90\x00" + b"\x00" * 64, "a.pdf", "application/pdf"),
        (b"\x7fELF" + b"\x00" * 64, "a.bin", None),
        (b"#!/bin/sh\necho hi\n", "a.txt", "text/plain"),
        (samples.archive("META-INF/MANIFEST.MF", "a.class"), "a.zip", None),
        (b"\x00\x01\x02\x03" * 20, "a.dat", None),
    ],
    ids=range(15),
)
async def test_what_could_act_or_is_unknown_is_refused_and_leaves_nothing(
    running: Running, owner: Person, content: bytes, name: str, declared: str | None
) -> None:
    problem(await upload(owner, content, name, declared), 422, "media_type_refused")
    assert files_in(running, "tmp") == []
    assert files_in(running, "original") == []


@pytest.mark.parametrize(
    "content",
    [
        samples.picture()[:4000],
        samples.picture("PNG")[:2000],
        samples.picture("WEBP")[:300],
        b"\xff\xd8\xff\xe0 no picture",
    ],
)
async def test_a_damaged_picture_is_refused(owner: Person, content: bytes) -> None:
    problem(await upload(owner, content, "a.jpg"), 422, "media_unreadable")


@pytest.mark.parametrize("side", [60_000, 9_000])
async def test_a_picture_that_would_fill_the_memory_is_refused_before_it_is_decoded(owner: Person, side: int) -> None:
    document = problem(await upload(owner, samples.huge_png(side, side), "a.png"), 422, "media_unreadable")
    assert "too large" in document["detail"] or "million pixels" in document["detail"]


async def test_nothing_in_the_file_is_refused_too(owner: Person) -> None:
    problem(await upload(owner, b"", "a.txt"), 422, "media_empty")


async def test_a_picture_taken_sideways_is_measured_and_shown_upright(owner: Person) -> None:
    media = (await upload(owner, samples.picture(orientation=6), "a.jpg")).json()
    assert (media["width"], media["height"]) == (400, 640)
    thumbnail = await owner.get(f"/media/{media['id']}/thumbnail")
    assert thumbnail.headers["content-type"] == "image/webp"
    with Image.open(io.BytesIO(thumbnail.content)) as image:
        assert image.format == "WEBP"
        assert image.height == 150
        assert image.width < image.height


async def test_only_pictures_have_a_thumbnail(owner: Person) -> None:
    media = (await upload(owner, samples.PDF, "a.pdf")).json()
    problem(await owner.get(f"/media/{media['id']}/thumbnail"), 404, "not_found")


async def test_equal_content_is_stored_once_in_a_workspace_and_never_shared_between_two(
    running: Running, owner: Person
) -> None:
    content = samples.picture()
    first, again = (await upload(owner, content, "a.jpg")).json(), (await upload(owner, content, "a.jpg")).json()
    assert first == again
    renamed = (await upload(owner, content, "b.jpg")).json()
    assert renamed["id"] != first["id"]
    assert len(files_in(running, "original")) == 1
    stranger = await running.stranger()
    elsewhere = (await upload(stranger, content, "a.jpg")).json()
    assert elsewhere["id"] != first["id"]
    assert len(files_in(running, "original")) == 2


async def test_a_file_above_the_limit_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    async with run_app(tmp_path, media_max_bytes=100_000) as running:
        owner = await running.owner()
        assert (await upload(owner, b"a" * 100_000, "a.txt")).status_code == 201
        problem(await upload(owner, b"a" * 100_001, "b.txt"), 413, "media_too_large")
        problem(await upload(owner, b"a" * 1_000_000, "b.txt"), 413, "media_too_large")

        async def endless() -> Any:
            yield b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
            for _ in range(100):
                yield b"a" * 65_536

        headers = {"Content-Type": "multipart/form-data; boundary=B"}
        streamed = await owner.browser.post("/api/v1/media", content=endless(), headers=headers)
        problem(streamed, 413, "media_too_large")
        assert files_in(running, "tmp") == []


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"{}", "application/json", 415, "unsupported_media_type"),
        (b"x", "multipart/form-data", 415, "unsupported_media_type"),
        (b"--B\r\nbroken", "multipart/form-data; boundary=B", 422, "file_missing"),
        (b"no boundary at all", "multipart/form-data; boundary=B", 400, "malformed_multipart"),
        (b"", "multipart/form-data; boundary=B", 422, "file_missing"),
        (
            b'--B\r\nContent-Disposition: form-data; name="other"\r\n\r\nx\r\n--B--\r\n',
            "multipart/form-data; boundary=B",
            422,
            "file_missing",
        ),
        (
            b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\ncut off',
            "multipart/form-data; boundary=B",
            400,
            "malformed_multipart",
        ),
        (
            (
                b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\none\r\n'
                b'--B\r\nContent-Disposition: form-data; name="file"; filename="b.txt"\r\n\r\ntwo\r\n--B--\r\n'
            ),
            "multipart/form-data; boundary=B",
            422,
            "one_file_only",
        ),
    ],
)
async def test_a_body_that_holds_no_single_file_is_refused(
    running: Running, owner: Person, body: bytes, content_type: str, status: int, code: str
) -> None:
    answer = await owner.browser.post("/api/v1/media", content=body, headers={"Content-Type": content_type})
    problem(answer, status, code)
    assert files_in(running, "tmp") == []


async def test_a_file_name_cannot_leave_its_place_or_break_the_header(owner: Person) -> None:
    for given_name, kept in [("../../etc/passwd.txt", "passwd.txt"), ("C:\\x\\y.txt", "y.txt")]:
        assert (await upload(owner, b"words", given_name)).json()["filename"] == kept
    media = (await upload(owner, b"words", 'r\u00e9sum\u00e9 "x".txt')).json()
    served = await owner.get(f"/media/{media['id']}/content")
    header = served.headers["content-disposition"]
    assert header.startswith("attachment; filename=")
    assert "filename*=UTF-8''r%C3%A9sum%C3%A9%20" in header
    assert "\n" not in header


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(content=st.binary(min_size=1, max_size=400), prefix=st.sampled_from(["", "jpeg", "png", "webp", "ogg", "zip"]))
async def test_arbitrary_bytes_are_taken_or_refused_but_never_break_anything(
    owner: Person, content: bytes, prefix: str
) -> None:
    heads = {
        "": b"",
        "jpeg": samples.picture()[:300],
        "png": samples.picture("PNG")[:60],
        "webp": samples.picture("WEBP")[:40],
        "ogg": b"OggS",
        "zip": b"PK\x03\x04",
    }
    assert (await upload(owner, heads[prefix] + content, "a")).status_code in (201, 422)
