"""How an account and its QR code are shown."""

from __future__ import annotations

import datetime as dt
import io
from typing import Any

import segno
from sqlalchemy import RowMapping

from blazz.accounts import phone_silence, restrictions
from blazz.accounts.call_settings import CallSettings
from blazz.accounts.health import HEALTHY, score_of
from blazz.accounts.schemas import (
    Account,
    AccountStatistics,
    AssignedInstance,
    Calls,
    PhoneWarning,
    Qr,
    Restriction,
)
from blazz.accounts.states import shown_status
from blazz.cluster.commands import QrView
from blazz.cluster.reading import SessionPlace

_QUIET_ZONE = 4  # modules, as ISO/IEC 18004 demands
_PNG_SCALE = 8


def account_view(row: RowMapping, place: SessionPlace | None, now: dt.datetime, *, statistics: bool = False) -> Account:
    """Return an account as the API shows it; a claim that nobody renewed reads `unknown`."""
    fields: dict[str, Any] = {name: row[name] for name in Account.model_fields if name in row}
    fields |= _place_fields(place)
    fields["status"] = shown_status(row["status"], row["status_expires_at"], now)
    fields["statistics"] = statistics_view(row, now) if statistics else None
    fields["restriction"] = _restriction(row, now)
    fields["phone_seen_at"] = phone_silence.last_seen(row)
    fields["phone_warning"] = _phone_warning(row, now)
    settings = CallSettings.of(row)
    fields["calls"] = Calls(reject=settings.reject, reply=settings.reply)
    return Account(**fields)


def _restriction(row: RowMapping, now: dt.datetime) -> Restriction | None:
    worst = restrictions.worst(row, now)
    if worst is None:
        return None
    return Restriction(
        kind=worst.kind,
        reason=worst.reason,
        since=worst.since,
        until=worst.until,
        until_assumed=worst.assumed,
        new_chats="stopped",
        existing_chats=worst.existing_chats,
    )


def _phone_warning(row: RowMapping, now: dt.datetime) -> PhoneWarning | None:
    seen = phone_silence.last_seen(row)
    if seen is None or not phone_silence.is_silent(row, now):
        return None
    return PhoneWarning(phone_seen_at=seen, unlinked_about=seen + phone_silence.UNLINKED_AFTER)


def _place_fields(place: SessionPlace | None) -> dict[str, Any]:
    if place is None:
        nowhere = dict.fromkeys(("previous_instance_index", "last_instance_migration_at", "waiting_reason"))
        return {"assigned_instance": None, "instance_migration_count": 0, **nowhere}
    owner = place.instance_id
    return {
        "assigned_instance": None if owner is None else AssignedInstance(id=owner, index=place.instance_index),
        "previous_instance_index": place.previous_instance_index,
        "instance_migration_count": place.migration_count,
        "last_instance_migration_at": place.last_migration_at,
        "waiting_reason": place.queue_reason,
    }


def statistics_view(row: RowMapping, now: dt.datetime) -> AccountStatistics:
    """Return what is known of an account's life."""
    score = score_of(row, now)
    return AccountStatistics(
        health_score=score,
        healthy=score >= HEALTHY,
        session_file_size_bytes=row["session_file_size_bytes"],
        session_storage_verified_at=row["session_storage_verified_at"],
        session_restore_count=row["session_restore_count"],
        linked_at=row["linked_at"],
        connected_at=row["connected_at"],
        disconnected_at=row["disconnected_at"],
        last_activity_at=row["last_activity_at"],
    )


def qr_view(shown: QrView) -> Qr:
    """Return the code with its drawing."""
    svg = _drawn(shown).svg_inline(border=_QUIET_ZONE, omitsize=True, dark="#000", light="#fff")
    return Qr(code=shown.code, number=shown.number, expires_at=shown.expires_at, svg=svg)


def qr_png(shown: QrView) -> bytes:
    """Return the code as a PNG picture."""
    out = io.BytesIO()
    _drawn(shown).save(out, kind="png", scale=_PNG_SCALE, border=_QUIET_ZONE)
    return out.getvalue()


def qr_text(shown: QrView) -> str:
    """Return the code drawn with half blocks, for a terminal of either brightness."""
    out = io.StringIO()
    _drawn(shown).terminal(out, border=2, compact=True)
    return out.getvalue()


def _drawn(shown: QrView) -> segno.QRCode:
    return segno.make_qr(shown.code, error="l", boost_error=False)
