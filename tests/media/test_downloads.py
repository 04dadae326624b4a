"""Files of inbound messages: claimed when due, checked like any other, given up in the end, and told about."""

from __future__ import annotations

import datetime as dt
import itertools
import uuid
from typing import Any

import pytest

from blazz.kit.db import Platform, Workspaces
from blazz.kit.ids import uuid7
from blazz.kit.time import utc_now
from blazz.media import service
from blazz.media.service import DownloadJob, PendingDownload
from tests.media import samples
from tests.support.app import Person, Running, problem

pytestmark = [pytest.mark.anyio, pytest.mark.every_database]
HOUR = dt.timedelta(hours=1)


class Waiting:
    """One account with files that were announced and are not here."""

    def __init__(self, owner: Person, account_id: uuid.UUID) -> None:
        self.owner, self.account_id = owner, account_id
        self.scope = Workspaces.of([owner.workspace_id])
        self.database = owner.running.database
        self.store = owner.running.app.state.media_store

    async def announce(self, mime_type: str = "image/jpeg", filename: str | None = None) -> PendingDownload:
        pending = PendingDownload(
            uuid7(), self.owner.workspace_id, self.account_id, uuid7(), b"sealed", mime_type, filename, 10
        )
        await self.database.write(self.scope, service.plan_downloads, [pending])
        return pending

    async def claim(self, after: dt.timedelta = dt.timedelta(seconds=1), limit: int = 10) -> list[DownloadJob]:
        return await self.database.write(
            self.scope, service.claim_downloads, utc_now() + after, limit, [self.account_id]
        )

    async def arrive(self, job: DownloadJob, content: bytes) -> bool:
        file = self.owner.running.settings.data_dir / "arrived"
        file.write_bytes(content)
        taken = await service.complete(self.database, self.store, job, file)
        assert not file.exists()
        return taken

    async def shown(self, pending: PendingDownload) -> dict[str, Any]:
        found: dict[str, Any] = (await self.owner.get(f"/media/{pending.media_id}")).json()
        return found

    async def told(self) -> list[dict[str, Any]]:
        listed = (await self.owner.get("/events", after=0)).json()["data"]
        return [event["data"] for event in listed if event["name"] == "media.updated"]


@pytest.fixture
async def waiting(owner: Person) -> Waiting:
    made = await owner.post("/accounts", {})
    return Waiting(owner, uuid.UUID(made.json()["id"]))


async def test_an_announced_picture_is_pending_until_it_is_fetched(waiting: Waiting) -> None:
    pending = await waiting.announce(filename="cat.jpg")
    problem(await waiting.owner.get(f"/media/{pending.media_id}/content"), 409, "media_pending")
    problem(await waiting.owner.get(f"/media/{pending.media_id}/thumbnail"), 404, "not_found")
    (job,) = await waiting.claim()
    assert (job.media_id, job.reference, job.attempts) == (pending.media_id, b"sealed", 1)
    assert await waiting.arrive(job, samples.picture())
    assert (await waiting.owner.get(f"/media/{pending.media_id}/content")).content == samples.picture()
    shown = await waiting.shown(pending)
    assert (shown["status"], shown["width"], shown["filename"]) == ("completed", 640, "cat.jpg")
    assert (await waiting.owner.get(f"/media/{pending.media_id}/thumbnail")).status_code == 200
    assert await waiting.told() == [
        {"media_id": str(pending.media_id), "message_id": str(pending.message_id), "status": "completed"}
    ]
    assert await waiting.claim(HOUR * 48) == []


async def test_a_claimed_file_is_due_again_later_and_later(waiting: Waiting) -> None:
    await waiting.announce()
    assert len(await waiting.claim()) == 1
    assert await waiting.claim() == []
    passed, attempts = dt.timedelta(0), []
    for _ in range(8):
        for _ in range(400):
            passed += dt.timedelta(seconds=20)
            jobs = await waiting.claim(passed)
            if jobs:
                attempts.append(passed)
                assert jobs[0].attempts == len(attempts) + 1
                break
    gaps = [later - earlier for earlier, later in itertools.pairwise(attempts)]
    assert gaps[0] > dt.timedelta(seconds=40)
    assert max(gaps) <= dt.timedelta(hours=1.2)
    assert gaps[-1] >= dt.timedelta(minutes=50)


