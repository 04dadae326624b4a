"""The cluster as lines for a terminal."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from blazz.admin import schemas

_BAR = 20  # characters


def overview(seen: schemas.ClusterOverview, advice: schemas.Advice) -> str:
    """Return the whole cluster, alarms first."""
    totals = seen.totals
    lines = [*alarms(seen, advice)]
    used = f"{totals.sessions} of {totals.places} places, {totals.connected} connected"
    usable = f"{totals.usable_instances} of {len(seen.instances)} instances take sessions"
    lines += [f"{usable}: {used}; imbalance {totals.imbalance:.0%}", ""]
    rows = [("instance", "state", "sessions", "", "connected", "memory", "CPU", "heartbeat", "version")]
    for one in seen.instances:
        state = "silent" if one.silent else one.state
        rows.append(
            (
                one.id,
                "full" if state == "healthy" and one.at_capacity else state,
                f"{one.sessions}/{one.capacity}",
                bar(one.utilization, 10),
                str(one.connected),
                f"{one.memory_bytes / 1e6:.0f} MB",
                f"{one.cpu_percent:.0f} %",
                f"{one.heartbeat_age_s:.1f} s",
                one.version,
            )
        )
    lines += table(rows, right=(2, 4, 5, 6, 7))
    if seen.processes:
        holder = None if seen.leader is None else seen.leader.holder
        lines += ["", *table([_process(one, holder) for one in seen.processes])]
    if seen.running:
        lines += ["", "Under way", *(f"  {operation(one)}" for one in seen.running)]
    return "\n".join(lines)


def alarms(seen: schemas.ClusterOverview, advice: schemas.Advice) -> list[str]:
    """Return what needs an operator now, one line each; none when all is well."""
    found = []
    if seen.hold is not None:
        found.append(
            f"! held: {', '.join(seen.hold.instances)} fell silent at once; nothing is reassigned for a second lease"
        )
    if not seen.one_process and seen.leader is None:
        found.append("! no worker leads: dead instances are not noticed. Start one: blazz worker")
    if seen.queue_length:
        found.append(f"! {seen.queue_length} session(s) wait for room (blazz cluster queue)")
    if not seen.n_minus_one.ok:
        found.append(f"! {seen.n_minus_one.reason}")
    if advice.action != "hold":
        found.append(f"! advice: {advice.current} -> {advice.target} instances ({'; '.join(advice.reasons)})")
    return [*found, ""] if found else []


def operation(one: schemas.Operation) -> str:
    """Return an operation in one line."""
    subject = {
        "drain": f"drain {one.instance_id}",
        "migrate": f"migrate {one.workspace_name} to {one.target_instance_id}",
        "rebalance": f"rebalance ({one.mode})",
        "failover": f"failover of {one.instance_id}",
    }[one.kind]
    waiting = f", {one.waiting} waiting for room" if one.waiting else ""
    detail = f"  {one.detail}" if one.detail else ""
    return f"{subject}: {one.state} {bar(one.progress)} {one.moved}/{one.total}{waiting}{detail}"


def operation_rows(found: Sequence[schemas.Operation]) -> list[str]:
    """Return operations as a table."""
    rows = [("when", "what", "state", "moved", "asked by", "id")]
    for one in found:
        by = one.requested_by_name or one.requested_as
        what = operation(one).partition(":")[0]
        rows.append((moment(one.created_at), what, one.state, f"{one.moved}/{one.total}", by, str(one.id)))
    return table(rows, right=(3,))


def move_rows(found: Sequence[schemas.Move]) -> list[str]:
    """Return moves as a table."""
    rows = [("when", "number", "workspace", "from", "to", "reason", "away")]
    for one in found:
        away = "not back yet" if one.away_s is None else f"{one.away_s:.1f} s"
        names = (one.account_name or "-", one.workspace_name or "-")
        rows.append((moment(one.moved_at), *names, one.from_instance_id or "-", one.to_instance_id, one.reason, away))
    return table(rows, right=(6,))


def queue_rows(found: Sequence[schemas.QueueEntry]) -> list[str]:
    """Return sessions that wait as a table."""
    rows = [("since", "number", "workspace", "priority", "was on", "reason")]
    for one in found:
        names = (one.account_name or "-", one.workspace_name or "-")
        rows.append((moment(one.queued_at), *names, str(one.priority), one.instance_id or "-", one.reason))
    return table(rows, right=(3,))


def event_line(event: schemas.PlatformEvent) -> str:
    """Return a platform event in one line."""
    data = " ".join(f"{name}={_plain(value)}" for name, value in event.data.items() if value is not None)
    return f"{event.position:>6}  {moment(event.occurred_at)}  {event.name:<22} {data}"


def preview_lines(plan: schemas.RebalancePreview) -> list[str]:
    """Return what a rebalance would move."""
    if not plan.moves:
        return [f"Nothing would move: imbalance {plan.imbalance_before:.0%}."]
    share = f"imbalance {plan.imbalance_before:.0%} now, {plan.imbalance_after:.0%} then"
    rows = [(one.instance_id, str(one.before), str(one.after)) for one in plan.instances]
    lines = [
        f"{plan.sessions} session(s) would move; {share}.",
        *table([("instance", "now", "then"), *rows], right=(1, 2)),
        "",
    ]
    lines += [
        f"  {move.workspace_name}: {move.from_instance_id} -> {move.to_instance_id}, {move.sessions} session(s)"
        for move in plan.moves
    ]
    return lines


def bar(share: float, width: int = _BAR) -> str:
    """Return a bar for a share, 0 to 1."""
    filled = round(min(1.0, max(0.0, share)) * width)
    return "#" * filled + "." * (width - filled)


def moment(at: dt.datetime) -> str:
    """Return a moment to the second, in UTC."""
    return at.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def table(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> list[str]:
    """Return rows with aligned columns; those in `right` end flush."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  "
        + "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _process(one: schemas.ClusterProcess, leader: str | None) -> tuple[str, ...]:
    return (one.id, one.role + (" (leads)" if one.id == leader else ""), one.host, f"process {one.pid}", one.version)


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ",".join(f"{name}:{count}" for name, count in value.items())
    if isinstance(value, list):
        return ",".join(str(item) for item in value)
    return str(value)
