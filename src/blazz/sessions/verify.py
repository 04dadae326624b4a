"""Whether session stores and rows fit together: no store is missing, none is newer than its row, none is nobody's."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from blazz.accounts.verify import Known
from blazz.kit.db import Tx
from blazz.kit.db.verify import EXAMPLES, Finding
from blazz.sessions.storage import repository

_STORE = re.compile(r"store\.(\d+)\.db")


@dataclass(frozen=True, slots=True)
class Stores:
    """The newest store of every session, as found in the sessions directory."""

    directory: Path
    newest: dict[tuple[uuid.UUID, uuid.UUID], int]
    """Highest epoch by workspace and account."""

    @classmethod
    def found_in(cls, directory: Path) -> Stores | None:
        """Read the names below `directory`; None when it does not exist. Call it before the rows are read.

        Epochs only rise, and a row is written before its store: read in this order, a store of a running cluster is
        never newer than its row.
        """
        if not directory.is_dir():
            return None
        newest: dict[tuple[uuid.UUID, uuid.UUID], int] = {}
        for path in directory.glob("workspace_*/session_*/store.*.db"):
            match = _STORE.fullmatch(path.name)
            try:
                workspace = uuid.UUID(path.parent.parent.name.removeprefix("workspace_"))
                account = uuid.UUID(path.parent.name.removeprefix("session_"))
            except ValueError:
                continue
            if match is not None:
                newest[workspace, account] = max(newest.get((workspace, account), 0), int(match[1]))
        return cls(directory, newest)


def verify_stores(directory: Path, stores: Stores | None, accounts: Mapping[uuid.UUID, Known]) -> Iterator[Finding]:
    """Yield what is wrong between the stores that were found and `accounts`, which were read afterwards."""
    linked = {key: known for key, known in accounts.items() if known.linked and not known.deleted}
    if stores is None:
        if linked:
            yield Finding(
                "sessions_directory_missing",
                str(directory),
                f"The sessions directory does not exist, and {len(linked)} number(s) are linked.",
                "Mount the share or set BLAZZ_SESSIONS_DIR; on a machine without it, verify where the instances run.",
                len(linked),
            )
        return
    found = stores.newest
    unknown = [key for key in found if not (key[1] in accounts and accounts[key[1]].workspace_id == key[0])]
    yield from _problem(
        "store_without_account",
        [_place(workspace, account) for workspace, account in unknown],
        "session store(s) belong to no account of their workspace.",
        "Was the database restored from an older backup? If not, move these directories away.",
    )
    yield from _problem(
        "store_of_deleted_account",
        [_place(*key) for key in found if key not in unknown and accounts[key[1]].deleted],
        "session store(s) belong to deleted numbers.",
        "Remove the device in the phone's list of linked devices, then move these directories away.",
    )
    ahead = [
        f"{_place(*key)}/store.{epoch}.db (assignment: {_epoch(accounts[key[1]])})"
        for key, epoch in found.items()
        if key not in unknown and epoch > _epoch(accounts[key[1]])
    ]
    yield from _problem(
        "store_newer_than_row",
        ahead,
        "session store(s) have a higher epoch than their assignment: they would be passed over, and the numbers "
        "would go on with an old state.",
        "The database is older than the stores. Do not start Blazz: restore the newest backup of the database, or "
        "set assignments.epoch of these accounts to the epoch of their newest store.",
    )
    # asked again: a number may have been linked after the names were read
    missing = [
        f"{_place(known.workspace_id, key)} ({known.name})"
        for key, known in linked.items()
        if (known.workspace_id, key) not in found and not _has_store(directory, known.workspace_id, key)
    ]
    yield from _problem(
        "store_missing",
        missing,
        "linked number(s) have no session store.",
        "Restore these directories from the last backup of the sessions directory, or link the numbers again.",
    )


def verify_store_rows(tx: Tx, accounts: Mapping[uuid.UUID, Known]) -> Iterator[Finding]:
    """Yield what is wrong between `accounts` and the session stores in the same database (platform scope)."""
    found = repository.stores(tx)
    where = "session stores in the database"
    missing = [
        f"{key} ({known.name})"
        for key, known in accounts.items()
        if known.linked and not known.deleted and not (str(key) in found and found[str(key)].linked)
    ]
    yield from _problem(
        "store_missing",
        missing,
        "linked number(s) have no session store.",
        "Restore schema blazz_sessions from the same backup as the rest of the database, or link the numbers again.",
        where,
    )
    ahead = [
        f"{key} (store: {found[str(key)].epoch}, assignment: {_epoch(known)})"
        for key, known in accounts.items()
        if str(key) in found and found[str(key)].epoch > _epoch(known)
    ]
    yield from _problem(
        "store_newer_than_row",
        ahead,
        "session store(s) have a higher epoch than their assignment: they would refuse to be opened.",
        "Parts of the database were restored from different backups. Restore all of one, or set assignments.epoch of "
        "these accounts to the epoch of their store.",
        where,
    )


def _problem(
    code: str, places: list[str], detail: str, advice: str, where: str = "sessions directory"
) -> Iterator[Finding]:
    if places:
        yield Finding(code, where, f"{len(places)} {detail}", advice, len(places), places[:EXAMPLES])


def _place(workspace_id: uuid.UUID, account_id: uuid.UUID) -> str:
    return f"workspace_{workspace_id}/session_{account_id}"


def _epoch(known: Known) -> int:
    return known.place.epoch if known.place is not None else 0


def _has_store(directory: Path, workspace_id: uuid.UUID, account_id: uuid.UUID) -> bool:
    return any(_STORE.fullmatch(path.name) for path in (directory / _place(workspace_id, account_id)).glob("store.*"))
