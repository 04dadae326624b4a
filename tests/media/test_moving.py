"""Files move from disk to a bucket and back: each is readable at any time, and a cut anywhere loses none."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from blazz.kit import failpoints
from blazz.kit.errors import BlazzError
from blazz.kit.settings import Settings
from blazz.media import moving
from blazz.media.backend import Backend
from blazz.media.store import MediaStore
from tests.support.buckets import s3_values

pytestmark = pytest.mark.anyio
WORKSPACE = f"{uuid.UUID(int=5)}/2026/01"


@pytest.fixture
def values(bucket: str) -> dict[str, Any]:
    return s3_values(bucket)


@pytest.fixture
async def store(tmp_path: Path, values: dict[str, Any]) -> AsyncIterator[MediaStore]:
    """A store whose files are to leave the disk for the bucket."""
    opened = MediaStore.from_settings(settings(tmp_path, values))
    yield opened
    opened.close()


def settings(directory: Path, values: dict[str, Any]) -> Settings:
    other = "disk" if values["media_store"] == "s3" else "s3"
    return Settings(data_dir=directory, media_second_store=other, **values)  # type: ignore[arg-type]


async def filled(place: Backend, count: int = 5) -> dict[str, bytes]:
    """Put originals, a small picture and what was made of one; returns all by key."""
    files = {}
    for number in range(count):
        content = os.urandom(1000 + number)
        files[f"original/{WORKSPACE}/{hashlib.sha256(content).hexdigest()}.bin"] = content
    files[f"thumbs/{WORKSPACE}/{'ab' * 32}.webp"] = b"small"
    files[f"compressed/{WORKSPACE}/{'ab' * 32}.video.mp4"] = os.urandom(6 * 1024 * 1024)
    for key, content in files.items():
        await place.put(key, content)
    return files


async def keys(place: Backend | None) -> set[str]:
    assert place is not None
    return {one.key for root in ("original", "compressed", "thumbs") async for page in place.list(root) for one in page}


async def moved(store: MediaStore) -> moving.Moved:
    assert store.second is not None
    return await moving.move(store.second, store.backend, store.scratch, lambda _: None)


async def assert_readable(store: MediaStore, files: dict[str, bytes]) -> None:
    for key, content in files.items():
        assert await store.size(key) == len(content)
        assert await store.read(key) == content


async def test_files_move_to_the_bucket_and_back(tmp_path: Path, store: MediaStore, values: dict[str, Any]) -> None:
    assert store.second is not None
    files = await filled(store.second)
    await assert_readable(store, files)
    done = await moved(store)
    assert (done.files, done.bytes, done.problems) == (len(files), sum(map(len, files.values())), {})
    assert await keys(store.backend) == set(files)
    assert await keys(store.second) == set()
    await assert_readable(store, files)

    back = MediaStore.from_settings(settings(tmp_path, {**values, "media_store": "disk"}))
    assert (await moved(back)).files == len(files)
    assert (await keys(back.backend), await keys(back.second)) == (set(files), set())
    await assert_readable(back, files)
    assert not list(back.scratch.iterdir())
    back.close()


@pytest.mark.parametrize("question", ["size", "get", "check_out"])
async def test_a_file_that_moves_between_two_looks_is_found(
    store: MediaStore, question: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new place does not have it yet, and the old one does not have it any more."""
    second = store.second
    assert second is not None
    files = await filled(second, 1)
    key, content = next(iter(files.items()))
    answer = getattr(second, question)

    async def late(*given: Any) -> Any:
        monkeypatch.undo()
        await moved(store)
        return await answer(*given)

    async def late_bytes(*given: Any) -> AsyncIterator[bytes]:
        monkeypatch.undo()
        await moved(store)
        async for chunk in answer(*given):
            yield chunk

    monkeypatch.setattr(second, question, late_bytes if question == "get" else late)
    if question == "size":
        assert await store.size(key) == len(content)
    elif question == "get":
        assert await store.read(key) == content
    else:
        target = store.scratch_file()
        await store.check_out(key, target)
        assert target.read_bytes() == content


async def test_a_new_file_goes_to_the_new_place_and_a_removed_one_leaves_both(store: MediaStore) -> None:
    assert store.second is not None
    key, *_ = await filled(store.second)
    await store.put("thumbs/new.webp", b"new")
    assert await store.second.size("thumbs/new.webp") is None
    await store.backend.put(key, b"also here")
    await store.delete(key)
    assert await store.size(key) is None
    target = store.scratch_file()
    with pytest.raises(FileNotFoundError):
        await store.check_out(key, target)


