"""Jobs on files: one worker at a time, told about, tried again or given up; and files that nothing uses."""

from __future__ import annotations

import datetime as dt
import uuid
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, update

from blazz.accounts.tables import account_profiles
from blazz.kit import failpoints
from blazz.kit.crypto import SecretBox
from blazz.kit.db import Database, Platform, Workspace
from blazz.kit.errors import BlazzError
from blazz.kit.settings import Settings
from blazz.kit.time import utc_now
from blazz.media import jobs, links, orphans, service
from blazz.media.jobs import Job, JobTask
from blazz.media.store import MediaStore
from blazz.media.tables import media as media_table
from blazz.media.worker import MediaWorker
from tests.media import samples
from tests.support.app import Person, Running, problem
from tests.support.hosting import hosting, local, reply

pytestmark = pytest.mark.anyio
PLATFORM = Platform("test")
LATER = dt.timedelta(hours=1)


class Desk:
    """A workspace with files, and the worker that has jobs on them."""

    def __init__(self, owner: Person) -> None:
        self.owner = owner
        self.database: Database = owner.running.database
        self.store: MediaStore = owner.running.app.state.media_store
        self.scope = Workspace(owner.workspace_id)
        settings = Settings(data_dir=owner.running.settings.data_dir)
        self.worker = MediaWorker(self.database, settings, self.store, local())

    async def upload(self, content: bytes, name: str) -> uuid.UUID:
        answer = await self.owner.browser.post("/api/v1/media", files={"file": (name, content)})
        assert answer.status_code == 201, answer.text
        return uuid.UUID(answer.json()["id"])

    async def plan(self, media_id: uuid.UUID, task: JobTask) -> None:
        await self.database.write(self.scope, jobs.plan, self.owner.workspace_id, media_id, task)

    async def claim(self, after: dt.timedelta = LATER, limit: int = 9) -> list[Job]:
        return await self.database.write(PLATFORM, jobs.claim, utc_now() + after, limit)

    async def work(self) -> None:
        """Do everything that is due now or soon."""
        for job in await self.claim(dt.timedelta(seconds=10)):
            await self.worker.run(job)

    async def sendable(self, media_id: uuid.UUID, task: Any) -> service.FileForSending:
        return await service.file_for_sending(self.database, self.store, self.owner.workspace_id, media_id, task)

    async def shown(self, media_id: uuid.UUID) -> dict[str, Any]:
        found: dict[str, Any] = (await self.owner.get(f"/media/{media_id}")).json()
        return found

    async def told(self) -> list[tuple[str, str]]:
        listed = (await self.owner.get("/events", after=0)).json()["data"]
        return [(item["data"]["task"], item["data"]["status"]) for item in listed if item["name"] == "media.updated"]


@pytest.fixture
async def desk(owner: Person) -> Desk:
    return Desk(owner)


@pytest.mark.every_database
async def test_a_job_belongs_to_one_worker_until_its_time_is_over(desk: Desk) -> None:
    media_id = await desk.upload(samples.sound(1.0), "a.webm")
    await desk.plan(media_id, "voice")
    await desk.plan(media_id, "voice")
    first = await desk.claim()
    assert sorted(job.task for job in first) == ["probe", "voice"]
    assert await desk.claim() == []
    again = await desk.claim(LATER * 2)
    assert [job.attempt for job in again] == [2, 2]
    voice = next(job for job in first if job.task == "voice")
    await desk.database.write(desk.scope, jobs.fail, voice, "too late")
    with pytest.raises(BlazzError, match="media_pending"):
        await desk.sendable(media_id, "voice")
    for hours in (3, 4):
        await desk.claim(LATER * hours)
    with pytest.raises(BlazzError, match="every attempt was cut off"):
        await desk.sendable(media_id, "voice")


async def test_a_voice_note_is_made_once_and_told_about(desk: Desk) -> None:
    media_id = await desk.upload(samples.sound(2.0), "a.webm")
    await desk.plan(media_id, "voice")
    with pytest.raises(BlazzError, match="media_pending") as caught:
        await desk.sendable(media_id, "voice")
    assert caught.value.status == 503
    await desk.work()
    found = await desk.sendable(media_id, "voice")
    assert (found.mime_type, len(found.details["waveform"])) == ("audio/ogg; codecs=opus", 64)
    assert found.key.startswith("compressed/")
    made = await desk.owner.get(f"/media/{media_id}/content", form="voice")
    assert (made.status_code, made.headers["content-type"]) == (200, "audio/ogg; codecs=opus")
    assert made.content[:4] == b"OggS"
    part = await desk.owner.browser.get(f"/api/v1/media/{media_id}/content?form=voice", headers={"Range": "bytes=0-3"})
    assert (part.status_code, part.content) == (206, b"OggS")
    assert (await desk.owner.get(f"/media/{media_id}/content")).content == samples.sound(2.0)
    assert (await desk.shown(media_id))["details"]["seconds"] == pytest.approx(2.0, abs=0.1)
    assert ("voice", "processing") in await desk.told()
    assert ("voice", "completed") in await desk.told()
    assert await desk.claim() == []


