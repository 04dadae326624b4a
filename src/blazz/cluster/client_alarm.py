"""The one alarm of a platform whose client version WhatsApp refuses (405): it concerns every number alike."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from blazz.cluster import platform_log, repository
from blazz.kit.db import Tx
from blazz.kit.time import utc_now

REFUSED = "client.refused"
ACCEPTED = "client.accepted"


@dataclass(frozen=True, slots=True)
class ClientAlarm:
    """Since when which instances are refused, and with which client versions."""

    since: dt.datetime
    versions: Sequence[str]
    instances: Sequence[str]


def refused(tx: Tx, instance_id: str, version: str) -> None:
    """Note that an instance's client version is refused (platform scope). The first of the platform is told."""
    rows = repository.hold_instances(tx)
    mine = next((row for row in rows if row["id"] == instance_id), None)
    if mine is None or mine["client_refused_at"] is not None:
        return
    repository.update_instance(tx, instance_id, {"client_refused_at": utc_now(), "client_version": version[:32]})
    if all(row["client_refused_at"] is None for row in rows):
        platform_log.append(tx, REFUSED, {"instance": instance_id, "version": version})


def accepted(tx: Tx, instance_id: str) -> None:
    """Note that an instance's client version is accepted again (platform scope). The last of the platform is told."""
    rows = repository.hold_instances(tx)
    mine = next((row for row in rows if row["id"] == instance_id), None)
    if mine is None or mine["client_refused_at"] is None:
        return
    repository.update_instance(tx, instance_id, {"client_refused_at": None})
    if not any(row["client_refused_at"] is not None for row in rows if row["id"] != instance_id):
        platform_log.append(tx, ACCEPTED, {"instance": instance_id})


def current(tx: Tx) -> ClientAlarm | None:
    """Return the alarm of instances that still run, None when there is none (platform scope)."""
    rows = [
        row
        for row in repository.all_instances(tx)
        if row["client_refused_at"] is not None and row["state"] in ("healthy", "draining")
    ]
    if not rows:
        return None
    return ClientAlarm(
        min(row["client_refused_at"] for row in rows),
        sorted({row["client_version"] or "" for row in rows}),
        sorted(row["id"] for row in rows),
    )
