"""The cluster as operators see it: reads of one unit of work each, for the API and the terminal alike."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from blazz.accounts.names import names_of
from blazz.admin import schemas
from blazz.cluster import (
    advising,
    assignment,
    capacity,
    client_alarm,
    controller,
    membership,
    moves,
    operations,
    platform_log,
    processes,
    reading,
    rebalance,
)
from blazz.kit.db import Tx
from blazz.kit.errors import not_found
from blazz.kit.settings import Settings
from blazz.kit.time import utc_now
from blazz.workspaces import service as workspaces

_RUNNING = ("healthy", "draining")


def overview(tx: Tx, settings: Settings) -> schemas.ClusterOverview:
    """Return the whole cluster (platform scope)."""
    now = utc_now()
    known = membership.all_instances(tx)
    loads = assignment.instance_loads(known)
    check = capacity.n_minus_one_check(loads)
    hold = moves.fact(tx, controller.HOLD)
    leader = reading.leader(tx)
    refused = client_alarm.current(tx)
    places = sum(load.places for load in loads)
    sessions = sum(load.sessions for load in loads)
    uneven = rebalance.imbalance(loads)
    return schemas.ClusterOverview(
        instances=[instance_view(item, settings, now) for item in known],
        processes=[
            schemas.ClusterProcess.model_validate(role)
            for role in processes.live_roles(tx)
            if role.role in ("gateway", "worker")
        ],
        leader=None if leader is None else schemas.Leader.model_validate(leader),
        hold=None if hold is None else schemas.Hold(instances=hold.data["instances"], since=hold.updated_at),
        client_refused=None if refused is None else schemas.ClientRefused.model_validate(refused),
        queue_length=reading.queue_length(tx),
        totals=schemas.Totals(
            usable_instances=sum(load.usable for load in loads),
            sessions=sessions,
            connected=sum(item.connected for item in known),
            places=places,
            utilization=round(sessions / places, 4) if places else 0.0,
            imbalance=round(uneven, 4),
            balanced=uneven < rebalance.BALANCED,
        ),
        n_minus_one=schemas.NMinusOne(
            ok=check.ok,
            sessions=check.sessions,
            places=check.places,
            reason=check.reason,
            mode=settings.n_minus_one,
        ),
        running=operation_views(tx, operations.running(tx)),
        placement_strategy=settings.placement_strategy,
        database=tx.dialect,
        one_process=tx.dialect == "sqlite",
        lease_s=settings.lease_s,
        head=platform_log.head(tx),
        now=now,
    )


def instance(tx: Tx, instance_id: str, settings: Settings) -> schemas.ClusterInstance:
    """Return one instance. Raises BlazzError `not_found`."""
    found = membership.find(tx, instance_id)
    if found is None:
        raise not_found("instance")
    return instance_view(found, settings, utc_now())


def instance_view(item: membership.Instance, settings: Settings, now: dt.datetime) -> schemas.ClusterInstance:
    """Return an instance in the public shape."""
    age = max(0.0, (now - item.renewed_at).total_seconds())
    fields: dict[str, Any] = {
        name: getattr(item, name) for name in schemas.ClusterInstance.model_fields if hasattr(item, name)
    }
    return schemas.ClusterInstance(
        **fields,
        silent=item.state in _RUNNING and age > settings.lease_s,
        at_capacity=item.sessions >= item.capacity,
        utilization=round(item.sessions / item.capacity, 4) if item.capacity else 0.0,
        memory_share=advising.memory_share(item),
        cpu_share=advising.cpu_share(item),
        heartbeat_age_s=round(age, 1),
    )


def workspace_places(
    tx: Tx, instance_id: str | None, after: uuid.UUID | None, limit: int
) -> list[schemas.WorkspacePlace]:
    """Return which workspaces live where (platform scope). Raises BlazzError `not_found` for an unknown instance."""
    if instance_id is not None and membership.find(tx, instance_id) is None:
        raise not_found("instance")
    found = reading.workspaces(tx, instance_id, after, limit)
    placing = workspaces.placing_of(tx, [one.workspace_id for one in found])
    return [
        schemas.WorkspacePlace(
            workspace_id=one.workspace_id,
            number=placing[one.workspace_id].number,
            name=placing[one.workspace_id].name,
            priority=placing[one.workspace_id].priority,
            sessions=sum(part.sessions for part in one.parts),
            split=len(one.parts) > 1,
            instances=[schemas.WorkspacePart.model_validate(part) for part in one.parts],
        )
        for one in found
    ]


def move_page(
    tx: Tx,
    before: tuple[dt.datetime, uuid.UUID] | None,
    limit: int,
    operation_id: uuid.UUID | None = None,
    instance_id: str | None = None,
) -> list[schemas.Move]:
    """Return moves, newest first (platform scope)."""
    found = moves.page(tx, before, limit, operation_id=operation_id, instance_id=instance_id)
    names = _Names(tx, [(move.workspace_id, move.account_id) for move in found])
    return [
        schemas.Move(
            **{name: getattr(move, name) for name in schemas.Move.model_fields if hasattr(move, name)},
            account_name=names.account(move.account_id),
            workspace_name=names.workspace(move.workspace_id),
            away_s=None if move.seconds is None else round(move.seconds, 3),
        )
        for move in found
    ]


def queue_page(tx: Tx, after: tuple[dt.datetime, uuid.UUID] | None, limit: int) -> list[schemas.QueueEntry]:
    """Return sessions that wait for room, the longest waiting first (platform scope)."""
    found = reading.queue(tx, after, limit)
    names = _Names(tx, [(one.workspace_id, one.account_id) for one in found])
    return [
        schemas.QueueEntry(
            account_id=one.account_id,
            account_name=names.account(one.account_id),
            workspace_id=one.workspace_id,
            workspace_name=names.workspace(one.workspace_id),
            priority=names.priority(one.workspace_id),
            instance_id=one.instance_id,
            queued_at=one.queued_at,
            reason=one.reason,
        )
        for one in found
    ]


def operation_page(tx: Tx, before: tuple[dt.datetime, uuid.UUID] | None, limit: int) -> list[schemas.Operation]:
    """Return operations, newest first (platform scope)."""
    return operation_views(tx, operations.page(tx, before, limit))


def operation(tx: Tx, operation_id: uuid.UUID) -> schemas.Operation:
    """Return one operation (platform scope). Raises BlazzError `not_found`."""
    return operation_views(tx, [operations.get(tx, operation_id)])[0]


def operation_views(tx: Tx, found: Iterable[operations.Operation]) -> list[schemas.Operation]:
    """Return operations in the public shape, with names."""
    known = list(found)
    subjects = [one.subject_workspace_id for one in known if one.subject_workspace_id is not None]
    placing = workspaces.placing_of(tx, subjects)
    people = workspaces.user_names(tx, [one.requested_by for one in known if one.requested_by is not None])
    shown = []
    for one in known:
        subject = placing.get(one.subject_workspace_id) if one.subject_workspace_id is not None else None
        fields: dict[str, Any] = {
            name: getattr(one, name) for name in schemas.Operation.model_fields if hasattr(one, name)
        }
        shown.append(
            schemas.Operation(
                **fields,
                workspace_id=one.subject_workspace_id,
                workspace_name=None if subject is None else subject.name,
                requested_by_name=None if one.requested_by is None else people.get(one.requested_by),
                progress=_progress(one),
            )
        )
    return shown


def rebalance_preview(tx: Tx, settings: Settings, mode: rebalance.Mode) -> schemas.RebalancePreview:
    """Return what a rebalance would move now (platform scope)."""
    plan = operations.preview_rebalance(tx, settings, mode)
    placing = workspaces.placing_of(tx, sorted({move.workspace_id for move in plan.moves}))
    return schemas.RebalancePreview(
        mode=plan.mode,
        moves=[
            schemas.PlannedMove(
                workspace_id=move.workspace_id,
                workspace_name=placing[move.workspace_id].name if move.workspace_id in placing else None,
                from_instance_id=move.source_id,
                to_instance_id=move.target_id,
                sessions=move.sessions,
            )
            for move in plan.moves
        ],
        instances=[
            schemas.InstanceBalance(instance_id=name, before=before, after=plan.after[name])
            for name, before in plan.before.items()
        ],
        sessions=plan.sessions,
        imbalance_before=round(plan.imbalance_before, 4),
        imbalance_after=round(plan.imbalance_after, 4),
        balanced=plan.balanced,
    )


def advice(tx: Tx) -> schemas.Advice:
    """Return the leader's last advice."""
    said, fact = advising.stored(tx)
    fields = {name: getattr(said, name) for name in schemas.Advice.model_fields if hasattr(said, name)}
    return schemas.Advice.model_validate({**fields, "updated_at": None if fact is None else fact.updated_at})