@pytest.mark.parametrize("cut", ["media.moved_unverified", "media.moved_not_removed"])
async def test_a_move_that_was_cut_goes_on(store: MediaStore, cut: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLAZZ_TEST_MODE", "1")
    assert store.second is not None
    files = await filled(store.second)
    failpoints.arm(cut, "error@3")
    try:
        with pytest.raises(BlazzError, match="media_store_failed"):
            await moved(store)
    finally:
        failpoints.disarm(cut)
    await assert_readable(store, files)
    assert await keys(store.second), "cut in the middle"
    assert not (await moved(store)).problems
    assert (await keys(store.backend), await keys(store.second)) == (set(files), set())
    await assert_readable(store, files)


async def test_a_damaged_file_stays_and_is_named(store: MediaStore) -> None:
    assert store.second is not None
    files = await filled(store.second)
    damaged = next(iter(files))
    await store.second.put(damaged, b"something else")
    done = await moved(store)
    assert list(done.problems) == [damaged]
    assert "damaged" in done.problems[damaged]
    assert await keys(store.second) == {damaged}
    assert await store.backend.size(damaged) is None


async def test_what_is_half_or_other_in_the_new_place_is_decided_by_the_name(store: MediaStore) -> None:
    """A file's name tells its content; where it does not, nothing is replaced and nothing removed."""
    assert store.second is not None
    files = await filled(store.second)
    original = next(iter(files))
    picture = next(key for key in files if key.startswith("thumbs/"))
    await store.backend.put(original, b"torn")
    await store.backend.put(picture, b"made anew")
    done = await moved(store)
    assert list(done.problems) == [picture]
    assert await keys(store.second) == {picture}
    assert await store.read(original) == files[original]
    assert await store.read(picture) == b"made anew"


async def test_a_bucket_that_does_not_answer_is_named(
    store: MediaStore, tmp_path: Path, values: dict[str, Any]
) -> None:
    assert store.second is not None
    files = await filled(store.second)
    missing = Backend.bucket(Settings(data_dir=tmp_path, **{**values, "media_s3_bucket": "nowhere"}))
    for source, target in ((missing, store.second), (store.second, missing)):
        with pytest.raises(BlazzError, match="media_store_failed") as caught:
            await moving.move(source, target, store.scratch, lambda _: None)
        assert "s3://nowhere" in caught.value.detail
        assert "NoSuchBucket" in caught.value.detail
    await assert_readable(store, files)


async def test_a_file_that_is_removed_meanwhile_is_no_problem(
    store: MediaStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert store.second is not None
    files = await filled(store.second)
    gone = next(iter(files))
    listed = store.second.list

    async def late(prefix: str) -> AsyncIterator[Any]:
        async for page in listed(prefix):
            await store.delete(gone)
            yield page

    monkeypatch.setattr(store.second, "list", late)
    done = await moved(store)
    assert (done.files, done.problems) == (len(files) - 1, {})
    assert gone not in await keys(store.backend)


@pytest.mark.parametrize("second", ["disk", "s3"])
def test_two_stores_must_be_two(tmp_path: Path, values: dict[str, Any], second: str) -> None:
    wrong = Settings(data_dir=tmp_path, **{**values, "media_store": second, "media_second_store": second})
    with pytest.raises(BlazzError, match="media_second_store"):
        MediaStore.from_settings(wrong)


async def test_a_command_that_was_killed_is_run_again(
    tmp_path: Path, store: MediaStore, values: dict[str, Any]
) -> None:
    assert store.second is not None
    files = await filled(store.second)
    given = {f"BLAZZ_{name.upper()}": str(value) for name, value in values.items()}
    given |= {"BLAZZ_MEDIA_SECOND_STORE": "disk", "BLAZZ_DATA_DIR": str(tmp_path), "BLAZZ_TEST_MODE": "1"}
    killed = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "blazz", "media", "move", "--to", store.backend.name],
        capture_output=True,
        timeout=120,
        check=False,
        env={**os.environ, **given, "BLAZZ_FAILPOINTS": "media.moved_not_removed=kill@3"},
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    await assert_readable(store, files)
    assert not (await moved(store)).problems
    assert await keys(store.second) == set()
    await assert_readable(store, files)
