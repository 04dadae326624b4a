"""What customers see of a number: name, about text, picture; and whether it shows as online."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from blazz import events
from blazz.accounts import repository, repository_profiles
from blazz.accounts.service import get
from blazz.kit.db import Tx
from blazz.kit.ids import uuid7
from blazz.kit.time import utc_now

Presence = Literal["hidden", "available_while_inbox_is_open"]
_NAME = 128
_ABOUT = 255


@dataclass(frozen=True, slots=True)
class Profile:
    """A number's profile; `checked_at` is when WhatsApp told it, None for never."""

    name: str | None
    business_name: str | None
    about: str | None
    picture_id: uuid.UUID | None
    checked_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Own:
    """What a look-up of a number's own profile needs: its addresses, and the picture that is known."""

    address: str
    picture_id: str | None


def profile(tx: Tx, account_id: uuid.UUID) -> Profile:
    """Return what customers see, as it was told last. Raises BlazzError `not_found`."""
    row = get(tx, account_id)
    told = repository_profiles.find(tx, tx.workspace_id, account_id)
    if told is None:
        return Profile(row["push_name"], row["business_name"], None, None, None)
    return Profile(row["push_name"], row["business_name"], told["about"], told["media_id"], told["checked_at"])


def own(tx: Tx, account_id: uuid.UUID) -> Own:
    """Return what is needed to look the number itself up. Raises BlazzError `not_found`."""
    row = get(tx, account_id)
    told = repository_profiles.find(tx, tx.workspace_id, account_id)
    user, _, server = (row["jid"] or "").partition("@")
    address = f"{user.partition(':')[0].partition('.')[0]}@{server}"
    return Own(address, None if told is None else told["picture_id"])


def note_profile(tx: Tx, account_id: uuid.UUID, told: Mapping[str, Any]) -> None:
    """Store what was told of `about`, `media_id` and `picture_id`; what is not given stays."""
    if repository.find(tx, tx.workspace_id, account_id) is None:
        return
    before = repository_profiles.find(tx, tx.workspace_id, account_id)
    known = {name: None if before is None else before[name] for name in ("about", "media_id", "picture_id")}
    told = dict(told)
    if told.get("about") is not None:
        told["about"] = told["about"].replace("\x00", "\ufffd")[:_ABOUT] or None  # PostgreSQL stores no U+0000
    row = {"id": uuid7(), "workspace_id": tx.workspace_id, "account_id": account_id, "checked_at": utc_now()}
    repository_profiles.save(tx, {**row, **known, **told})
    changed = sorted(name for name in known if name in told and told[name] != known[name])
    if changed:
        _tell(tx, account_id, changed)


def note_name(tx: Tx, account_id: uuid.UUID, name: str) -> None:
    """Store the name under which customers see a number."""
    row, name = repository.find(tx, tx.workspace_id, account_id), name.replace("\x00", "\ufffd")[:_NAME]
    if row is not None and row["push_name"] != name:
        repository.change(tx, tx.workspace_id, account_id, {"push_name": name})
        _tell(tx, account_id, ["push_name"])


def presence(tx: Tx, account_id: uuid.UUID) -> Presence:
    """Return whether a number may show as online; it must not only because it is linked."""
    row = repository.find(tx, tx.workspace_id, account_id)
    return cast(Presence, (row and row["presence"]) or "hidden")


def set_presence(tx: Tx, account_id: uuid.UUID, wanted: Presence) -> None:
    """Choose whether a number may show as online. Raises BlazzError `not_found`."""
    get(tx, account_id)
    if presence(tx, account_id) != wanted:
        repository.change(tx, tx.workspace_id, account_id, {"presence": wanted})
        _tell(tx, account_id, ["presence"])


def _tell(tx: Tx, account_id: uuid.UUID, changed: list[str]) -> None:
    events.append(tx, "account.updated", {"account_id": str(account_id), "changed": changed}, account_id=account_id)
