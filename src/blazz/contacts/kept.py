"""What phones know of people who are no contacts here yet: names of their address books, whom they have blocked.

Both are taken over as soon as somebody becomes a contact. Names are kept beyond that: a contact may be removed, and
write again.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from blazz.contacts import history, repository_kept
from blazz.kit.db import Tx
from blazz.kit.ids import uuid7
from blazz.kit.time import utc_now

_NAME = 128


@dataclass(frozen=True, slots=True)
class Blocked:
    """Somebody whom a number has blocked and who is no contact, with what is known of them."""

    address: str
    name: str | None
    since: dt.datetime


def note_names(tx: Tx, account_id: uuid.UUID, names: Mapping[str, str]) -> None:
    """Store names of a phone's address book by device-less address; an empty one is gone from there."""
    told = {address: name.replace("\x00", "\ufffd")[:_NAME] or None for address, name in names.items()}
    _put(tx, account_id, "book_name", told)
    if gone := [address for address, name in told.items() if name is None]:
        repository_kept.forget_empty(tx, tx.workspace_id, account_id, gone)


def note_blocks(tx: Tx, account_id: uuid.UUID, strangers: Collection[str]) -> None:
    """Store who of a number's whole block list is no contact: whoever is not among them is not blocked."""
    before = {row["address"] for row in repository_kept.blocked(tx, tx.workspace_id, account_id)}
    change_blocks(tx, account_id, set(strangers) - before, before - set(strangers))


def change_blocks(tx: Tx, account_id: uuid.UUID, blocked: Collection[str], unblocked: Collection[str]) -> None:
    """Store changes of a number's block list that concern addresses of people who are no contacts."""
    now = utc_now()
    _put(tx, account_id, "blocked_at", dict.fromkeys(blocked, now))
    if unblocked:
        known = repository_kept.at(tx, [tx.workspace_id], unblocked)
        gone = {row["address"] for row in known if row["account_id"] == account_id}
        _put(tx, account_id, "blocked_at", dict.fromkeys(gone, None))
        repository_kept.forget_empty(tx, tx.workspace_id, account_id, gone)


def blocked_by(tx: Tx, account_id: uuid.UUID) -> list[Blocked]:
    """Return whom a number has blocked who is no contact, by address."""
    rows = repository_kept.blocked(tx, tx.workspace_id, account_id)
    return [Blocked(row["address"], row["book_name"], row["blocked_at"]) for row in rows]


def take_over(tx: Tx, identifiers: Iterable[Mapping[str, Any]]) -> None:
    """Let contacts have what phones know of the addresses that they have got: rows of workspace, contact, kind, value.

    One statement where nothing is known, for any number of them.
    """
    contacts: dict[tuple[uuid.UUID, str], uuid.UUID] = {}
    for row in identifiers:
        if address := _address(row["kind"], row["value"]):
            contacts[row["workspace_id"], address] = row["contact_id"]
    if not contacts:
        return
    found = repository_kept.at(tx, {key[0] for key in contacts}, {key[1] for key in contacts})
    known = [(row, contacts[key]) for row in found if (key := (row["workspace_id"], row["address"])) in contacts]
    names = {contact: row for row, contact in known if row["book_name"]}
    repository_kept.name_contacts(
        tx, [{"w": row["workspace_id"], "i": contact, "told": row["book_name"]} for contact, row in names.items()]
    )
    blocks = [(row, contact) for row, contact in known if row["blocked_at"]]
    repository_kept.block_contacts(
        tx,
        [
            {
                "id": uuid7(),
                "workspace_id": row["workspace_id"],
                "account_id": row["account_id"],
                "contact_id": contact,
                "created_at": row["blocked_at"],
            }
            for row, contact in blocks
        ],
    )
    repository_kept.put(tx, "blocked_at", [{**row, "blocked_at": None} for row, _ in blocks])
    told = {(row["account_id"], contact): row["workspace_id"] for row, contact in blocks}
    entries = [
        history.Entry(workspace_id, contact, "blocked", "lookup", {"account_id": str(account_id)})
        for (account_id, contact), workspace_id in told.items()
    ]
    if entries:
        history.add(tx, entries)


def _put(tx: Tx, account_id: uuid.UUID, column: str, values: Mapping[str, Any]) -> None:
    empty = {"workspace_id": tx.workspace_id, "account_id": account_id, "book_name": None, "blocked_at": None}
    rows = [{**empty, "id": uuid7(), "address": address, column: value} for address, value in values.items()]
    repository_kept.put(tx, column, rows)


def _address(kind: str, value: str) -> str | None:
    if kind == "lid":
        return f"{value}@lid"
    return f"{value.removeprefix('+')}@s.whatsapp.net" if kind == "phone" else None
