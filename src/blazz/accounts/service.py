"""Rules of accounts: their life cycle, the primary one, one number once in a workspace, the budget of QR starts."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import RowMapping

from blazz import events
from blazz.accounts import repository, restrictions
from blazz.accounts.health import score_of
from blazz.accounts.restrictions import Restriction
from blazz.accounts.states import CLAIMS, may_follow, shown_status
from blazz.cluster import service as cluster
from blazz.kit.db import Tx
from blazz.kit.errors import conflict, not_found, too_many
from blazz.kit.ids import uuid7
from blazz.kit.time import utc_now


@dataclass(frozen=True, slots=True)
class SessionSpec:
    """A session as its owner needs it to start. `linked`: a pairing is expected in the store.

    `previous_closed`: the store of the epoch before is in nobody's hands. `move_to`: it is to be handed over.
    """

    workspace_id: uuid.UUID
    account_id: uuid.UUID
    epoch: int
    linked: bool
    previous_closed: bool = True
    move_to: str | None = None
    restrictions: tuple[Restriction, ...] = ()


QR_WINDOW = dt.timedelta(hours=1)
_EVENTS = {
    "authenticated": "session.authenticated",
    "connected": "session.connected",
    "disconnected": "session.disconnected",
    "logged_out": "session.disconnected",
    "failed": "session.failed",
}


def create(tx: Tx, name: str | None) -> RowMapping:
    """Add an account, not yet linked; without a name it is numbered. The first to connect becomes primary by itself."""
    name = name or f"Number {repository.count(tx, tx.workspace_id) + 1}"
    now = utc_now()
    account_id = uuid7()
    repository.insert_account(
        tx,
        {
            "id": account_id,
            "workspace_id": tx.workspace_id,
            "name": name,
            "provider": "whatsapp_web",
            "status": "disconnected",
            "status_since": now,
            "is_primary": False,
            "qr_starts": [],
            "session_restore_count": 0,
            "created_at": now,
        },
    )
    events.append(tx, "account.created", {"account_id": str(account_id)}, account_id=account_id)
    return get(tx, account_id)


def get(tx: Tx, account_id: uuid.UUID) -> RowMapping:
    """Return an account of this workspace. Raises BlazzError `not_found`."""
    row = repository.find(tx, tx.workspace_id, account_id)
    if row is None:
        raise not_found("account")
    return row


def page(tx: Tx, after: tuple[dt.datetime, uuid.UUID] | None, limit: int) -> Sequence[RowMapping]:
    """Return accounts in the order of their creation."""
    return repository.page(tx, tx.workspace_id, after, limit)


def rename(tx: Tx, account_id: uuid.UUID, *, name: str | None, primary: bool | None) -> RowMapping:
    """Change the name, or make the account primary (another one loses the mark)."""
    row = get(tx, account_id)
    changes: dict[str, Any] = {}
    if name is not None and name != row["name"]:
        changes["name"] = name
    if primary is not None and primary != row["is_primary"]:
        if not primary:
            raise conflict("primary_needed", "Make another number primary instead.")
        repository.hold_all(tx, tx.workspace_id)
        repository.clear_primary(tx, tx.workspace_id)
        changes["is_primary"] = True
    if changes:
        repository.change(tx, tx.workspace_id, account_id, changes)
        events.append(
            tx, "account.updated", {"account_id": str(account_id), "changed": sorted(changes)}, account_id=account_id
        )
    return get(tx, account_id)


def delete(tx: Tx, account_id: uuid.UUID) -> None:
    """Remove an account from every list; its chats stay stored. The session must have been logged out before."""
    row = get(tx, account_id)
    changes = {"deleted_at": utc_now(), "is_primary": False, "phone": None, "status": "logged_out"}
    repository.change(tx, tx.workspace_id, account_id, {**changes, "status_expires_at": None})
    cluster.want_stopped(tx, tx.workspace_id, account_id)
    events.append(tx, "account.deleted", {"account_id": str(account_id)}, account_id=account_id)
    if row["is_primary"]:
        repository.hold_all(tx, tx.workspace_id)
        _choose_primary(tx)


def check_qr_starts(tx: Tx, account_id: uuid.UUID, max_qr_starts: int | None) -> RowMapping:
    """Return the account if its session may be started.

    `max_qr_starts` bounds starts within an hour that did not lead to a link; None on the simulated network. Raises
    BlazzError `not_found`, `too_many_qr_starts` (429).
    """
    row = get(tx, account_id)
    now = utc_now()
    recent = _recent_starts(row, now)
    if row["jid"] is None and max_qr_starts is not None and len(recent) >= max_qr_starts:
        wait = (recent[0] + QR_WINDOW - now).total_seconds()
        raise too_many(
            f"Linking was started {len(recent)} times within an hour without a link. Wait a little.",
            retry_after_s=int(wait) + 1,
            code="too_many_qr_starts",
        )
    return row


def connecting(tx: Tx, account_id: uuid.UUID, *, max_qr_starts: int | None) -> None:
    """Note that a session with a place is being started. Raises BlazzError as `check_qr_starts`."""
    row = check_qr_starts(tx, account_id, max_qr_starts)
    now = utc_now()
    changes: dict[str, Any] = {}
    if row["jid"] is None:
        changes["qr_starts"] = [moment.isoformat() for moment in [*_recent_starts(row, now), now]][-20:]
    if row["status"] not in CLAIMS:
        set_status(tx, account_id, tx.workspace_id, "connecting", claim_until=now + dt.timedelta(seconds=30))
    if changes:
        repository.change(tx, tx.workspace_id, account_id, changes)


def want_disconnected(tx: Tx, account_id: uuid.UUID) -> None:
    """Note that the session should not run; the pairing is kept."""
    row = get(tx, account_id)
    cluster.want_stopped(tx, tx.workspace_id, account_id)
    if row["status"] not in ("logged_out", "failed"):
        set_status(tx, account_id, tx.workspace_id, "disconnected", reason="user_initiated")


def unlinked(tx: Tx, account_id: uuid.UUID, workspace_id: uuid.UUID, *, reason: str, detail: str) -> None:
    """Note that the pairing is gone. History and the number stay shown; linking again is possible."""
    set_status(tx, account_id, workspace_id, "logged_out", reason=reason, detail=detail)
    cluster.want_stopped(tx, workspace_id, account_id)


def logged_out(tx: Tx, account_id: uuid.UUID, detail: str) -> None:
    """Note that somebody here removed the pairing; what the instance has told already is kept."""
    if get(tx, account_id)["status"] != "logged_out":
        unlinked(tx, account_id, tx.workspace_id, reason="user_initiated", detail=detail)


def set_status(
    tx: Tx,
    account_id: uuid.UUID,
    workspace_id: uuid.UUID,
    status: str,
    *,
    detail: str | None = None,
    reason: str | None = None,
    claim_until: dt.datetime | None = None,
) -> bool:
    """Write a status if it may follow the present one; returns whether it changed. Emits `session.*` on a change."""
    row = repository.find(tx, workspace_id, account_id, for_update=True)
    if row is None or not may_follow(row["status"], status):
        return False
    now = utc_now()
    changed = bool(row["status"] != status)
    values: dict[str, Any] = {
        "status_detail": detail,
        "status_expires_at": claim_until if status in CLAIMS else None,
    }
    if changed:
        values |= {"status": status, "status_since": now}
    if status == "connected" and changed:
        values |= {"connected_at": now, "disconnect_reason": None, "disconnect_details": None, "qr_starts": []}
    if status in ("disconnected", "logged_out", "failed"):
        values |= {"disconnect_reason": reason, "disconnect_details": detail}
        if changed:
            values["disconnected_at"] = now
    if status == "logged_out":
        values |= {"jid": None, "lid": None, "linked_at": None}
    repository.change(tx, workspace_id, account_id, values)
    if changed:
        if status == "connected":
            _first_becomes_primary(tx, workspace_id, account_id)
        _announce(tx, workspace_id, account_id, status, reason)
    elif row["disconnect_reason"] != reason and status == "disconnected":
        _announce(tx, workspace_id, account_id, status, reason)
    return changed


def linked(
    tx: Tx,
    workspace_id: uuid.UUID,
    account_id: uuid.UUID,
    *,
    jid: str,
    lid: str | None,
    phone: str | None,
    push_name: str | None = None,
    business_name: str | None = None,
    platform: str | None = None,
) -> list[uuid.UUID]:
    """Note who a session speaks for; returns older accounts of the workspace that lost this number and must stop.

    The same number linked twice: the newer account wins, the older ends `failed` and loses the number.
    """
    losers = []
    for other in repository.others_with_phone(tx, workspace_id, account_id, phone) if phone else ():
        losers.append(other["id"])
        detail = "This number was linked again by a newer entry of this workspace."
        set_status(tx, other["id"], workspace_id, "failed", reason="replaced", detail=detail)
        gone = {"phone": None, "jid": None, "lid": None, "linked_at": None, "is_primary": False}
        repository.change(tx, workspace_id, other["id"], gone)
        cluster.want_stopped(tx, workspace_id, other["id"])
        if other["is_primary"]:
            repository.change(tx, workspace_id, account_id, {"is_primary": True})
    row = repository.find(tx, workspace_id, account_id, for_update=True)
    if row is None:
        return losers
    facts: dict[str, Any] = {"jid": jid, "lid": lid, "phone": phone, "platform": platform}
    facts |= {"push_name": push_name, "business_name": business_name}
    # the first report after a pairing may lack names that a later login brings
    changes = {name: value for name, value in facts.items() if value is not None and row[name] != value}
    if row["linked_at"] is None:
        changes["linked_at"] = utc_now()
    if not changes:
        return losers
    repository.change(tx, workspace_id, account_id, {**changes, "qr_starts": []})
    events.append(
        tx,
        "account.updated",
        {"account_id": str(account_id), "changed": sorted(changes)},
        workspace_id=workspace_id,
        account_id=account_id,
    )
    return losers


def renew_claims(
    tx: Tx, workspace_ids: Sequence[uuid.UUID], account_ids: Sequence[uuid.UUID], until: dt.datetime
) -> None:
    """Extend the claims of running sessions in bulk; no events."""
    repository.renew_claims(tx, workspace_ids, account_ids, until)


def sessions_to_run(tx: Tx, instance_id: str, generation: int | None = None) -> list[SessionSpec]:
    """Return the sessions that an instance owns and that are wanted running (platform scope).

    With `generation`, none when another start has taken the instance's place.
    """
    return _specs(tx, cluster.running_on(tx, instance_id, generation))


def session_to_run(tx: Tx, account_id: uuid.UUID) -> SessionSpec | None:
    """Return one session by its account (platform scope); None when it was never assigned or its account is deleted."""
    assignment = cluster.assignment(tx, account_id)
    return None if assignment is None else next(iter(_specs(tx, [assignment])), None)


def _specs(tx: Tx, assignments: Sequence[cluster.Assignment]) -> list[SessionSpec]:
    if not assignments:
        return []
    by_id = {item.account_id: item for item in assignments}
    rows = repository.find_many(tx, list({item.workspace_id for item in assignments}), list(by_id))
    return [
        SessionSpec(
            row["workspace_id"],
            row["id"],
            by_id[row["id"]].epoch,
            row["jid"] is not None,
            by_id[row["id"]].previous_closed,
            by_id[row["id"]].move_to,
            tuple(restrictions.load(row["restrictions"])),
        )
        for row in rows
        if row["deleted_at"] is None
    ]


def page_of_all(tx: Tx, after: uuid.UUID | None, limit: int) -> Sequence[RowMapping]:
    """Return accounts of all workspaces, by id (platform scope)."""
    return repository.page_of_all(tx, after, limit)


def note_health(tx: Tx, rows: Sequence[RowMapping], active: Mapping[uuid.UUID, dt.datetime]) -> None:
    """Store when accounts were last active, and the health score of now, where either has changed (platform scope)."""
    now = utc_now()
    changes = []
    for row in rows:
        last = max((at for at in (active.get(row["id"]), row["last_activity_at"]) if at is not None), default=None)
        score = score_of({**row, "last_activity_at": last}, now)
        if (score, last) != (row["health_score"], row["last_activity_at"]):
            changes.append({"account": row["id"], "score": score, "active": last})
    repository.set_health(tx, changes)


def note_restored(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID) -> None:
    """Count that a session was taken up again after a restart or a move."""
    repository.count_restore(tx, workspace_id, account_id)


def for_sending(tx: Tx, account_id: uuid.UUID | None) -> RowMapping:
    """Return the account to send from: the given one, else the primary. Raises `account_not_linked` (409)."""
    if account_id is not None:
        row: RowMapping | None = get(tx, account_id)
    else:
        row = repository.primary(tx, tx.workspace_id)
    if row is None:
        raise conflict("account_not_linked", "This workspace has no linked number yet; add one on the page Numbers.")
    if row["jid"] is None or row["status"] in ("logged_out", "failed"):
        raise conflict("account_not_linked", f"The number {row['name']!r} is not linked; link it again first.")
    return row


def _recent_starts(row: RowMapping, now: dt.datetime) -> list[dt.datetime]:
    moments = (dt.datetime.fromisoformat(text) for text in row["qr_starts"])
    return [moment for moment in moments if moment > now - QR_WINDOW]


def _first_becomes_primary(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID) -> None:
    if repository.primary(tx, workspace_id) is not None:
        return
    repository.hold_all(tx, workspace_id)  # another number may be the first at this moment
    if repository.primary(tx, workspace_id) is None:
        repository.change(tx, workspace_id, account_id, {"is_primary": True})


def _choose_primary(tx: Tx) -> None:
    rows = [row for row in repository.page(tx, tx.workspace_id, None, 200) if row["jid"] is not None]
    if rows:
        repository.change(tx, tx.workspace_id, rows[0]["id"], {"is_primary": True})


def _announce(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID, status: str, reason: str | None) -> None:
    data: dict[str, Any] = {"account_id": str(account_id), "status": status}
    if reason is not None:
        data["reason"] = reason
    events.append(tx, _EVENTS.get(status, "account.updated"), data, workspace_id=workspace_id, account_id=account_id)


def hold(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID) -> None:
    """Let one unit at a time go on that adds something to this account which may be added only once."""
    repository.find(tx, workspace_id, account_id, for_update=True)


LostPairing = Literal["logged_out", "replaced", "removed"]


def is_connected(tx: Tx, account_id: uuid.UUID) -> bool:
    """Tell whether a session of this workspace is connected, as far as its instance has confirmed that in time."""
    row = repository.find(tx, tx.workspace_id, account_id)
    return row is not None and shown_status(row["status"], row["status_expires_at"], utc_now()) == "connected"


def lost_pairing(tx: Tx, account_id: uuid.UUID) -> LostPairing | None:
    """Return how an account of this workspace came to have no pairing, also a removed one; None while it has one."""
    rows = repository.find_many(tx, [tx.workspace_id], [account_id])
    if not rows or rows[0]["deleted_at"] is not None:
        return "removed"
    if rows[0]["jid"] is not None:
        return None
    return "replaced" if rows[0]["disconnect_reason"] == "replaced" else "logged_out"


def own_addresses(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID) -> tuple[str, ...]:
    """Return our own device-less addresses on an account, the LID first; empty when it is not linked."""
    row = repository.find(tx, workspace_id, account_id)
    return _own_addresses(row) if row is not None else ()


def addresses_of_many(
    tx: Tx, workspace_id: uuid.UUID, account_ids: Collection[uuid.UUID]
) -> dict[uuid.UUID, tuple[str, ...]]:
    """Return our own device-less addresses on each of these accounts, the LID first; those not linked have none."""
    rows = repository.find_many(tx, [workspace_id], list(account_ids))
    return {row["id"]: _own_addresses(row) for row in rows}


def own_address(tx: Tx, workspace_id: uuid.UUID, account_id: uuid.UUID) -> str:
    """Return our own device-less WhatsApp address on an account; empty when it is not linked."""
    row = repository.find(tx, workspace_id, account_id)
    return _bare(row["jid"] or "") if row is not None else ""


def _own_addresses(row: RowMapping) -> tuple[str, ...]:
    return tuple(_bare(row[name]) for name in ("lid", "jid") if row[name])


def _bare(address: str) -> str:
    user, at, server = address.partition("@")
    return f"{user.partition(':')[0].partition('.')[0]}{at}{server}"