async def test_a_file_that_does_not_come_within_a_day_is_given_up(waiting: Waiting) -> None:
    pending = await waiting.announce()
    assert await waiting.claim(HOUR * 25) == []
    shown = await waiting.shown(pending)
    assert shown["status"] == "failed"
    assert "24 hours" in shown["failure"]
    problem(await waiting.owner.get(f"/media/{pending.media_id}/content"), 410, "media_failed")
    assert [event["status"] for event in await waiting.told()] == ["failed"]


@pytest.mark.sqlite_is_enough
@pytest.mark.parametrize(
    ("announced", "content"),
    [
        ("image/jpeg", b"<html><script>alert(1)</script>"),
        ("image/jpeg", samples.PDF),
        ("image/jpeg", samples.picture()[:3000]),
        ("image/png", samples.huge_png()),
        ("video/mp4", samples.picture()),
        ("audio/ogg", samples.PDF),
        ("application/pdf", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        ("text/html", b"harmless words"),
        ("image/jpeg", b""),
        ("application/pdf", b""),
    ],
    ids=range(10),
)
async def test_content_that_is_not_what_was_announced_ends_as_failed(
    waiting: Waiting, announced: str, content: bytes
) -> None:
    pending = await waiting.announce(announced)
    (job,) = await waiting.claim()
    assert not await waiting.arrive(job, content)
    shown = await waiting.shown(pending)
    assert shown["status"] == "failed"
    assert shown["failure"]
    assert [event["status"] for event in await waiting.told()] == ["failed"]
    assert await waiting.claim(HOUR) == []


@pytest.mark.sqlite_is_enough
@pytest.mark.parametrize(
    ("announced", "content", "kept"),
    [
        ("image/webp", samples.picture("WEBP"), "image/webp"),
        ("image/png", samples.picture(), "image/jpeg"),
        ("video/mp4", samples.MP4, "video/mp4"),
        ("audio/ogg; codecs=opus", samples.OPUS, "audio/ogg; codecs=opus"),
        ("application/pdf", samples.PDF, "application/pdf"),
        ("application/x-unheard-of", b"\x00\x01\x02\x03" * 9, "application/octet-stream"),
        ("application/pdf", samples.picture(), "image/jpeg"),
    ],
    ids=range(7),
)
async def test_content_of_the_announced_family_is_kept_by_its_real_type(
    waiting: Waiting, announced: str, content: bytes, kept: str
) -> None:
    pending = await waiting.announce(announced)
    (job,) = await waiting.claim()
    assert await waiting.arrive(job, content)
    assert (await waiting.shown(pending))["mime_type"] == kept
    assert (await waiting.owner.get(f"/media/{pending.media_id}/content")).content == content


async def test_completing_or_failing_twice_is_told_once(waiting: Waiting) -> None:
    pending = await waiting.announce()
    (job,) = await waiting.claim()
    assert await waiting.arrive(job, samples.picture())
    assert await waiting.arrive(job, samples.picture())
    await waiting.database.write(waiting.scope, service.fail, job, "too late")
    assert (await waiting.shown(pending))["status"] == "completed"
    assert len(await waiting.told()) == 1


async def test_two_messages_with_one_picture_keep_one_file(running: Running, waiting: Waiting) -> None:
    for _ in range(2):
        await waiting.announce()
    for job in await waiting.claim():
        assert await waiting.arrive(job, samples.picture())
    assert len(list((running.settings.media_dir / "original").rglob("*.jpg"))) == 1


async def test_only_files_of_the_accounts_and_workspaces_asked_for_are_claimed(
    running: Running, waiting: Waiting
) -> None:
    await waiting.announce()
    stranger = await running.stranger()
    elsewhere = Workspaces.of([stranger.workspace_id])
    now = utc_now() + HOUR
    assert await running.database.write(elsewhere, service.claim_downloads, now, 9, [waiting.account_id]) == []
    assert await running.database.write(waiting.scope, service.claim_downloads, now, 9, [uuid7()]) == []
    assert await running.database.write(waiting.scope, service.claim_downloads, now, 9, []) == []
    everywhere = Platform("an instance claims for all its sessions")
    assert len(await running.database.write(everywhere, service.claim_downloads, now, 9, [waiting.account_id])) == 1


async def test_a_file_that_is_not_here_cannot_be_sent(waiting: Waiting) -> None:
    pending = await waiting.announce()
    with pytest.raises(Exception, match="media_not_ready"):
        await waiting.database.read(
            waiting.scope, service.facts_for_sending, pending.media_id, waiting.owner.workspace_id
        )
