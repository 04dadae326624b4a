"""`blazz media`: says what has to be set before files move, and which files are not where they should be."""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from pathlib import Path

import pytest
from sqlalchemy import insert
from typer.testing import CliRunner

from blazz.cli import media as commands
from blazz.kit.db.sqlite import make_engine
from blazz.kit.ids import uuid7
from blazz.kit.settings import Settings
from blazz.kit.time import utc_now
from blazz.media.backend import Backend
from blazz.media.tables import media, media_jobs
from blazz.workspaces.tables import workspaces
from tests.support.buckets import s3_values
from tests.support.databases import migrated

CONTENT = b"a file of a message"


@pytest.fixture
def values(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Settings of a store on disk whose bucket is known already."""
    given = {name: str(value) for name, value in s3_values(bucket).items()} | {"media_store": "disk"}
    for name, value in given.items():
        monkeypatch.setenv(f"BLAZZ_{name.upper()}", value)
    monkeypatch.setenv("BLAZZ_DATA_DIR", str(tmp_path))
    return given


def stored(directory: Path) -> str:
    """Write one file to disk, with the rows that name it and what was made of it; returns its key."""
    workspace, media_id, digest = uuid7(), uuid7(), hashlib.sha256(CONTENT).hexdigest()
    key, made = f"original/{workspace}/2026/01/{digest}.bin", f"compressed/{workspace}/2026/01/{digest}.video.mp4"
    of_workspace = {"workspace_id": workspace, "created_at": utc_now(), "size": len(CONTENT), "mime_type": "video/mp4"}
    job = {"id": uuid7(), "media_id": media_id, "task": "video", "state": "completed", "path": made}
    with make_engine(migrated(directory / "blazz.db")).begin() as connection:
        connection.execute(insert(workspaces), _workspace(workspace))
        original = {"id": media_id, "sha256": digest, "path": key, "status": "completed", "source": "upload"}
        connection.execute(insert(media), {**of_workspace, **original})
        connection.execute(
            insert(media_jobs), {**of_workspace, **job, "progress": 100, "attempts": 1, "due_at": utc_now()}
        )

    async def put() -> None:
        disk = Backend.disk(directory / "media")
        await disk.put(key, CONTENT)
        await disk.put(made, CONTENT)

    asyncio.run(put())
    return key


def test_files_move_once_the_settings_say_so(
    values: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(tmp_path)
    name = f"s3://files/{values['media_s3_prefix']}"
    for to, word in ((name, "BLAZZ_MEDIA_SECOND_STORE=disk"), ("disk", "BLAZZ_MEDIA_SECOND_STORE=s3"), ("ftp", "--to")):
        refused = CliRunner().invoke(commands.app, ["move", "--to", to])
        assert (refused.exit_code, word in refused.output) == (1, True), refused.output
    monkeypatch.setenv("BLAZZ_MEDIA_STORE", "s3")
    monkeypatch.setenv("BLAZZ_MEDIA_SECOND_STORE", "disk")
    other = CliRunner().invoke(commands.app, ["move", "--to", "s3://another"])
    assert (other.exit_code, "BLAZZ_MEDIA_S3_BUCKET" in other.output) == (1, True), other.output
    done = CliRunner().invoke(commands.app, ["move", "--to", name])
    assert done.exit_code == 0, done.output
    assert "Moved 2 file(s)" in done.output
    monkeypatch.delenv("BLAZZ_MEDIA_SECOND_STORE")
    whole = CliRunner().invoke(commands.app, ["verify", "--content"])
    assert whole.exit_code == 0, whole.output
    assert "All 2 file(s)" in whole.output


def test_files_that_are_missing_or_damaged_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLAZZ_DATA_DIR", str(tmp_path))
    key = stored(tmp_path)
    file = Settings(data_dir=tmp_path).media_dir / key
    file.write_bytes(CONTENT.replace(b"f", b"g"))
    assert CliRunner().invoke(commands.app, ["verify"]).exit_code == 0
    damaged = CliRunner().invoke(commands.app, ["verify", "--content"])
    assert (damaged.exit_code, f"{key}: damaged" in damaged.output) == (1, True), damaged.output
    file.write_bytes(b"short")
    short = CliRunner().invoke(commands.app, ["verify"])
    assert (short.exit_code, f"{key}: 5 bytes instead of" in short.output) == (1, True), short.output
    file.unlink()
    missing = CliRunner().invoke(commands.app, ["verify"])
    assert (missing.exit_code, f"{key}: missing" in missing.output) == (1, True), missing.output


def _workspace(workspace_id: uuid.UUID) -> dict[str, object]:
    settled = {"timezone": "UTC", "default_country": "ID", "settings": {}, "priority": 0}
    return {"id": workspace_id, "number": 1, "name": "Shop", "created_at": utc_now(), **settled}
