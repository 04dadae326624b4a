"""Migrations run from an empty database and from the release before, at most once at a time, on every database."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import column, event, table
from sqlalchemy.engine import Connection, Engine

from blazz import migrations
from blazz.kit.errors import BlazzError
from blazz.kit.ids import uuid7
from blazz.kit.time import utc_now
from blazz.migrations.revisions import PREVIOUS_RELEASE, wanted
from blazz.workspaces.tables import workspaces
from tests.migrations.schemas import execute, names, on, rows, tables, upgrade_to

every_database = pytest.mark.every_database


class _Cut(Exception):
    """The process dies here."""


@contextmanager
def cut_at(step: int) -> Iterator[None]:
    """Fail at the step-th change of a schema."""
    steps = 0

    def before(connection: object, cursor: object, statement: str, *rest: object) -> None:
        nonlocal steps
        if statement.strip().upper().startswith(("CREATE", "ALTER", "DROP")):
            steps += 1
            if steps == step:
                raise _Cut

    event.listen(Engine, "before_cursor_execute", before)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", before)


@every_database
def test_an_empty_database_gets_the_schema_of_the_code(empty_database_url: str) -> None:
    migrations.upgrade(empty_database_url)
    assert migrations.check(empty_database_url) == []
    migrations.upgrade(empty_database_url)
    migrations.require_current(empty_database_url)
    assert migrations.check(empty_database_url) == []


@every_database
def test_a_database_of_the_previous_release_keeps_its_rows(empty_database_url: str) -> None:
    upgrade_to(empty_database_url, PREVIOUS_RELEASE)
    with pytest.raises(BlazzError) as caught:
        migrations.require_current(empty_database_url)
    assert caught.value.code == "schema_not_current"
    # with the columns that the release before knows: what is new has defaults, on its schema and on ours
    old = ["id", "number", "name", "timezone", "default_country", "settings", "created_at"]
    known = table("workspaces", *(column(name, workspaces.c[name].type) for name in old))
    values: dict[str, Any] = {"id": uuid7(), "number": 1, "name": "Shop", "timezone": "UTC", "default_country": "ID"}
    values |= {"settings": {"a": [1, "ü"]}, "created_at": utc_now()}

    def add(connection: Connection) -> None:
        connection.execute(known.insert(), values)

    on(empty_database_url, add)
    migrations.upgrade(empty_database_url)
    assert migrations.check(empty_database_url) == []
    values |= {"id": uuid7(), "number": 2}
    on(empty_database_url, add)
    assert [tuple(row) for row in rows(empty_database_url, "SELECT number, name FROM workspaces ORDER BY number")] == [
        (1, "Shop"),
        (2, "Shop"),
    ]


@every_database
def test_programs_of_the_previous_release_run_on_this_schema(empty_database_url: str) -> None:
    upgrade_to(empty_database_url, PREVIOUS_RELEASE)
    before = tables(empty_database_url)
    migrations.upgrade(empty_database_url)
    after = tables(empty_database_url)
    for table_name, columns in before.items():
        assert table_name in after, f"{table_name} is gone, which the release before uses"
        assert not columns.keys() - after[table_name].keys(), (
            f"{table_name} has lost columns that the release before uses"
        )
        for name, now in after[table_name].items():
            if name in columns:
                assert now["nullable"] >= columns[name]["nullable"], f"{table_name}.{name} takes less than before"
            else:
                given = now["nullable"] or now["default"] is not None
                assert given, f"{table_name}.{name} must be given, and the release before does not know it"


@every_database
def test_an_upgrade_that_was_cut_off_is_taken_up_again(empty_database_url: str, database_kind: str) -> None:
    whole = database_kind in ("sqlite", "postgresql")
    upgrade_to(empty_database_url, PREVIOUS_RELEASE)
    before = names(empty_database_url)
    for step in (3, 8):
        with cut_at(step), pytest.raises(_Cut):
            migrations.upgrade(empty_database_url)
        if whole:
            assert names(empty_database_url) == before, "nothing of it is left"
        assert migrations.check(empty_database_url), "what is missing is told"
    migrations.upgrade(empty_database_url)
    assert migrations.check(empty_database_url) == []


@every_database
def test_a_first_upgrade_that_was_cut_off_is_taken_up_again(empty_database_url: str) -> None:
    with cut_at(20), pytest.raises(_Cut):
        migrations.upgrade(empty_database_url)
    migrations.upgrade(empty_database_url)
    assert migrations.check(empty_database_url) == []


@every_database
def test_schema_of_a_later_version_is_used_when_it_says_so(empty_database_url: str) -> None:
    migrations.upgrade(empty_database_url)
    later = f"0099_from_{wanted()[:4]}"
    execute(
        empty_database_url,
        f"UPDATE alembic_version SET version_num = '{later}'",
        "ALTER TABLE users ADD COLUMN colour INTEGER",
    )
    migrations.upgrade(empty_database_url)
    migrations.require_current(empty_database_url)
    assert migrations.pending(empty_database_url).later
    assert migrations.check(empty_database_url) == []
    assert rows(empty_database_url, "SELECT version_num FROM alembic_version") == [(later,)]


@every_database
def test_schema_that_this_version_does_not_run_on_is_refused(empty_database_url: str) -> None:
    migrations.upgrade(empty_database_url)
    for later in ("0099_from_0098", "something"):
        execute(empty_database_url, f"UPDATE alembic_version SET version_num = '{later}'")
        for refuse in (migrations.upgrade, migrations.require_current):
            with pytest.raises(BlazzError) as caught:
                refuse(empty_database_url)
            assert caught.value.code == "database_newer"
            assert later in caught.value.detail
        assert migrations.check(empty_database_url)


@every_database
def test_differences_are_told(empty_database_url: str, database_kind: str) -> None:
    migrations.upgrade(empty_database_url)
    of = " ON events" if database_kind in ("mariadb", "mysql") else ""
    changes = {
        f"DROP INDEX ix_events_occurred_at{of}": ["add_index", "ix_events_occurred_at"],
        "ALTER TABLE users ADD COLUMN colour INTEGER": ["remove_column", "users", "colour"],
        "CREATE TABLE strays (id INTEGER PRIMARY KEY)": ["remove_table", "strays"],
        "DROP TABLE idempotency_keys": ["add_table", "idempotency_keys"],
        "ALTER TABLE contacts DROP COLUMN name": ["add_column", "contacts", "name"],
    }
    execute(empty_database_url, *changes)
    lines = migrations.check(empty_database_url)
    for told in changes.values():
        assert any(all(word in line for word in told) for line in lines), (told, lines)


@every_database
def test_two_upgrades_at_once_do_the_work_once(empty_database_url: str, database_kind: str) -> None:
    outcomes: list[BaseException | None] = []

    def run() -> None:
        try:
            migrations.upgrade(empty_database_url)
            outcomes.append(None)
        except BlazzError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    refused = [outcome for outcome in outcomes if outcome is not None]
    if database_kind != "sqlite":
        assert refused == [], "they wait for each other"
    assert all(isinstance(error, BlazzError) and error.code == "database_in_use" for error in refused)
    assert len(outcomes) == 3
    assert migrations.check(empty_database_url) == []


@pytest.mark.every_server
def test_other_types_and_comparisons_are_told(empty_database_url: str, database_kind: str) -> None:
    migrations.upgrade(empty_database_url)
    if database_kind == "postgresql":
        changes = {
            "users.name": "ALTER TABLE users ALTER COLUMN name TYPE VARCHAR(40)",
            "users.email": 'ALTER TABLE users ALTER COLUMN email TYPE VARCHAR(254) COLLATE "ucs_basic"',
            "instances.renewals": "ALTER TABLE instances ALTER COLUMN renewals TYPE INTEGER",
            "platform_events.id": "ALTER TABLE platform_events ALTER COLUMN id TYPE VARCHAR(36)",
        }
    else:
        changes = {
            "users.name": "ALTER TABLE users MODIFY name VARCHAR(40) NOT NULL",
            "users.email": "ALTER TABLE users MODIFY email VARCHAR(254) COLLATE utf8mb4_general_ci NOT NULL",
            "instances.renewals": "ALTER TABLE instances MODIFY renewals INTEGER NOT NULL",
            "platform_events.id": "ALTER TABLE platform_events MODIFY id CHAR(36) NOT NULL",
        }
    execute(empty_database_url, *changes.values())
    lines = migrations.check(empty_database_url)
    assert len(lines) == len(changes), lines
    for name in changes:
        assert any(name in line for line in lines), (name, lines)


@pytest.mark.parametrize("database_kind", [pytest.param("mariadb", marks=pytest.mark.database)], indirect=True)
def test_a_server_addressed_as_another_kind_is_refused(empty_database_url: str) -> None:
    with pytest.raises(BlazzError) as caught:
        migrations.upgrade(empty_database_url.replace("mariadb:", "mysql:"))
    assert caught.value.code == "database_unsuitable"
    assert "mariadb://" in caught.value.detail
    assert tables(empty_database_url) == {}