async def test_an_uploaded_film_shows_its_size_and_a_picture_a_moment_later(desk: Desk) -> None:
    media_id = await desk.upload(samples.video(), "a.mp4")
    problem(await desk.owner.get(f"/media/{media_id}/thumbnail"), 404)
    await desk.work()
    shown = await desk.shown(media_id)
    assert (shown["width"], shown["height"]) == (320, 180)
    assert (await desk.owner.get(f"/media/{media_id}/thumbnail")).headers["content-type"] == "image/webp"


async def test_a_document_tells_its_pages_and_waits_for_them_a_moment_only(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    media_id = await desk.upload(samples.document(3), "offer.pdf")
    with pytest.raises(BlazzError, match="media_pending"):
        await desk.sendable(media_id, None)
    monkeypatch.setattr(service, "_LOOK", dt.timedelta(0))
    assert (await desk.sendable(media_id, None)).details == {}
    await desk.work()
    found = await desk.sendable(media_id, None)
    assert found.details == {"pages": 3}
    assert found.thumbnail is not None
    assert found.thumbnail.startswith(b"\xff\xd8")


async def test_a_damaged_file_fails_with_a_reason_and_can_be_tried_again(desk: Desk) -> None:
    media_id = await desk.upload(samples.video()[:3000], "a.mp4")
    await desk.plan(media_id, "video")
    await desk.work()
    with pytest.raises(BlazzError, match="damaged or cut off") as caught:
        await desk.sendable(media_id, "video")
    assert (caught.value.code, caught.value.status) == ("media_failed", 422)
    assert ("video", "failed") in await desk.told()
    assert (await desk.owner.get(f"/media/{media_id}/content", form="video")).status_code == 200, "the file itself"
    await desk.database.write(desk.scope, service.try_again, media_id, "video")
    assert [job.task for job in await desk.claim()] == ["video"]


async def test_a_store_that_is_away_is_tried_again_and_given_up_in_the_end(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    media_id = await desk.upload(samples.sound(1.0), "a.webm")
    await desk.work()
    await desk.plan(media_id, "voice")

    async def away(*_: object) -> None:
        raise BlazzError("media_store_failed", "The file could not be stored.", 503)

    monkeypatch.setattr(desk.store, "put", away)
    for hours in (1, 2, 3):
        with pytest.raises(BlazzError, match="media_pending"):
            await desk.sendable(media_id, "voice")
        for job in await desk.claim(LATER * hours):
            await desk.worker.run(job)
    with pytest.raises(BlazzError, match="could not be stored"):
        await desk.sendable(media_id, "voice")


async def test_a_cut_before_the_record_costs_the_work_and_nothing_else(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLAZZ_TEST_MODE", "1")
    media_id = await desk.upload(samples.sound(1.0), "a.webm")
    await desk.work()
    await desk.plan(media_id, "voice")
    failpoints.arm("media.made_before_record", "error")
    try:
        (job,) = await desk.claim()
        with pytest.raises(failpoints.FailpointError):
            await desk.worker.run(job)
    finally:
        failpoints.disarm("media.made_before_record")
    with pytest.raises(BlazzError, match="media_pending"):
        await desk.sendable(media_id, "voice")
    (again,) = await desk.claim(LATER * 2)
    await desk.worker.run(again)
    assert (await desk.sendable(media_id, "voice")).mime_type == "audio/ogg; codecs=opus"
    assert list((desk.store.scratch_file().parent).iterdir()) == []


async def test_a_file_is_fetched_by_its_address_before_anything_is_made_of_it(desk: Desk) -> None:
    async with hosting(lambda _: reply(samples.picture("PNG"), Content_Type="image/png")) as host:
        media_id = await desk.database.write(desk.scope, service.expect_file, host.url("/dir/cat.png"), "image", None)
        await desk.plan(media_id, "sticker")
        problem(await desk.owner.get(f"/media/{media_id}/content"), 409, "media_pending")
        (job,) = await desk.claim()
        assert job.task == "fetch"
        await desk.worker.run(job)
        shown = await desk.shown(media_id)
        assert (shown["status"], shown["mime_type"], shown["filename"]) == ("completed", "image/png", "cat.png")
        await desk.work()
        assert (await desk.sendable(media_id, "sticker")).mime_type == "image/webp"


async def test_what_cannot_be_fetched_fails_with_what_is_made_of_it(desk: Desk) -> None:
    async with hosting(lambda _: reply(samples.PDF, Content_Type="image/png")) as host:
        media_id = await desk.database.write(desk.scope, service.expect_file, host.url("/a.png"), "image", None)
        await desk.plan(media_id, "image")
        await desk.work()
    assert "Announced as image" in (await desk.shown(media_id))["failure"]
    await desk.work()
    with pytest.raises(BlazzError, match="media_failed"):
        await desk.sendable(media_id, "image")
    assert await desk.claim() == []


async def test_a_short_lived_address_gives_its_file_to_anybody_until_it_ends(running: Running, desk: Desk) -> None:
    media_id = await desk.upload(samples.picture(), "a.jpg")
    answer = (await desk.owner.get(f"/media/{media_id}/url")).json()
    anonymous = await running.browser()
    path = answer["url"][answer["url"].index("/api/") :]
    got = await anonymous.get(path, headers={"Range": "bytes=0-1"})
    assert (got.status_code, got.content) == (206, b"\xff\xd8")
    assert "sandbox" in got.headers["content-security-policy"]
    end = dt.datetime.fromisoformat(answer["expires_at"])
    assert dt.timedelta(minutes=8) < end - utc_now() <= links.LIFETIME
    box = SecretBox(b"k" * 32)
    grant = links.Grant(desk.owner.workspace_id, media_id, "")
    assert links.verify(box, links.sign(box, grant, end), utc_now()) == grant
    old = links.sign(box, grant, utc_now() - dt.timedelta(seconds=1))
    problem(await anonymous.get(f"/api/v1/files/{old}"), 410, "link_expired")
    foreign = links.sign(SecretBox(b"x" * 32), grant, end)
    token = path.rpartition("/")[2]
    for wrong in (foreign, token[:-4] + "AAAA", "x", token + "A" * 40, "%00", "a" * 400):
        problem(await anonymous.get(f"/api/v1/files/{wrong}"), 404, "not_found")
    stranger = await running.stranger()
    problem(await stranger.get(f"/media/{media_id}/url"), 404, "not_found")


@pytest.mark.every_database
async def test_files_that_nothing_uses_are_removed_after_their_time(running: Running, desk: Desk) -> None:
    old, young, sent = [await desk.upload(samples.picture(size=(60 + n, 40)), f"{n}.jpg") for n in range(3)]
    twin = await desk.upload(samples.picture(size=(60, 40)), "another name.jpg")
    made = await desk.owner.post("/accounts", {})
    await _use(desk, uuid.UUID(made.json()["id"]), sent)

    def age(tx: Any) -> None:
        past = utc_now() - dt.timedelta(days=31)
        tx.execute(update(media_table).where(media_table.c.id.in_([old, sent])).values(created_at=past))

    await desk.database.write(PLATFORM, age)
    assert await orphans.remove_orphans(desk.database, desk.store, 30) == 1
    problem(await desk.owner.get(f"/media/{old}"), 404)
    for kept in (young, sent, twin):
        assert (await desk.owner.get(f"/media/{kept}/content")).status_code == 200
    assert await orphans.remove_orphans(desk.database, desk.store, 30) == 0
    await desk.database.write(PLATFORM, lambda tx: _age_all(tx))
    assert await orphans.remove_orphans(desk.database, desk.store, 30) == 2
    assert len(_originals(running)) == 1
    assert len(list((running.settings.media_dir / "thumbs").rglob("*.webp"))) == 1


def _age_all(tx: Any) -> None:
    tx.execute(
        update(media_table).where(media_table.c.id.is_not(None)).values(created_at=utc_now() - dt.timedelta(days=40))
    )


def _originals(running: Running) -> list[Path]:
    return list((running.settings.media_dir / "original").rglob("*.jpg"))


async def _use(desk: Desk, account_id: uuid.UUID, media_id: uuid.UUID) -> None:
    """Have something refer to a file, as a picture of the number's own profile does."""
    row: dict[str, Any] = {"id": uuid.uuid4(), "workspace_id": desk.owner.workspace_id, "account_id": account_id}
    row |= {"media_id": media_id, "checked_at": utc_now()}

    def refer(tx: Any) -> None:
        tx.execute(insert(account_profiles).values(**row))

    await desk.database.write(PLATFORM, refer)
