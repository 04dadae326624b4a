"""What the cluster's endpoints answer and accept: ids, names, counts and moments, never content."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from blazz.kit.http import Model, RequestModel

InstanceName = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
InstanceState = Literal["healthy", "draining", "stopped", "dead"]
Mode = Literal["even", "toward_strategy"]


class ClusterInstance(Model):
    """An instance as it was last heard of."""

    id: str
    index: int = Field(description="Feeds the placement formula.")
    state: InstanceState
    state_since: dt.datetime | None
    silent: bool = Field(description="Said to run, and has not renewed for a whole lease.")
    at_capacity: bool
    generation: int = Field(description="Rises at every start.")
    version: str
    host: str
    url: str = Field(description="Where it takes signed commands; empty when gateway and instance are one process.")
    pid: int
    engine_pid: int | None = Field(description="Null while the engine host is being restarted.")
    sessions: int = Field(description="Wanted running here, those on their way included.")
    connected: int = Field(description="Sessions with a login, as last renewed.")
    capacity: int
    utilization: float = Field(description="Sessions by capacity.")
    memory_bytes: int = Field(description="Resident memory of supervisor and engine host.")
    memory_share: float | None = Field(description="Of the machine's memory, 0 to 1; null when it is not known.")
    cpu_percent: float = Field(description="Of one core, supervisor and engine host together.")
    cpu_share: float | None = Field(description="Of all cores, 0 to 1; null when it is not known.")
    storage: dict[str, Any] | None = Field(description="What its probe found out about the sessions directory.")
    started_at: dt.datetime
    renewed_at: dt.datetime
    heartbeat_age_s: float = Field(description="By the clocks of two machines, for people: no decision rests on it.")


class ClusterProcess(Model):
    """A gateway or worker that was heard of within 35 s."""

    id: str
    role: Literal["gateway", "worker"]
    host: str
    pid: int
    version: str
    started_at: dt.datetime
    renewed_at: dt.datetime


class Leader(Model):
    """The worker that leads; its term rises with every change."""

    holder: str
    term: int
    since: dt.datetime


class Hold(Model):
    """More than half of the instances fell silent at once: nothing is reassigned for a second lease."""

    instances: list[str]
    since: dt.datetime


class NMinusOne(Model):
    """Whether all sessions could be carried with the largest instance down."""

    ok: bool
    sessions: int
    places: int = Field(description="What the others could carry.")
    reason: str = Field(description="A sentence with the ways out; empty when all is well.")
    mode: Literal["refuse", "warn", "off"] = Field(description="What happens to sessions that are added then.")


class Totals(Model):
    """All instances together."""

    usable_instances: int = Field(description="Those that take sessions.")
    sessions: int
    connected: int
    places: int = Field(description="Of the usable instances.")
    utilization: float
    imbalance: float = Field(description="(max - min) / average utilization of the usable instances.")
    balanced: bool = Field(description="Imbalance below 20 %.")


class Operation(Model):
    """Something that was asked for, with its progress. `waiting` sessions fit nowhere so far."""

    id: uuid.UUID
    kind: Literal["drain", "migrate", "rebalance", "failover"]
    state: Literal["running", "done", "cancelled", "failed"]
    instance_id: str | None
    workspace_id: uuid.UUID | None
    workspace_name: str | None
    target_instance_id: str | None
    mode: str | None
    total: int
    moved: int
    waiting: int
    progress: float = Field(description="0 to 1.")
    requested_by: uuid.UUID | None = Field(description="The person; null for the platform itself and the terminal.")
    requested_by_name: str | None
    requested_as: str = Field(description="page, cli, sigterm, controller")
    detail: str | None
    created_at: dt.datetime
    finished_at: dt.datetime | None


class ClientRefused(Model):
    """WhatsApp refuses the client version of these instances: none of their numbers can connect."""

    since: dt.datetime
    versions: list[str]
    instances: list[str]


class ClusterOverview(Model):
    """The whole cluster at this moment."""

    instances: list[ClusterInstance]
    processes: list[ClusterProcess] = Field(description="Gateways and workers in processes of their own.")
    leader: Leader | None = Field(description="Null in a one-process installation, and while nobody leads.")
    hold: Hold | None
    client_refused: ClientRefused | None
    queue_length: int = Field(description="Sessions that fit nowhere.")
    totals: Totals
    n_minus_one: NMinusOne
    running: list[Operation] = Field(description="Operations under way.")
    placement_strategy: str
    database: str = Field(description="sqlite, postgresql, mariadb or mysql.")
    one_process: bool = Field(description="All roles in one process: there is nobody to move sessions to.")
    lease_s: float
    head: int = Field(description="Position of the newest platform event.")
    now: dt.datetime


class WorkspacePart(Model):
    """Sessions of a workspace on one instance."""

    instance_id: str
    sessions: int
    leaving: int = Field(description="Told to move away.")


class WorkspacePlace(Model):
    """Where a workspace lives."""

    workspace_id: uuid.UUID
    number: int
    name: str
    priority: int
    sessions: int
    split: bool = Field(description="It has sessions on more than one instance.")
    instances: list[WorkspacePart]


class Move(Model):
    """A session that got another owner."""

    id: uuid.UUID
    account_id: uuid.UUID
    account_name: str | None
    workspace_id: uuid.UUID
    workspace_name: str | None
    epoch: int
    from_instance_id: str | None
    to_instance_id: str
    reason: str = Field(description="failover, drain, migrate, rebalance")
    operation_id: uuid.UUID | None
    away_at: dt.datetime = Field(description="When the former owner was last known to serve it.")
    moved_at: dt.datetime
    connected_at: dt.datetime | None = Field(description="First login under the new owner.")
    away_s: float | None = Field(description="How long it was away; null while it has not logged in again.")


class QueueEntry(Model):
    """A session that fits nowhere."""

    account_id: uuid.UUID
    account_name: str | None
    workspace_id: uuid.UUID
    workspace_name: str | None
    priority: int = Field(description="Of the workspace; higher is served first.")
    instance_id: str | None = Field(description="Its former owner.")
    queued_at: dt.datetime
    reason: str


class PlannedMove(Model):
    """All sessions that a workspace has on one instance go to another."""

    workspace_id: uuid.UUID
    workspace_name: str | None
    from_instance_id: str
    to_instance_id: str
    sessions: int


class InstanceBalance(Model):
    """Sessions of a usable instance before and after."""

    instance_id: str
    before: int
    after: int


class RebalancePreview(Model):
    """What a rebalance would move now."""

    mode: Mode
    moves: list[PlannedMove]
    instances: list[InstanceBalance]
    sessions: int = Field(description="How many sessions would move.")
    imbalance_before: float
    imbalance_after: float
    balanced: bool


class Alert(Model):
    """A share above 70 % (warning) or 85 % (critical)."""

    level: Literal["warning", "critical"]
    subject: str = Field(description="`cluster` or an instance.")
    signal: str
    value: float
    threshold: float


class Signals(Model):
    """The figures that the advice rests on; shares are 0 to 1, null when nobody reports them."""

    instances: int
    sessions: int
    places: int
    sessions_used: float
    cpu: float | None
    memory: float | None
    spare_with_one_down: int = Field(description="Negative: N-1 does not hold.")


class Advice(Model):
    """Whether to run more or fewer instances. Nothing is started or stopped by it."""

    action: Literal["up", "down", "hold"]
    current: int
    target: int
    reasons: list[str]
    alerts: list[Alert]
    signals: Signals
    updated_at: dt.datetime | None = Field(description="Null before the first advice.")


class PlatformEvent(Model):
    """Something that happened to instances or moves."""

    id: uuid.UUID
    position: int = Field(description="Ascends by one, without gap.")
    name: str = Field(description="Such as `instance.down`.")
    occurred_at: dt.datetime
    data: dict[str, Any]


class PlatformEventList(Model):
    """Events after a position, in order; or the newest ones, newest first."""

    data: list[PlatformEvent]
    head: int


class MigrateRequest(RequestModel):
    """Which workspace goes where."""

    workspace_id: uuid.UUID
    target_instance_id: InstanceName


class RebalanceRequest(RequestModel):
    """How far to go."""

    mode: Mode = Field("even", description="`even`: few moves. `toward_strategy`: where the strategy puts each.")
