"""What WhatsApp tells of people: about text, names, business profile, picture, and whom our numbers have blocked."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from blazz import events
from blazz.accounts import service as accounts
from blazz.contacts import history, repository, repository_profiles
from blazz.contacts.views import identifiers
from blazz.kit.db import Tx
from blazz.kit.errors import conflict, not_found
from blazz.kit.ids import uuid7
from blazz.kit.time import utc_now

FRESH = dt.timedelta(days=1)
"""For so long an answer of WhatsApp's about a person is taken as it is."""
_ABOUT = 255
_NAME = 128


@dataclass(frozen=True, slots=True)
class Subject:
    """A contact to be looked up: where to ask, and the picture that is known."""

    contact_id: uuid.UUID
    address: str
    picture_id: str | None
    fresh: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """What a look-up told. None: not told, or not to us; it stays as it was."""

    about: str | None = None
    verified_name: str | None = None
    username: str | None = None
    business: Mapping[str, Any] | None = None


def number_for(tx: Tx, contact_id: uuid.UUID, account_id: uuid.UUID | None) -> uuid.UUID:
    """Return the number through which to act on a contact: the given one, else the primary.

    Raises BlazzError `not_found`, `account_not_linked` (409).
    """
    if repository.find(tx, tx.workspace_id, contact_id) is None:
        raise not_found("contact")
    return uuid.UUID(str(accounts.for_sending(tx, account_id)["id"]))


def subject(tx: Tx, contact_id: uuid.UUID) -> Subject:
    """Return what a look-up of a contact needs. Raises BlazzError `not_found`, `contact_not_reachable` (409)."""
    row = repository.find(tx, tx.workspace_id, contact_id)
    if row is None:
        raise not_found("contact")
    known = identifiers(tx, [tx.workspace_id], [contact_id]).get(contact_id, {})
    if "lid" not in known and "phone" not in known:
        raise conflict("contact_not_reachable", "This contact has neither a phone number nor a WhatsApp address.")
    address = f"{known['lid']}@lid" if "lid" in known else f"{known['phone'].removeprefix('+')}@s.whatsapp.net"
    picture = repository_profiles.picture(tx, tx.workspace_id, contact_id)
    looked = (row["profile_checked_at"], None if picture is None else picture["checked_at"])
    fresh = all(moment is not None and moment > utc_now() - FRESH for moment in looked)
    return Subject(contact_id, address, None if picture is None else picture["picture_id"], fresh)


def note_facts(tx: Tx, contact_id: uuid.UUID, facts: Facts) -> None:
    """Store what a look-up told, and that there was one. A contact that is gone is no error."""
    row = repository.find(tx, tx.workspace_id, contact_id)
    if row is None:
        return
    told: dict[str, Any] = {}
    if facts.about is not None:
        told["about"] = _storable(facts.about)[:_ABOUT] or None
    if facts.verified_name is not None:
        told["verified_name"] = _storable(facts.verified_name)[:_NAME] or None
    if facts.business is not None:
        told["business"] = _storable(facts.business) or None
    changes = {name: value for name, value in told.items() if row[name] != value}
    repository.change(tx, tx.workspace_id, contact_id, {**changes, "profile_checked_at": utc_now()})
    changed = sorted(changes)
    if facts.username and _learn_username(tx, contact_id, facts.username):
        changed.append("username")
    _tell(tx, contact_id, changed)


def _learn_username(tx: Tx, contact_id: uuid.UUID, username: str) -> bool:
    """Let a contact have the username that WhatsApp tells; whoever had it before has it no more."""
    value = _storable(username.lower())[:64]
    have = identifiers(tx, [tx.workspace_id], [contact_id]).get(contact_id, {}).get("username")
    if have == value:
        return False
    changes = [
        repository.IdentifierChange(tx.workspace_id, "username", row["value"])
        for row in repository.identifiers_by_value(tx, [tx.workspace_id], [value], ["username"])
    ]
    if have is not None:
        changes.append(repository.IdentifierChange(tx.workspace_id, "username", have))
    repository.change_identifiers(tx, changes)
    own = {"id": uuid7(), "workspace_id": tx.workspace_id, "contact_id": contact_id, "created_at": utc_now()}
    repository.insert_identifiers(tx, [{**own, "kind": "username", "value": value}])
    data = {"kind": "username", "before": have, "after": value}
    history.add(tx, [history.Entry(tx.workspace_id, contact_id, "identifier_set", "lookup", data)])
    return True


