"""`blazz db verify` finds what must not be, on every database, says what to do, and finds nothing in a sound one."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, delete, insert, text, update
from sqlalchemy.engine import Connection
from typer.testing import CliRunner

from blazz.accounts.tables import accounts
from blazz.cli import database as commands
from blazz.cli.verify import findings
from blazz.cluster.tables import assignments, instances, platform_events, platform_heads
from blazz.contacts.tables import contact_identifiers, contacts
from blazz.events.tables import event_heads, events
from blazz.kit.db import UtcDateTime
from blazz.kit.db.verify import Finding
from blazz.kit.ids import uuid7
from blazz.kit.time import utc_now
from blazz.sessions.stores import store_path
from blazz.workspaces.tables import workspaces
from tests.migrations.schemas import on

NOW = utc_now()


def unchecked(url: str, work: Callable[[Connection], object]) -> None:
    """Change rows without the database's own checks of references, as a careless restore does."""
    if url.startswith("sqlite"):
        engine = create_engine(url)  # SQLite checks nothing unless asked
        with engine.begin() as connection:
            work(connection)
        engine.dispose()
        return

    def careless(connection: Connection) -> None:
        postgres = connection.dialect.name == "postgresql"
        connection.execute(text("SET session_replication_role = replica" if postgres else "SET foreign_key_checks = 0"))
        work(connection)

    on(url, careless)


def defaults(table: Any, **given: Any) -> dict[str, Any]:
    """A row of `table`: what is given, and anything in the other columns that must not be empty."""
    anything: dict[type, Any] = {int: 0, bool: False, float: 0.0, dict: {}, uuid.UUID: uuid7()}

    def value(column: Any) -> Any:
        if isinstance(column.type, UtcDateTime):
            return NOW
        try:
            return anything.get(column.type.python_type, "")
        except NotImplementedError:
            return ""

    return {column.name: value(column) for column in table.columns if not column.nullable} | given


class Sound:
    """A database in which all is well: one workspace, one instance, one linked number with its store, three events."""

    def __init__(self, url: str, sessions: Path) -> None:
        self.url, self.sessions = url, sessions
        self.workspace, self.account, self.contact = uuid7(), uuid7(), uuid7()
        on(url, self._fill)
        self.store(3)

    def _fill(self, connection: Connection) -> None:
        place = {"workspace_id": self.workspace}
        rows: list[tuple[Any, dict[str, Any]]] = [
            (workspaces, {"id": self.workspace, "number": 1, "settings": {}, "deleted_at": None}),
            (instances, {"id": "instance-0", "index": 0, "generation": 5, "state": "healthy"}),
            (accounts, {"id": self.account, **place, "jid": "628@s", "status": "connected", "qr_starts": []}),
            (assignments, {"id": self.account, **place, "instance_id": "instance-0", "epoch": 3, "wanted": "running"}),
            (contacts, {"id": self.contact, **place}),
            (event_heads, {**place, "head": 7, "oldest": 5}),
            *((events, {**place, "position": at, "id": uuid7(), "data": {}}) for at in (5, 6, 7)),
            (platform_heads, {"id": 1, "head": 2}),
            *((platform_events, {"position": at, "id": uuid7(), "data": {}}) for at in (1, 2)),
        ]
        for table, row in rows:
            connection.execute(insert(table), defaults(table, **row))

    def store(self, epoch: int, account: uuid.UUID | None = None, workspace: uuid.UUID | None = None) -> Path:
        """A session store on disk."""
        path = store_path(self.sessions, workspace or self.workspace, account or self.account, epoch)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
        return path

    def found(self) -> list[Finding]:
        return findings(self.url if not self.url.startswith("sqlite") else Path(self.url[10:]), self.sessions)


@pytest.fixture
def sound(database_url: str, tmp_path: Path) -> Sound:
    return Sound(database_url, tmp_path / "sessions")


def change(statement: Any) -> Callable[[Sound], None]:
    return lambda sound: unchecked(sound.url, lambda connection: connection.execute(statement(sound)))


def _other_number(sound: Sound) -> None:
    sound.store(3).unlink()
    sound.store(3, uuid7())


def _orphan(sound: Sound) -> Any:
    row = defaults(contact_identifiers, workspace_id=sound.workspace, contact_id=uuid7())
    return insert(contact_identifiers).values(**row)


def _without_store(sound: Sound) -> None:
    for path in sound.sessions.rglob("store.*"):
        path.rename(path.with_name("removed.1700000000.db"))


