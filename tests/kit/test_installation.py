"""Networks never mix: data of one is refused under another, and the schema is what the code expects."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import pytest

from blazz import migrations
from blazz.kit.db import Database
from blazz.kit.db.installation import claim_network
from blazz.kit.errors import BlazzError
from tests.support.databases import migrated, open_at

pytestmark = pytest.mark.anyio


@pytest.mark.every_database
async def test_first_start_binds_the_data_to_its_network(tmp_path: Path, database_url: str) -> None:
    database = await open_at(database_url)
    await claim_network(database, tmp_path, "simulated-1")
    await claim_network(database, tmp_path, "simulated-1")
    with pytest.raises(BlazzError) as caught:
        await claim_network(database, tmp_path, "whatsapp")
    assert caught.value.code == "network_mismatch"
    (tmp_path / "network.json").unlink()
    with pytest.raises(BlazzError) as caught:
        await claim_network(database, tmp_path, "whatsapp")
    assert caught.value.code == "network_mismatch", "the database remembers too"
    assert not (tmp_path / "network.json").exists()
    await database.close()


async def test_directory_of_another_network_is_refused_with_a_fresh_database(tmp_path: Path) -> None:
    (tmp_path / "network.json").write_text('{"network_id": "whatsapp"}')
    database = Database.open(migrated(tmp_path / "blazz.db"))
    for content in ('{"network_id": "whatsapp"}', "damaged", "[]"):
        (tmp_path / "network.json").write_text(content)
        with pytest.raises(BlazzError) as caught:
            await claim_network(database, tmp_path, "simulated-1")
        assert caught.value.code == "network_mismatch"
    await database.close()


def test_migrated_schema_is_the_schema_of_the_code(tmp_path: Path) -> None:
    path = tmp_path / "new" / "blazz.db"
    migrations.upgrade(path)
    assert migrations.check(path) == []
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    migrations.upgrade(path)
    assert migrations.check(path) == []


def test_differences_are_told(tmp_path: Path) -> None:
    path = tmp_path / "blazz.db"
    migrations.upgrade(path)
    with sqlite3.connect(path) as connection:
        connection.execute("ALTER TABLE users ADD COLUMN colour TEXT")
        connection.execute("DROP INDEX ix_events_occurred_at")
    differences = migrations.check(path)
    assert len(differences) == 2
    assert any("users" in line and "colour" in line for line in differences)


def test_schema_of_a_later_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "blazz.db"
    migrations.upgrade(path)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(BlazzError) as caught:
        migrations.upgrade(path)
    assert caught.value.code == "database_newer"
    assert migrations.check(path)


async def test_upgrade_is_refused_while_a_process_runs(tmp_path: Path) -> None:
    database = Database.open(migrated(tmp_path / "blazz.db"))
    with pytest.raises(BlazzError) as caught:
        migrations.upgrade(tmp_path / "blazz.db")
    assert caught.value.code == "database_in_use"
    assert migrations.check(tmp_path / "blazz.db") == []
    await database.close()
