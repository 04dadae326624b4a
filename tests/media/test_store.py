"""Where files are kept: on disk and in an S3 bucket, with the same promises."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import threading
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from blazz.kit.errors import BlazzError
from blazz.kit.settings import Settings
from blazz.media.store import MediaStore
from tests.media import samples
from tests.support.app import Person, Running, run_app
from tests.support.buckets import s3_values

pytestmark = pytest.mark.anyio
KEY = f"original/{uuid.UUID(int=5)}/2026/01/{'ab' * 32}.bin"


@pytest.fixture(params=["disk", "s3"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[MediaStore]:
    settings = Settings(data_dir=tmp_path)
    if request.param == "s3":
        settings = Settings(data_dir=tmp_path, **s3_values(request.getfixturevalue("bucket")))
    opened = MediaStore.from_settings(settings)
    yield opened
    opened.close()


async def test_what_was_put_comes_back_whole_or_in_part(store: MediaStore, tmp_path: Path) -> None:
    content = os.urandom(12 * 1024 * 1024)  # more than one part of an upload in parts
    file = tmp_path / "file"
    file.write_bytes(content)
    await store.put(KEY, file)
    assert await store.size(KEY) == len(content)
    assert b"".join([chunk async for chunk in store.get(KEY)]) == content
    assert b"".join([chunk async for chunk in store.get(KEY, 1000, 2000)]) == content[1000:2000]
    await store.put(KEY, b"small")
    assert await store.read(KEY) == b"small"


async def test_a_file_is_taken_out_under_a_name_of_its_own(store: MediaStore) -> None:
    await store.put(KEY, b"content")
    target = store.scratch_file()
    await store.check_out(KEY, target)
    assert target.read_bytes() == b"content"
    target.unlink()
    assert await store.read(KEY) == b"content", "the store's own file stays"


async def test_what_is_not_there_is_told_as_such_and_leaves_nothing(store: MediaStore) -> None:
    target = store.scratch_file()
    assert await store.size(KEY) is None
    assert await store.read(KEY) is None
    with pytest.raises(FileNotFoundError):
        await store.check_out(KEY, target)
    assert not target.exists()
    await store.delete(KEY)


async def test_a_bucket_that_is_away_is_an_error_to_try_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blazz.media.backend._S3_RETRIES", dt.timedelta(seconds=0.1))
    store = MediaStore.from_settings(Settings(data_dir=tmp_path, **s3_values("http://127.0.0.1:9")))
    with pytest.raises(BlazzError, match="media_store_failed") as caught:
        await store.put(KEY, b"content")
    assert caught.value.status == 503
    store.close()
    with pytest.raises(BlazzError, match="media_bucket_needed"):
        MediaStore.from_settings(Settings(data_dir=tmp_path, media_store="s3"))


async def test_a_bucket_alone_is_enough_where_the_machine_has_a_role(tmp_path: Path) -> None:
    store = MediaStore.from_settings(Settings(data_dir=tmp_path, media_store="s3", media_s3_bucket="files"))
    assert store.backend.name == "s3://files"
    store.close()


async def test_the_api_works_on_a_bucket(tmp_path: Path, bucket: str) -> None:
    settings = Settings(data_dir=tmp_path, **s3_values(bucket))
    async with run_app(tmp_path) as running:
        running.app.state.media_store = store = MediaStore.from_settings(settings)
        owner: Person = await running.owner()
        content = samples.picture()
        answer = await owner.browser.post("/api/v1/media", files={"file": ("a.jpg", content)})
        assert answer.status_code == 201, answer.text
        media = answer.json()
        assert media["sha256"] == hashlib.sha256(content).hexdigest()
        part = await owner.browser.get(f"/api/v1/media/{media['id']}/content", headers={"Range": "bytes=10-19"})
        assert (part.status_code, part.content) == (206, content[10:20])
        assert (await owner.get(f"/media/{media['id']}/thumbnail")).status_code == 200
        assert not _files_below(running)
        store.close()


def _files_below(running: Running) -> list[Path]:
    return [path for path in (running.settings.data_dir / "media").rglob("*") if path.is_file()]


async def test_threads_of_a_closed_store_end(tmp_path: Path) -> None:
    before = threading.active_count()
    store = MediaStore.from_settings(Settings(data_dir=tmp_path))
    await store.run(len, b"x")
    store.close()
    assert threading.active_count() <= before
