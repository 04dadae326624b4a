"""Statements that run for every message reach their rows by an index, however many messages a workspace has."""

from __future__ import annotations

import datetime as dt
import sqlite3
import uuid
from typing import Any

import pytest
from sqlalchemy import Select
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from blazz.contacts import repository as contacts
from blazz.messaging.repository import chats, messages, outbox
from tests.support.app import Person

pytestmark = pytest.mark.anyio
_SOME = [uuid.UUID(int=number) for number in range(1, 60)]
_IDS = [f"3A{number}" for number in range(100)]
_KEYS = {"workspaces": _SOME[:1], "accounts": _SOME}


def plan(owner: Person, statement: Select[Any], parameters: dict[str, Any]) -> str:
    """What SQLite would do."""
    bound = statement.params(parameters)
    compiled = bound.compile(dialect=SQLiteDialect_pysqlite(), compile_kwargs={"render_postcompile": True})
    values = [None] * len(compiled.positiontup or ())
    connection = sqlite3.connect(owner.running.settings.database_path)
    try:
        return " / ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {compiled}", values))
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("statement", "parameters", "column"),
    [
        (messages._PRESENT, {**_KEYS, "ids": _IDS}, "wa_message_id=?"),
        (messages._BY_WA_ID, {**_KEYS, "ids": _IDS}, "wa_message_id=?"),
        (chats._BY_CONTACT, {**_KEYS, "contacts": _SOME}, "contact_id=?"),
        (chats._BY_ADDRESS, {**_KEYS, "addresses": _IDS}, "address=?"),
        (contacts._BY_VALUE, {"workspaces": _SOME[:1], "kinds": ["phone", "lid"], "values": _IDS}, "value=?"),
        (outbox._ROWS, {**_KEYS, "busy": _SOME, "count": 10}, "account_id=?"),
    ],
)
async def test_a_batch_is_looked_up_by_what_names_its_rows(
    owner: Person, statement: Select[Any], parameters: dict[str, Any], column: str
) -> None:
    assert column in plan(owner, statement, parameters)


async def test_a_later_page_of_chats_does_not_read_the_pages_before_it(owner: Person) -> None:
    seen: list[str] = []

    class Planner:
        """Stands where a unit of work would: plans instead of reading."""

        def all(self, statement: Select[Any]) -> list[Any]:
            seen.append(plan(owner, statement, {}))
            return []

    before = (dt.datetime.now(dt.UTC), _SOME[0])
    options: dict[str, Any] = {"account_id": None, "unread": False, "contact_ids": None, "pattern": None}
    chats.chat_page(Planner(), owner.workspace_id, before=before, limit=50, **options)  # type: ignore[arg-type]
    assert "last_message_at<?" in seen[0]
    assert "TEMP B-TREE" not in seen[0]
