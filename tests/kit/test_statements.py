"""Statements that each database spells differently mean the same everywhere."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from blazz.contacts.tables import contacts
from blazz.kit.db import Database, Tx, Workspace, insert_new, insert_or_ignore, upsert
from blazz.kit.ids import uuid7
from blazz.kit.time import utc_now
from tests.kit.servers import add_contact, names
from tests.support.databases import open_database
from tests.support.rows import make_workspaces

pytestmark = [pytest.mark.anyio, pytest.mark.every_database]


@pytest.fixture
async def database(database_url: str, anyio_backend: str) -> AsyncIterator[Database]:
    async with open_database(database_url) as opened:
        yield opened


def row(contact_id: uuid.UUID, workspace: uuid.UUID, name: str) -> dict[str, object]:
    now = utc_now()
    return {"id": contact_id, "workspace_id": workspace, "name": name, "created_at": now, "updated_at": now}


async def test_inserting_what_may_be_there_tells_whether_it_did(database: Database) -> None:
    (place,) = await make_workspaces(database, 1)
    contact = uuid7()

    def work(tx: Tx, name: str) -> bool:
        inserted = insert_new(tx, contacts, ["id"], row(contact, place, name))
        add_contact(tx, "goes on", place)
        return inserted

    assert await database.write(Workspace(place), work, "first") is True
    assert await database.write(Workspace(place), work, "second") is False
    assert await names(database) == {"first", "goes on"}


async def test_upsert_changes_what_it_names_only(database: Database) -> None:
    (place,) = await make_workspaces(database, 1)
    contact = uuid7()

    def work(tx: Tx, name: str, push: str) -> None:
        statement = upsert(tx.dialect, contacts, ["workspace_id", "id"], ["name"])
        tx.execute(statement, [{**row(contact, place, name), "push_name": push}])

    await database.write(Workspace(place), work, "a", "b")
    await database.write(Workspace(place), work, "c", "d")
    found = await database.read(
        Workspace(place), lambda tx: tx.one(select(contacts).where(contacts.c.workspace_id == place))
    )
    assert found is not None
    assert (found["name"], found["push_name"]) == ("c", "b")


async def test_an_update_counts_the_rows_it_found_also_when_nothing_changes(database: Database) -> None:
    (place,) = await make_workspaces(database, 1)
    contact = uuid7()

    def work(tx: Tx) -> int:
        tx.execute(insert_or_ignore(tx.dialect, contacts, ["id"]), row(contact, place, "same"))
        return tx.execute(update(contacts).where(contacts.c.workspace_id == place).values(name="same")).rowcount

    assert await database.write(Workspace(place), work) == 1


async def test_an_upsert_never_changes_a_row_of_another_workspace(database: Database) -> None:
    here, there = await make_workspaces(database, 2)
    foreign = await database.write(Workspace(there), add_contact, "theirs", there)

    def work(tx: Tx) -> None:
        tx.execute(upsert(tx.dialect, contacts, ["workspace_id", "id"], ["name"]), row(foreign, here, "stolen"))

    with contextlib.suppress(IntegrityError):
        await database.write(Workspace(here), work)
    assert await names(database) == {"theirs"}
