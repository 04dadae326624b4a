"""Whether accounts and the cluster's assignments fit together."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from blazz.accounts import repository_verify as repository
from blazz.accounts.states import CLAIMS
from blazz.cluster.verify import Placed, placed
from blazz.kit.db import Tx
from blazz.kit.db.verify import EXAMPLES, Finding


@dataclass(frozen=True, slots=True)
class Known:
    """An account, as its files are judged by."""

    workspace_id: uuid.UUID
    name: str
    linked: bool
    deleted: bool
    place: Placed | None


def known_accounts(tx: Tx) -> dict[uuid.UUID, Known]:
    """Return all accounts with their places (platform scope)."""
    places = placed(tx)
    return {
        row["id"]: Known(
            row["workspace_id"],
            row["name"],
            row["jid"] is not None,
            row["deleted_at"] is not None,
            places.get(row["id"]),
        )
        for row in repository.all_accounts(tx)
    }


def verify_places(tx: Tx) -> Iterator[Finding]:
    """Yield accounts without the assignment that they need, and assignments without their account."""
    places, rows = placed(tx), repository.all_accounts(tx)
    present = [row for row in rows if row["deleted_at"] is None]

    def problem(code: str, ids: list[uuid.UUID], where: str, detail: str, advice: str) -> Iterator[Finding]:
        if ids:
            yield Finding(code, where, f"{len(ids)} {detail}", advice, len(ids), [str(one) for one in ids[:EXAMPLES]])

    yield from problem(
        "assignment_missing",
        [row["id"] for row in present if row["id"] not in places and (row["jid"] or row["status"] in CLAIMS)],
        "accounts",
        "number(s) are linked, or say that they run, and have no assignment.",
        "Connect these numbers again: they are placed anew and keep their pairing.",
    )
    accounts = {row["id"]: row for row in rows}
    yield from problem(
        "account_missing",
        [account_id for account_id in places if account_id not in accounts],
        "assignments",
        "assignment(s) belong to an account that does not exist.",
        "Was a backup restored in parts? Restore all of it; or, after a backup, delete these rows of assignments.",
    )
    yield from problem(
        "deleted_account_runs",
        [
            account_id
            for account_id, place in places.items()
            if place.running and account_id in accounts and accounts[account_id]["deleted_at"] is not None
        ],
        "assignments",
        "deleted number(s) are still to be run.",
        "Set assignments.wanted of these rows to 'stopped'.",
    )
    yield from problem(
        "other_workspace",
        [
            account_id
            for account_id, place in places.items()
            if account_id in accounts and accounts[account_id]["workspace_id"] != place.workspace_id
        ],
        "assignments",
        "assignment(s) name another workspace than their account.",
        "Stop Blazz and set assignments.workspace_id to the account's.",
    )
