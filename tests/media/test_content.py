"""Reading files: ranges, validators, who may, and what is not there."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from blazz.kit.errors import BlazzError
from blazz.media import service
from tests.media import samples
from tests.support.app import Person, Running, problem

pytestmark = pytest.mark.anyio
CONTENT = bytes(range(32, 122)) * 12


@pytest.fixture
async def text(owner: Person) -> str:
    """The id of an uploaded text."""
    answer = await owner.browser.post("/api/v1/media", files={"file": ("a.txt", CONTENT, "text/plain")})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def read(person: Person, media_id: str, **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await person.browser.get(f"/api/v1/media/{media_id}/content", headers=named)


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("bytes=1000-", 1000, len(CONTENT)),
        ("bytes=-5", len(CONTENT) - 5, len(CONTENT)),
        ("bytes=0-999999", 0, len(CONTENT)),
        ("bytes=-999999", 0, len(CONTENT)),
    ],
)
async def test_a_range_is_answered_with_exactly_its_bytes(
    owner: Person, text: str, asked: str, start: int, end: int
) -> None:
    answer = await read(owner, text, Range=asked)
    assert answer.status_code == 206
    assert answer.content == CONTENT[start:end]
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{len(CONTENT)}"
    assert answer.headers["content-length"] == str(end - start)


@pytest.mark.parametrize("asked", [f"bytes={len(CONTENT)}-", "bytes=99999-100000", "bytes=-0"])
async def test_a_range_outside_the_file_is_refused_with_its_size(owner: Person, text: str, asked: str) -> None:
    answer = await read(owner, text, Range=asked)
    problem(answer, 416, "range_not_satisfiable")
    assert answer.headers["content-range"] == f"bytes */{len(CONTENT)}"


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "bytes=5-2", "bytes=-", "lines=1-2", "bytes=x-y", "bytes=1-2-3"])
async def test_a_range_that_makes_no_sense_gives_the_whole_file(owner: Person, text: str, asked: str) -> None:
    answer = await read(owner, text, Range=asked)
    assert answer.status_code == 200
    assert answer.content == CONTENT
    assert answer.headers["accept-ranges"] == "bytes"


async def test_a_known_file_is_not_sent_again(owner: Person, text: str) -> None:
    etag = (await read(owner, text)).headers["etag"]
    for given in (etag, f'"other", W/{etag}', "*"):
        answer = await read(owner, text, If_None_Match=given)
        assert (answer.status_code, answer.content) == (304, b"")
    assert (await read(owner, text, If_None_Match='"other"')).status_code == 200
    assert (await read(owner, text, If_Range=etag, Range="bytes=0-1")).status_code == 206
    assert (await read(owner, text, If_Range='"other"', Range="bytes=0-1")).status_code == 200


async def test_a_document_is_downloaded_not_shown(owner: Person, text: str) -> None:
    answer = await read(owner, text)
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert "sandbox" in answer.headers["content-security-policy"]


async def test_files_of_another_workspace_do_not_exist(running: Running, owner: Person, text: str) -> None:
    stranger = await running.stranger()
    for suffix in ("", "/content", "/thumbnail"):
        problem(await stranger.get(f"/media/{text}{suffix}"), 404, "not_found")
        problem(await owner.get(f"/media/{uuid.uuid4()}{suffix}"), 404, "not_found")
        problem(await owner.get(f"/media/nonsense{suffix}"), 422, "invalid_request")
        anonymous = await running.browser()
        problem(await anonymous.get(f"/api/v1/media/{text}{suffix}"), 401)


async def test_reading_and_writing_need_their_scopes(owner: Person, text: str) -> None:
    reader, writer = await owner.program("media:read"), await owner.program("media:write")
    part = {"file": ("a.txt", b"words")}
    assert (await reader.get(f"/api/v1/media/{text}/content")).status_code == 200
    problem(await reader.post("/api/v1/media", files=part), 403, "scope_missing")
    problem(await writer.get(f"/api/v1/media/{text}/content"), 403, "scope_missing")
    assert (await writer.post("/api/v1/media", files=part)).status_code == 201


async def test_an_element_of_a_page_names_the_workspace_in_its_address(owner: Person, text: str) -> None:
    made = await owner.post("/workspaces", {"name": "Second"})
    assert made.status_code == 201, made.text
    problem(await owner.get(f"/media/{text}/content"), 400, "workspace_required")
    assert (await owner.get(f"/media/{text}/content", workspace=str(owner.workspace_id))).status_code == 200
    problem(await owner.get(f"/media/{text}/content", workspace=made.json()["id"]), 404, "not_found")
    problem(await owner.get(f"/media/{text}/content", workspace=str(uuid.uuid4())), 403, "workspace_forbidden")
    problem(await owner.get(f"/media/{text}/content", workspace="nonsense"), 422, "invalid_workspace")


async def test_a_file_that_the_disk_has_lost_is_told_as_such(running: Running, owner: Person, text: str) -> None:
    for path in (running.settings.media_dir / "original").rglob("*.txt"):
        path.unlink()
    problem(await read(owner, text), 410, "media_failed")


async def test_a_picture_to_be_sent_comes_with_a_small_jpeg(running: Running, owner: Person) -> None:
    answer = await owner.browser.post("/api/v1/media", files={"file": ("a.png", samples.picture("PNG"))})
    media_id = uuid.UUID(answer.json()["id"])
    store = running.app.state.media_store
    found = await service.file_for_sending(running.database, store, owner.workspace_id, media_id)
    assert await store.read(found.key) == samples.picture("PNG")
    assert found.thumbnail is not None
    assert found.thumbnail.startswith(b"\xff\xd8\xff")
    with pytest.raises(BlazzError, match="not_found"):
        await service.file_for_sending(running.database, store, owner.workspace_id, uuid.uuid4())
