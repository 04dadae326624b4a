"""Who the people are that texts name by the digits of their addresses."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping

from blazz.accounts import service as accounts
from blazz.contacts.by_address import people_at
from blazz.kit.db import Tx
from blazz.messaging.schemas import Mentioned

_DIGITS = re.compile(r"@(\d{5,20})(?!\d)")
_MOST = 50  # people of one text who are looked up


def names_somebody(text: str | None) -> bool:
    """Tell whether a text may name people."""
    return bool(text) and _DIGITS.search(text or "") is not None


def has_digits_of(text: str | None, address: str) -> bool:
    """Tell whether the text names the owner of this address by its digits."""
    return address.partition("@")[0] in _DIGITS.findall(text or "")


def of_rows(tx: Tx, rows: Iterable[Mapping[str, Any] | RowMapping]) -> dict[uuid.UUID, list[Mentioned]]:
    """Return whom each of these messages names, by message; six statements, none when nobody is named."""
    named: dict[uuid.UUID, tuple[uuid.UUID, list[str]]] = {}
    for row in rows:
        mentions = (row["content"].get("context") or {}).get("mentions")
        if mentions and (found := _in_text(row["body"] or "", mentions)):
            named[row["id"]] = row["account_id"], found
    if not named:
        return {}
    people = people_at(tx, tx.workspace_id, {address for _, found in named.values() for address in found})
    ours = accounts.addresses_of_many(tx, tx.workspace_id, {account_id for account_id, _ in named.values()})
    views: dict[uuid.UUID, list[Mentioned]] = {}
    for message_id, (account_id, found) in named.items():
        views[message_id] = [
            Mentioned.model_construct(
                address=address,
                name=people[address].display_name if address in people else None,
                is_us=address in ours.get(account_id, ()),
            )
            for address in found
        ]
    return views


def _in_text(text: str, mentions: Sequence[str]) -> list[str]:
    """Return those of `mentions` whose digits stand in the text; others are not shown."""
    digits = set(_DIGITS.findall(text))
    return [address for address in dict.fromkeys(mentions) if address.partition("@")[0] in digits][:_MOST]
