"""`blazz secret rotate`: everything is sealed anew, whatever cuts it, and no role works with too few keys."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import insert, select
from typer.testing import CliRunner

from blazz.accounts.tables import accounts
from blazz.cli import secret as commands
from blazz.cli.key_facts import compare_keys
from blazz.cluster.processes import SignOfLife
from blazz.kit.crypto import SecretBox
from blazz.kit.db import Database, Platform, Tx
from blazz.kit.db import sealed as sealing
from blazz.kit.errors import BlazzError
from blazz.kit.ids import uuid7
from blazz.kit.secret_keys import PREVIOUS_FILE, SecretKeys, load_keys
from blazz.kit.settings import Settings
from blazz.kit.time import utc_now
from blazz.media.tables import media, media_downloads
from blazz.messaging.state_tables import history_imports
from tests.support.databases import migrated, open_database
from tests.support.rows import make_workspaces

pytestmark = pytest.mark.anyio
OLD, NEW, OTHER = b"o" * 32, b"n" * 32, b"x" * 32
SCOPE = Platform("test data")
FILES = 7


def given(key: bytes) -> str:
    return base64.b64encode(key).decode()


async def sealed_rows(database: Database, key: bytes) -> None:
    """Store downloads and an import that `key` sealed, and an import that is finished."""
    (workspace,) = await make_workspaces(database, 1)
    box, now, account = SecretBox(key), utc_now(), uuid7()
    common = {"workspace_id": workspace, "created_at": now}
    due = {**common, "account_id": account, "attempts": 0, "due_at": now}

    def work(tx: Tx) -> None:
        tx.execute(insert(accounts), [{**common, "id": account, **_ACCOUNT}])
        ids = [uuid7() for _ in range(FILES)]
        tx.execute(insert(media), [{**common, "id": one, **_MEDIA} for one in ids])
        tx.execute(
            insert(media_downloads),
            [
                {**due, "id": uuid7(), "media_id": one, "message_id": uuid7(), "reference": _sealed_file(box, one)}
                for one in ids
            ],
        )
        tx.execute(
            insert(history_imports),
            [
                {**due, "id": uuid7(), "wa_message_id": name, "notification": notification, **_IMPORT}
                for name, notification in (("A", box.seal(b"keys", f"history:{account}:A")), ("B", b""))
            ],
        )

    await database.write(SCOPE, work)


_ACCOUNT = {"name": "Shop", "provider": "whatsapp_web", "status": "connected", "status_since": utc_now()}
_ACCOUNT |= {"is_primary": True, "qr_starts": [], "session_restore_count": 0}
_MEDIA = {"mime_type": "image/jpeg", "status": "pending", "source": "whatsapp"}
_IMPORT = dict.fromkeys(("sync_type", "progress", "pieces", "chats", "messages"), 0) | {"state": "waiting"}


def _sealed_file(box: SecretBox, media_id: uuid.UUID) -> bytes:
    return box.seal(json.dumps({"path": str(media_id)}).encode(), f"media:{media_id}")


async def opened_by(database: Database, key: bytes) -> int:
    """Count the values that a key opens, under the contexts of their users."""
    box, count = SecretBox(key), 0
    for row in await database.read(SCOPE, lambda tx: tx.all(select(media_downloads))):
        with contextlib.suppress(BlazzError):
            count += json.loads(box.open(row["reference"], f"media:{row['media_id']}"))["path"] == str(row["media_id"])
    for row in await database.read(SCOPE, lambda tx: tx.all(select(history_imports))):
        with contextlib.suppress(BlazzError):
            context = f"history:{row['account_id']}:{row['wa_message_id']}"
            count += bool(row["notification"]) and box.open(row["notification"], context) == b"keys"
    return count


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with open_database(database_url) as opened:
        await sealed_rows(opened, OLD)
        yield opened


@pytest.mark.every_database
async def test_everything_is_sealed_anew_in_pages(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "_PAGE", 3)
    box = SecretBox(NEW, OLD)
    columns = commands.sealed_columns()
    done = [await sealing.reseal(database, box, column) for column in columns]
    assert [(one.values, one.changed, one.unreadable) for one in done] == [(FILES, FILES, 0), (1, 1, 0)]
    assert (await opened_by(database, NEW), await opened_by(database, OLD)) == (FILES + 1, 0)
    again = [await sealing.reseal(database, box, column) for column in columns]
    assert [one.changed for one in again] == [0, 0]
    lost = await sealing.reseal(database, SecretBox(OTHER), columns[0])
    assert (lost.changed, lost.unreadable) == (0, FILES)


async def test_no_role_starts_with_fewer_keys_than_are_in_use(database: Database) -> None:
    async def starts(current: bytes, previous: bytes | None = None) -> None:
        await database.write(SCOPE, compare_keys, SecretKeys(current, previous))

    await starts(OLD)
    await starts(OLD, NEW)  # the first round
    with pytest.raises(BlazzError, match="secret_key_differs"):
        await starts(NEW)
    await starts(NEW, OLD)  # the second one
    await starts(OLD, NEW)  # a process of the first round is started again
    for alone in (OLD, NEW):
        with pytest.raises(BlazzError, match="secret_key_changing"):
            await starts(alone)
    with pytest.raises(BlazzError, match="secret_key_differs"):
        await starts(OTHER)
    with pytest.raises(BlazzError, match="secret_key_changing"):
        await starts(OTHER, NEW)


@pytest.mark.every_server
async def test_the_key_is_changed_while_roles_run(
    database: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await database.write(SCOPE, compare_keys, SecretKeys(OLD))
    monkeypatch.setenv("BLAZZ_DATABASE_URL", database_url)
    monkeypatch.setenv("BLAZZ_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("BLAZZ_SECRET_KEY", given(NEW))
    assert "BLAZZ_SECRET_KEY_PREVIOUS" in await rotate(1)
    monkeypatch.setenv("BLAZZ_SECRET_KEY_PREVIOUS", given(OTHER))
    await rotate(1)
    assert await opened_by(database, OLD) == FILES + 1
    monkeypatch.setenv("BLAZZ_SECRET_KEY_PREVIOUS", given(OLD))
    assert f"{FILES + 1} of them anew" in await rotate(0)
    assert "0 of them anew" in await rotate(0)
    assert await opened_by(database, NEW) == FILES + 1
    await database.write(SCOPE, compare_keys, SecretKeys(NEW))
    with pytest.raises(BlazzError, match="secret_key_differs"):
        await database.write(SCOPE, compare_keys, SecretKeys(OLD))


async def rotate(code: int) -> str:
    """Run the command on a thread of its own, as it has an event loop of its own; returns what it said."""
    done = await asyncio.to_thread(CliRunner().invoke, commands.app, ["rotate"])
    assert done.exit_code == code, done.output
    return done.output


async def test_a_key_file_is_not_changed_under_running_roles(database: Database, tmp_path: Path) -> None:
    keys = load_keys(tmp_path, None, None, create=True)
    sign = SignOfLife(database, "worker")
    await database.write(SCOPE, sign._sign)
    with pytest.raises(BlazzError, match="roles_alive"):
        await commands._with_key_files(database, Settings(data_dir=tmp_path, database_url="postgresql://host/blazz"))
    assert load_keys(tmp_path, None, None, create=False) == keys


async def test_a_killed_change_of_the_key_file_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{migrated(tmp_path / 'blazz.db')}"
    old = load_keys(tmp_path, None, None, create=True)
    async with open_database(url) as opened:
        await sealed_rows(opened, old.current)
    monkeypatch.setenv("BLAZZ_DATA_DIR", str(tmp_path))
    killed = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "blazz", "secret", "rotate"],
        capture_output=True,
        timeout=120,
        check=False,
        env={**os.environ, "BLAZZ_TEST_MODE": "1", "BLAZZ_FAILPOINTS": "secret.page_resealed=kill"},
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    cut = load_keys(tmp_path, None, None, create=False)
    assert cut.previous == old.current
    async with open_database(url) as opened:
        assert await opened_by(opened, cut.current) == FILES, "the downloads are, the import is not"
        assert await opened_by(opened, cut.previous) == 1
    await rotate(0)
    assert not (tmp_path / PREVIOUS_FILE).exists()
    assert load_keys(tmp_path, None, None, create=False) == SecretKeys(cut.current)
    async with open_database(url) as opened:
        assert await opened_by(opened, cut.current) == FILES + 1
