"""The tenant guard: no statement passes that is not tied to its unit's workspace, in whatever shape it is written."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from sqlalchemy import (
    Executable,
    bindparam,
    column,
    delete,
    exists,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    table,
    text,
    union_all,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from blazz.contacts.tables import contact_identifiers as ids
from blazz.contacts.tables import contacts
from blazz.kit.db import Database, Platform, ScopeError, Tx, Workspace, Workspaces, insert_or_ignore, upsert
from blazz.kit.ids import uuid7
from blazz.kit.time import utc_now
from blazz.workspaces.tables import workspaces
from tests.support.databases import open_database
from tests.support.rows import make_workspaces

pytestmark = [pytest.mark.anyio, pytest.mark.every_database]
HERE = uuid.UUID(int=1)  # replaced by the unit's workspace
OTHER = uuid.UUID(int=2)
c2 = contacts.alias("c2")
mine = contacts.c.workspace_id == bindparam("w")


class Stand:
    """A database with two workspaces and a contact in each."""

    def __init__(self, database: Database, here: uuid.UUID, other: uuid.UUID) -> None:
        self.database, self.here, self.other = database, here, other

    async def run(self, statement: Executable, **parameters: Any) -> Any:
        def work(tx: Tx) -> Any:
            result = tx.execute(statement, parameters or None)
            return result.all() if result.returns_rows else result.rowcount

        return await self.database.write(Workspace(self.here), work)


def contact(workspace: uuid.UUID) -> dict[str, Any]:
    now = utc_now()
    return {
        "id": uuid7(),
        "workspace_id": workspace,
        "name": "A",
        "push_name": None,
        "created_at": now,
        "updated_at": now,
    }


@pytest.fixture
async def stand(database_url: str, anyio_backend: str) -> AsyncIterator[Stand]:
    async with open_database(database_url) as database:
        here, other = await make_workspaces(database, 2)
        for place in (here, other):
            await database.write(Workspace(place), lambda tx, row: tx.execute(insert(contacts), row), contact(place))
        yield Stand(database, here, other)


W: Any = bindparam("w")
ALLOWED: dict[str, Executable] = {
    "select": select(contacts.c.id).where(contacts.c.workspace_id == W),
    "reversed": select(contacts.c.id).where(contacts.c.workspace_id == W),
    "in": select(contacts.c.id).where(contacts.c.workspace_id.in_(bindparam("w", expanding=True))),
    "alias": select(c2.c.id).where(c2.c.workspace_id == W),
    "join": select(contacts.c.id)
    .join(ids, (ids.c.workspace_id == contacts.c.workspace_id) & (ids.c.contact_id == contacts.c.id))
    .where(contacts.c.workspace_id == W),
    "outer join": select(contacts.c.id)
    .outerjoin(ids, (ids.c.contact_id == contacts.c.id) & (ids.c.workspace_id == contacts.c.workspace_id))
    .where(mine),
    "subquery": select(select(contacts.c.id).where(contacts.c.workspace_id == W).subquery().c.id),
    "cte": select(select(contacts.c.id).where(contacts.c.workspace_id == W).cte("mine").c.id),
    "correlated exists": select(contacts.c.id).where(
        mine, exists().where(ids.c.workspace_id == contacts.c.workspace_id, ids.c.contact_id == contacts.c.id)
    ),
    "scalar subquery": select(
        contacts.c.id, select(func.count()).where(ids.c.workspace_id == contacts.c.workspace_id).scalar_subquery()
    ).where(mine),
    "union": union_all(select(contacts.c.id).where(mine), select(ids.c.contact_id).where(ids.c.workspace_id == W)),
    "update": update(contacts).where(mine).values(name="B"),
    "delete": delete(ids).where(ids.c.workspace_id == W),
    "platform table": select(workspaces.c.id),
}

REFUSED: dict[str, Executable] = {
    "no condition": select(contacts.c.id),
    "only id": select(contacts.c.id).where(contacts.c.id == uuid7()),
    "count": select(func.count()).select_from(contacts),
    "or": select(contacts.c.id).where(or_(contacts.c.workspace_id == W, contacts.c.name == "A")),
    "not equal": select(contacts.c.id).where(contacts.c.workspace_id != W),
    "not": select(contacts.c.id).where(~(contacts.c.workspace_id == W)),
    "self": select(contacts.c.id).where(contacts.c.workspace_id == contacts.c.workspace_id),
    "other table's column": select(contacts.c.id, workspaces.c.id).where(contacts.c.workspace_id == workspaces.c.id),
    "alias": select(c2.c.id).where(c2.c.name == "A"),
    "one of two aliases": select(contacts.c.id, c2.c.id).where(mine),
    "join without": select(contacts.c.id).join(ids, ids.c.contact_id == contacts.c.id).where(mine),
    "join condition under or": select(contacts.c.id)
    .join(ids, or_(ids.c.workspace_id == contacts.c.workspace_id, ids.c.contact_id == contacts.c.id))
    .where(mine),
    "subquery": select(select(contacts.c.id).subquery().c.id),
    "subquery with condition outside": select(
        (inner := select(contacts.c.id, contacts.c.workspace_id).subquery()).c.id
    ).where(inner.c.workspace_id == W),
    "in subquery": select(contacts.c.id).where(mine, contacts.c.id.in_(select(ids.c.contact_id))),
    "exists": select(contacts.c.id).where(mine, exists().where(ids.c.contact_id == contacts.c.id)),
    "not exists": select(contacts.c.id).where(mine, ~exists().where(ids.c.contact_id == contacts.c.id)),
    "cte": select(select(contacts.c.id).cte("all_of_them").c.id),
    "second half of a union": union_all(select(contacts.c.id).where(mine), select(ids.c.contact_id)),
    "scalar subquery": select(contacts.c.id, select(func.max(ids.c.value)).scalar_subquery()).where(mine),
    "update": update(contacts).values(name="B"),
    "update by id": update(contacts).where(contacts.c.id == uuid7()).values(name="B"),
    "update with a foreign subquery": update(contacts)
    .where(mine)
    .values(name=select(func.max(ids.c.value)).scalar_subquery()),
    "delete": delete(contacts),
    "delete by subquery": delete(contacts).where(mine, contacts.c.id.in_(select(ids.c.contact_id))),
    "insert from select": insert(contacts).from_select(["id"], select(ids.c.id).where(ids.c.workspace_id == W)),
    "text": text("SELECT id FROM contacts"),
    "text in a condition": select(contacts.c.id).where(text("workspace_id = :w")),
    "lateral": select(contacts.c.id, select(ids.c.id).lateral().c.id).where(mine),
    "moving a row to another workspace": update(contacts).where(mine).values(workspace_id=OTHER),
    "literal": select(contacts.c.id).where(contacts.c.workspace_id == literal(OTHER)),
    "text as a column": select(text("id FROM contacts --")).where(mine),
    "literal column": select(literal_column("(SELECT max(name) FROM contacts)")).where(mine),
    "table by name": select(table("contacts", column("id"))),
    "values in order": update(contacts).where(mine).ordered_values((contacts.c.workspace_id, OTHER)),
    "null-safe": select(contacts.c.id).where(contacts.c.workspace_id.is_not(None)),
}


@pytest.mark.parametrize("name", ALLOWED)
async def test_statements_tied_to_the_workspace_pass(stand: Stand, name: str) -> None:
    value: Any = [stand.here] if name == "in" else stand.here
    await stand.run(ALLOWED[name], **({} if name == "platform table" else {"w": value}))


@pytest.mark.parametrize("name", [name for name in ALLOWED if name != "platform table"])
async def test_the_same_statements_with_another_workspace_are_refused(stand: Stand, name: str) -> None:
    value: Any = [stand.here, stand.other] if name == "in" else stand.other
    with pytest.raises(ScopeError):
        await stand.run(ALLOWED[name], w=value)


@pytest.mark.parametrize("name", REFUSED)
async def test_statements_not_tied_to_the_workspace_are_refused(stand: Stand, name: str) -> None:
    compiled = REFUSED[name].compile()  # type: ignore[attr-defined]
    parameters = {"w": stand.here} if "w" in compiled.params else {}
    with pytest.raises(ScopeError):
        await stand.run(REFUSED[name], **parameters)
    left = await stand.database.read(
        Platform("test"), lambda tx: tx.all(select(contacts.c.workspace_id, contacts.c.name).order_by(contacts.c.id))
    )
    assert [(row["workspace_id"], row["name"]) for row in left] == [(stand.here, "A"), (stand.other, "A")]


INSERTS: dict[str, Callable[[str], Executable]] = {
    "insert": lambda dialect: insert(contacts),
    "insert or ignore": lambda dialect: insert_or_ignore(dialect, contacts, ["id"]),
    "upsert": lambda dialect: upsert(dialect, contacts, ["workspace_id", "id"], ["name"]),
}


@pytest.mark.parametrize("name", INSERTS)
async def test_inserted_rows_must_belong_to_the_workspace(stand: Stand, name: str) -> None:
    def work(tx: Tx, rows: list[dict[str, Any]]) -> None:
        tx.execute(INSERTS[name](tx.dialect), rows)

    await stand.database.write(Workspace(stand.here), work, [contact(stand.here)])
    with pytest.raises(ScopeError):
        await stand.database.write(Workspace(stand.here), work, [contact(stand.here), contact(stand.other)])
    with pytest.raises(ScopeError):
        await stand.database.write(
            Workspace(stand.here), lambda tx: tx.execute(insert(contacts).values(contact(stand.other)))
        )


async def test_upsert_cannot_touch_a_row_of_another_workspace(stand: Stand) -> None:
    (foreign,) = await stand.database.read(
        Workspace(stand.other), lambda tx: tx.all(select(contacts.c.id).where(contacts.c.workspace_id == stand.other))
    )
    row = {**contact(stand.here), "id": foreign["id"], "name": "Stolen"}
    with pytest.raises(ScopeError):
        upsert(stand.database.dialect, contacts, ["id"], ["name"])
    if stand.database.dialect in ("mariadb", "mysql"):
        return  # their upsert names no key, so that none can be wrong
    maker = postgresql.insert if stand.database.dialect == "postgresql" else sqlite.insert
    by_hand: Executable = maker(contacts).on_conflict_do_update(index_elements=["id"], set_={"name": "Stolen"})
    with pytest.raises(ScopeError):
        await stand.run(by_hand, **row)


async def test_parameters_cannot_move_a_row_either(stand: Stand) -> None:
    with pytest.raises(ScopeError):
        await stand.run(update(contacts).where(mine), w=stand.here, workspace_id=stand.other)


async def test_several_workspaces_allow_exactly_themselves(stand: Stand) -> None:
    statement = select(contacts.c.id).where(contacts.c.workspace_id.in_(bindparam("w", expanding=True)))

    def work(tx: Tx, places: list[uuid.UUID]) -> int:
        return len(tx.execute(statement, {"w": places}).all())

    both = Workspaces.of([stand.here, stand.other])
    assert await stand.database.read(both, work, [stand.here, stand.other]) == 2
    with pytest.raises(ScopeError):
        await stand.database.read(Workspaces.of([stand.here]), work, [stand.here, stand.other])
    with pytest.raises(ScopeError):
        await stand.database.read(both, work, [uuid7()])


async def test_the_rule_is_checked_again_for_cached_statements(stand: Stand) -> None:
    statement = ALLOWED["select"]
    for _ in range(3):
        assert len(await stand.run(statement, w=stand.here)) == 1
        with pytest.raises(ScopeError):
            await stand.run(statement, w=stand.other)