def events(tx: Tx, after: int | None, before: int | None, limit: int) -> schemas.PlatformEventList:
    """Return the platform's log behind `after` in order, else the newest (below `before`), newest first."""
    found = platform_log.read_before(tx, before, limit) if after is None else platform_log.read_after(tx, after, limit)
    return schemas.PlatformEventList(
        data=[schemas.PlatformEvent.model_validate(event) for event in found], head=platform_log.head(tx)
    )


def _progress(one: operations.Operation) -> float:
    if one.state == "done" or not one.total:
        return 1.0
    return round(min(1.0, one.moved / one.total), 4)


class _Names:
    """Names of workspaces and numbers, read at once for a page."""

    def __init__(self, tx: Tx, pairs: Sequence[tuple[uuid.UUID, uuid.UUID]]) -> None:
        self._placing = workspaces.placing_of(tx, sorted({workspace_id for workspace_id, _ in pairs}))
        self._accounts = names_of(tx, pairs)

    def workspace(self, workspace_id: uuid.UUID) -> str | None:
        found = self._placing.get(workspace_id)
        return None if found is None else found.name

    def priority(self, workspace_id: uuid.UUID) -> int:
        found = self._placing.get(workspace_id)
        return 0 if found is None else found.priority

    def account(self, account_id: uuid.UUID) -> str | None:
        return self._accounts.get(account_id)
