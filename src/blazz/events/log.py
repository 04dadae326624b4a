"""Appending to the event log. Positions are given as the very last statements of the writer's transaction.

The events of all units that are committed together go in together: one UPDATE per workspace, one INSERT per table.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sqlalchemy import Insert, Table, bindparam, insert, select, update

from blazz.events.tables import event_heads, events
from blazz.events.wakeups import Wakeups
from blazz.kit.db import ScopeError, Tx, insert_or_ignore
from blazz.kit.ids import uuid7
from blazz.kit.time import utc_now

EVENT_VERSION = 1
_KEY = "events"
_LAST = 9


@dataclass(slots=True)
class EventDraft:
    """An event on its way into the log. `position` is known only after the unit of work has finished."""

    workspace_id: uuid.UUID
    name: str
    account_id: uuid.UUID | None
    data: dict[str, Any]
    occurred_at: dt.datetime
    id: uuid.UUID = field(default_factory=uuid7)
    position: int = 0


class _Pending:
    """What one unit of work will append."""

    __slots__ = ("drafts", "forgotten", "rows")

    def __init__(self) -> None:
        self.drafts: list[EventDraft] = []
        self.rows: list[tuple[Table, dict[str, Any], EventDraft]] = []
        self.forgotten: dict[uuid.UUID, int] = {}


def _flush(tx: Tx, units: Sequence[_Pending]) -> None:
    """Give positions to the events of all units of a commit, then insert events and rows, one statement per table."""
    drafts = [draft for pending in units for draft in pending.drafts]
    by_workspace: dict[uuid.UUID, list[EventDraft]] = defaultdict(list)
    for draft in drafts:
        by_workspace[draft.workspace_id].append(draft)
    forgotten: dict[uuid.UUID, int] = {}
    for pending in units:
        forgotten |= pending.forgotten
    for workspace_id in sorted(by_workspace.keys() | forgotten):  # one order for everyone: no deadlock between writers
        if workspace_id in forgotten:
            tx.execute(_OLDEST, {"workspace": workspace_id, "first": forgotten[workspace_id]})
        own = by_workspace.get(workspace_id)
        if not own:
            continue
        head = _advance(tx, workspace_id, len(own))
        for position, draft in enumerate(own, head - len(own) + 1):
            draft.position = position
    if drafts:
        tx.execute(_INSERT, [_event_row(draft) for draft in drafts])
    by_shape: dict[tuple[Table, frozenset[str]], list[dict[str, Any]]] = defaultdict(list)
    for pending in units:
        for table, row, draft in pending.rows:
            # one statement for rows that name the same columns
            by_shape[table, frozenset(row)].append({**row, "position": draft.position})
    for table, columns in sorted(by_shape, key=lambda shape: _rank(shape[0])):
        tx.execute(_insert_into(table), by_shape[table, columns])
    for workspace_id in by_workspace:
        Wakeups.shared().notify_after_commit(tx, workspace_id)


_ADVANCE = (
    update(event_heads)
    .where(event_heads.c.workspace_id == bindparam("workspace"))
    .values(head=event_heads.c.head + bindparam("count"))
)
_ADVANCE_RETURNING = _ADVANCE.returning(event_heads.c.head)
_HEAD = select(event_heads.c.head).where(event_heads.c.workspace_id == bindparam("workspace"))
_OLDEST = (
    update(event_heads)
    .where(event_heads.c.workspace_id == bindparam("workspace"), event_heads.c.oldest < bindparam("first"))
    .values(oldest=bindparam("first"))
)
_INSERT = insert(events)


@cache
def _rank(table: Table) -> int:
    """Parents before those that refer to them."""
    return table.metadata.sorted_tables.index(table)


@cache
def _insert_into(table: Table) -> Insert:
    return insert(table)


def _advance(tx: Tx, workspace_id: uuid.UUID, count: int) -> int:
    head = _advanced(tx, workspace_id, count)
    if head is None:
        first = insert_or_ignore(tx.dialect, event_heads, ["workspace_id"])
        tx.execute(first, {"workspace_id": workspace_id, "head": 0, "oldest": 1})
        head = _advanced(tx, workspace_id, count)
    assert head is not None
    return head


def _advanced(tx: Tx, workspace_id: uuid.UUID, count: int) -> int | None:
    """Return the new head, None when the workspace has none yet."""
    parameters = {"workspace": workspace_id, "count": count}
    if tx.dialect in ("mysql", "mariadb"):  # no UPDATE .. RETURNING there
        if not tx.execute(_ADVANCE, parameters).rowcount:
            return None
        return int(tx.execute(_HEAD, {"workspace": workspace_id}).scalar_one())
    found: int | None = tx.execute(_ADVANCE_RETURNING, parameters).scalar()
    return found


def _event_row(draft: EventDraft) -> dict[str, Any]:
    return {
        "workspace_id": draft.workspace_id,
        "position": draft.position,
        "id": draft.id,
        "name": draft.name,
        "version": EVENT_VERSION,
        "account_id": draft.account_id,
        "data": draft.data,
        "occurred_at": draft.occurred_at,
    }


def _pending(tx: Tx) -> _Pending:
    pending = tx.notes.get(_KEY)
    if not isinstance(pending, _Pending):
        pending = tx.notes[_KEY] = _Pending()
        tx.flush_together(_flush, pending, order=_LAST)
    return pending


def _check_scope(tx: Tx, workspace_id: Any) -> None:
    # what is flushed together runs under a wider scope than this unit's
    if not tx.scope.allows(workspace_id):
        raise ScopeError("an event or a row belongs to another workspace than its unit of work")


def append(
    tx: Tx,
    name: str,
    data: dict[str, Any],
    *,
    workspace_id: uuid.UUID | None = None,
    account_id: uuid.UUID | None = None,
) -> EventDraft:
    """Add an event to this unit of work. `data` holds ids and changed fields, never copies of message bodies.

    `workspace_id` may be left out in a unit bound to one workspace.
    """
    draft = EventDraft(workspace_id or tx.workspace_id, name, account_id, data, utc_now())
    _check_scope(tx, draft.workspace_id)
    _pending(tx).drafts.append(draft)
    return draft


def forget_before(tx: Tx, workspace_id: uuid.UUID, position: int) -> None:
    """Note that `position` is the oldest in the log now; written with the heads, at the end of the commit."""
    _check_scope(tx, workspace_id)
    _pending(tx).forgotten[workspace_id] = position


def insert_at_position(tx: Tx, table: Table, row: dict[str, Any], draft: EventDraft) -> None:
    """Insert `row` into `table` at the end of the commit, with column `position` set to the event's position.

    The row is not visible to statements of this unit, nor of later units of the same commit: one that must see all
    rows of its workspace calls `see_all_rows` first. Rows of one table go in as given, parents before their children.
    """
    _check_scope(tx, row["workspace_id"])
    _pending(tx).rows.append((table, row, draft))


def see_all_rows(tx: Tx, workspace_id: uuid.UUID) -> None:
    """Go on only if all rows that earlier units gave to `insert_at_position` can be seen by statements.

    Where earlier units of the same commit have some of this workspace waiting, this unit starts again in the next one.
    """
    if any(row["workspace_id"] == workspace_id for pending in tx.waiting(_flush) for _, row, _ in pending.rows):
        tx.postpone()