def note_picture(tx: Tx, contact_id: uuid.UUID, media_id: uuid.UUID | None, picture_id: str | None) -> None:
    """Store which picture a contact has now; None for none that we may see."""
    if repository.find(tx, tx.workspace_id, contact_id) is None:
        return
    before = repository_profiles.picture(tx, tx.workspace_id, contact_id)
    own = {"id": uuid7(), "workspace_id": tx.workspace_id, "contact_id": contact_id, "checked_at": utc_now()}
    repository_profiles.save_picture(tx, {**own, "media_id": media_id, "picture_id": picture_id})
    if (None if before is None else before["media_id"]) != media_id:
        _tell(tx, contact_id, ["picture_id"])


def picture_unchanged(tx: Tx, contact_id: uuid.UUID) -> None:
    """Note that the picture was looked at and is the known one."""
    before = repository_profiles.picture(tx, tx.workspace_id, contact_id)
    if before is not None:
        repository_profiles.save_picture(tx, {**dict(before), "checked_at": utc_now()})


def picture_changed(tx: Tx, contact_id: uuid.UUID, *, removed: bool) -> None:
    """Note WhatsApp's news of a picture: it is gone, or must be fetched again."""
    if removed:
        note_picture(tx, contact_id, None, None)
    else:
        repository_profiles.picture_changed(tx, tx.workspace_id, [contact_id])


def note_name(tx: Tx, contact_id: uuid.UUID, column: str, value: str | None) -> None:
    """Store a `push_name`, `book_name` or `verified_name` that WhatsApp or a phone tells."""
    row = repository.find(tx, tx.workspace_id, contact_id)
    value = _storable(value or "")[:_NAME] or None
    if row is not None and row[column] != value:
        repository.change(tx, tx.workspace_id, contact_id, {column: value, "updated_at": utc_now()})
        _tell(tx, contact_id, [column])


def security_code_changed(tx: Tx, account_id: uuid.UUID, contact_id: uuid.UUID) -> None:
    """Keep that another phone, or a new installation, answers for this person."""
    data = {"account_id": str(account_id)}
    history.add(tx, [history.Entry(tx.workspace_id, contact_id, "security_code_changed", "message", data)])


def note_blocks(
    tx: Tx, account_id: uuid.UUID, blocked: Collection[uuid.UUID], *, user_id: uuid.UUID | None = None
) -> None:
    """Store the whole block list of a number: whoever is not on it is not blocked."""
    before = repository_profiles.blocked_by(tx, tx.workspace_id, account_id)
    change_blocks(tx, account_id, set(blocked) - before, before - set(blocked), user_id=user_id)


def change_blocks(
    tx: Tx,
    account_id: uuid.UUID,
    blocked: Collection[uuid.UUID],
    unblocked: Collection[uuid.UUID],
    *,
    user_id: uuid.UUID | None = None,
) -> None:
    """Store changes of a number's block list."""
    now = utc_now()
    own = {"workspace_id": tx.workspace_id, "account_id": account_id, "created_at": now}
    added = [
        contact_id
        for contact_id in sorted(blocked)
        if repository_profiles.add_block(tx, {**own, "id": uuid7(), "contact_id": contact_id})
    ]
    present = repository_profiles.blocked_by(tx, tx.workspace_id, account_id)
    removed = sorted(set(unblocked) & present)
    if removed:
        repository_profiles.remove_blocks(tx, tx.workspace_id, account_id, removed)
    reason: history.Reason = "team" if user_id is not None else "lookup"
    data = {"account_id": str(account_id)}
    entries = [
        *(history.Entry(tx.workspace_id, one, "blocked", reason, data, user_id) for one in added),
        *(history.Entry(tx.workspace_id, one, "unblocked", reason, data, user_id) for one in removed),
    ]
    if entries:
        history.add(tx, entries)
    for contact_id in (*added, *removed):
        _tell(tx, contact_id, ["blocked_by"])


def blocked_by(tx: Tx, account_id: uuid.UUID) -> Sequence[uuid.UUID]:
    """Return the contacts that a number has blocked."""
    return sorted(repository_profiles.blocked_by(tx, tx.workspace_id, account_id))


def _storable(value: Any) -> Any:
    """Return what people wrote with U+FFFD for U+0000, which PostgreSQL cannot store."""
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd")
    if isinstance(value, Mapping):
        return {name: _storable(part) for name, part in value.items()}
    return [_storable(part) for part in value] if isinstance(value, list) else value


def _tell(tx: Tx, contact_id: uuid.UUID, changed: Sequence[str]) -> None:
    if changed:
        known = identifiers(tx, [tx.workspace_id], [contact_id]).get(contact_id, {})
        data = {"contact_id": str(contact_id), "changed": list(changed), "identifiers": known}
        events.append(tx, "contact.updated", data)