BROKEN: dict[str, tuple[Callable[[Sound], None], set[str]]] = {
    "an address of nobody": (change(_orphan), {"orphan_rows"}),
    "a workspace that is gone": (
        change(lambda sound: delete(workspaces)),
        {"orphan_rows"},
    ),
    "an event deleted by hand": (
        change(lambda sound: delete(events).where(events.c.position == 6)),
        {"events_missing"},
    ),
    "the newest event lost": (
        change(lambda sound: delete(events).where(events.c.position == 7)),
        {"events_missing"},
    ),
    "all events lost": (change(lambda sound: delete(events)), {"events_missing"}),
    "an old head": (change(lambda sound: update(event_heads).values(head=6)), {"event_head_behind"}),
    "no head": (change(lambda sound: delete(event_heads)), {"event_head_behind"}),
    "an old head of the platform": (change(lambda sound: update(platform_heads).values(head=1)), {"event_head_behind"}),
    "an event of the platform lost": (
        change(lambda sound: delete(platform_events).where(platform_events.c.position == 2)),
        {"events_missing"},
    ),
    "an owner that is not registered": (change(lambda sound: delete(instances)), {"instance_unknown"}),
    "a generation of the future": (
        change(lambda sound: update(assignments).values(generation=6)),
        {"generation_impossible"},
    ),
    "running without an owner": (
        change(lambda sound: update(assignments).values(instance_id=None)),
        {"nobody_runs_it"},
    ),
    "on the way to nowhere": (change(lambda sound: update(assignments).values(move_to="x")), {"move_target_unknown"}),
    "linked without an assignment": (
        change(lambda sound: delete(assignments)),
        {"assignment_missing", "store_newer_than_row"},
    ),
    "an assignment without an account": (
        change(lambda sound: delete(accounts)),
        {"account_missing", "store_without_account"},
    ),
    "a deleted number that runs": (
        change(lambda sound: update(accounts).values(deleted_at=NOW)),
        {"deleted_account_runs", "store_of_deleted_account"},
    ),
    "a store newer than its row": (lambda sound: void(sound.store(4)), {"store_newer_than_row"}),
    "a store set aside only": (_without_store, {"store_missing"}),
    "a store of somebody else": (_other_number, {"store_missing", "store_without_account"}),
    "a store under another workspace": (
        lambda sound: void(sound.store(3, workspace=uuid7())),
        {"store_without_account"},
    ),
    "no share": (
        lambda sound: void(sound.sessions.rename(sound.sessions.with_name("elsewhere"))),
        {"sessions_directory_missing"},
    ),
    "a table that is missing": (
        change(lambda sound: text("DROP TABLE idempotency_keys")),
        {"schema_incomplete", "schema_differs"},  # the table, and its index
    ),
    "a table that is not ours": (change(lambda sound: text("CREATE TABLE strays (id INTEGER)")), {"schema_differs"}),
}


def void(value: object) -> None:
    """Nothing."""


@pytest.mark.every_database
def test_a_sound_database_has_no_findings(sound: Sound) -> None:
    sound.store(2)  # the store of an earlier epoch stays a while
    assert sound.found() == []


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_broken_is_found_and_nothing_else(sound: Sound, what: str) -> None:
    break_it, codes = BROKEN[what]
    break_it(sound)
    found = sound.found()
    assert {finding.code for finding in found} == codes, found
    assert all(finding.advice.endswith(".") and finding.detail.endswith(".") for finding in found)


@pytest.mark.every_server
def test_much_that_is_broken_at_once_is_found_on_servers(sound: Sound) -> None:
    several = ["an address of nobody", "an event deleted by hand", "an old head of the platform"]
    several += ["an owner that is not registered", "on the way to nowhere", "a store newer than its row"]
    for what in several:
        BROKEN[what][0](sound)
    found = sound.found()
    assert {finding.code for finding in found} == set().union(*(BROKEN[what][1] for what in several))
    (orphans,) = [finding for finding in found if finding.code == "orphan_rows"]
    assert (orphans.where, orphans.count, len(orphans.examples)) == ("contact_identifiers.contact_id", 1, 1)


@contextlib.contextmanager
def environment(monkeypatch: pytest.MonkeyPatch, sound: Sound, data_dir: Path) -> Iterator[CliRunner]:
    monkeypatch.setenv("BLAZZ_DATABASE_URL", sound.url)
    monkeypatch.setenv("BLAZZ_SESSIONS_DIR", str(sound.sessions))
    monkeypatch.setenv("BLAZZ_DATA_DIR", str(data_dir))
    yield CliRunner()


@pytest.mark.every_database
def test_the_command_prints_findings_with_advice_and_ends_with_1(
    sound: Sound, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with environment(monkeypatch, sound, tmp_path) as cli:
        clean = cli.invoke(commands.app, ["verify"])
        assert (clean.exit_code, "consistent" in clean.output) == (0, True)
        sound.store(9)
        told = cli.invoke(commands.app, ["verify"])
        assert told.exit_code == 1
        assert "store_newer_than_row" in told.output
        assert "Do not start Blazz" in told.output
        document = json.loads(cli.invoke(commands.app, ["verify", "--json"]).stdout)
        (finding,) = document["findings"]
        assert (finding["code"], finding["count"]) == ("store_newer_than_row", 1)
        assert str(sound.account) in finding["examples"][0]
