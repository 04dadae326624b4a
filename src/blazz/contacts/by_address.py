"""Finding people by their WhatsApp addresses, for whoever keeps addresses and not contacts (authors, members)."""

from __future__ import annotations

import uuid
from collections.abc import Collection

from blazz.contacts import repository
from blazz.contacts.views import ContactSummary, summaries
from blazz.kit.db import Tx

_PHONE = "@s.whatsapp.net"
_KINDS = {"lid": "lid", "s.whatsapp.net": "phone"}


def people_at(tx: Tx, workspace_id: uuid.UUID, addresses: Collection[str]) -> dict[str, ContactSummary]:
    """Return the contacts behind device-less addresses, in four statements; strangers are left out."""
    wanted: dict[tuple[str, str], str] = {}
    for address in addresses:
        user, _, server = address.partition("@")
        kind = _KINDS.get(server)
        if kind is not None:
            wanted[kind, f"+{user}" if kind == "phone" else user] = address
    if not wanted:
        return {}
    rows = repository.identifiers_by_value(tx, [workspace_id], {value for _, value in wanted})
    known = {wanted[key]: row["contact_id"] for row in rows if (key := (row["kind"], row["value"])) in wanted}
    people = summaries(tx, workspace_id, set(known.values()))
    return {address: people[contact_id] for address, contact_id in known.items() if contact_id in people}


def canonical(
    tx: Tx, workspaces: Collection[uuid.UUID], addresses: Collection[str]
) -> dict[tuple[uuid.UUID, str], str]:
    """Return the LID addresses of those of `addresses` that are numbers whose LID is known, by workspace and address.

    One statement, none where no number is among them.
    """
    phones = {f"+{address.removesuffix(_PHONE)}" for address in addresses if address.endswith(_PHONE)}
    if not phones:
        return {}
    rows = repository.all_of_holders(tx, workspaces, phones)
    lids = {row["contact_id"]: row["value"] for row in rows if row["kind"] == "lid"}
    return {
        (row["workspace_id"], f"{row['value'].removeprefix('+')}{_PHONE}"): f"{lids[row['contact_id']]}@lid"
        for row in rows
        if row["kind"] == "phone" and row["value"] in phones and row["contact_id"] in lids
    }
