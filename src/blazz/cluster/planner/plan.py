"""The plan: instances with N-1 and spare, what each needs, storage, and the cost by the month."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from blazz.cluster.capacity import DEFAULT_CAPACITY, MAXIMUM_CAPACITY
from blazz.cluster.planner.data import Figure, Figures, Machine, PriceTable, figures, price_table
from blazz.kit.errors import BlazzError, FieldError, invalid

# The original's own claims: sessions and US dollars a month.
ORIGINAL = ((1000, 350.0), (2000, 520.0), (3000, 1305.0))
SPARE = 0.20  # of places, memory and CPU stay free: the product's rule
_MOST_SESSIONS = 100_000

# Assumptions, not measurements; each is named in the plan.
_SYSTEM_GB = 0.5  # operating system and agents, per machine
_PEAK_SHARE = 0.15  # of a day's messages in the busiest hour
_DATABASE_GB, _DATABASE_MESSAGES_PER_CORE_S = 8.0, 50.0
_STORE_COPIES = 2  # a takeover copies a session store and keeps the old one for 24 h


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked. `messages_per_day` (both directions) and `media_mb_per_day` are per session."""

    sessions: int
    messages_per_day: float = 100.0
    media_mb_per_day: float = 1.0
    months: int = 12
    instance_capacity: int = DEFAULT_CAPACITY
    least_instances: int = 4


@dataclass(frozen=True, slots=True)
class InstanceNeed:
    """One instance: its sessions on an ordinary day and with one other down, and what it needs then."""

    sessions: int
    sessions_one_down: int
    memory_gb: float
    cores: float
    machine: str


@dataclass(frozen=True, slots=True)
class Storage:
    """Gigabytes after the months asked for."""

    session_stores_gb: float
    database_gb: float
    media_gb: float


@dataclass(frozen=True, slots=True)
class CostLine:
    """`count` of something at `each`, by the month."""

    what: str
    count: float
    unit: str
    each: float
    monthly: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """The original's claim beside ours for the same number of sessions."""

    sessions: int
    original: float
    instances: int
    monthly: float


@dataclass(frozen=True, slots=True)
class Source:
    """A figure that the plan rests on, with the sentence how it was measured."""

    name: str
    value: float
    unit: str
    date: str
    machine: str
    command: str
    how: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The answer. `used` is sessions by places (0 to 1); money is in `currency` by the month."""

    request: Request
    instances: int
    used: float
    instance: InstanceNeed
    peak_messages_per_s: float
    storage: Storage
    costs: tuple[CostLine, ...]
    monthly: float
    currency: str
    prices_as_of: str
    prices_source: str
    comparison: tuple[Comparison, ...]
    measured: tuple[Source, ...]
    assumed: tuple[str, ...]


def plan(request: Request, prices: PriceTable | None = None) -> Plan:
    """Return the plan for a number of sessions, by the packaged figures and the given prices (else those packaged).

    Raises BlazzError `invalid_plan` (422) with every wrong field, `no_machine_fits` (422) when the price table has no
    machine that is large enough, `invalid_price_table` (422).
    """
    _validate(request)
    known, table = figures(), prices or price_table()
    one = _size(request, known, table)
    monthly = sum(line.monthly for line in one.costs)
    comparison = []
    for sessions, original in ORIGINAL:
        same = _size(replace(request, sessions=sessions), known, table)
        comparison.append(
            Comparison(sessions, original, same.instances, round(sum(line.monthly for line in same.costs), 2))
        )
    return Plan(
        request=request,
        instances=one.instances,
        used=round(request.sessions / (one.instances * request.instance_capacity), 4),
        instance=one.instance,
        peak_messages_per_s=round(one.peak, 2),
        storage=one.storage,
        costs=one.costs,
        monthly=round(monthly, 2),
        currency=table.currency,
        prices_as_of=table.as_of,
        prices_source=table.source,
        comparison=tuple(comparison),
        measured=tuple(_source(name, getattr(known, name)) for name in Figures.model_fields),
        assumed=(
            f"{request.messages_per_day:g} messages and {request.media_mb_per_day:g} MB of media a session and day",
            f"{_PEAK_SHARE:.0%} of a day's messages in its busiest hour",
            f"{_SYSTEM_GB:g} GB of memory for the operating system of each machine",
            "two gateways, two workers, a database with a standby, one Valkey",
            f"for the database {_DATABASE_GB:g} GB, and a core per {_DATABASE_MESSAGES_PER_CORE_S:g} messages a second",
            "nothing is deleted: storage is that of the last month; traffic and backups are not included",
        ),
    )


def instances_needed(sessions: int, capacity: int, least: int = 1) -> int:
    """Return the fewest instances that carry `sessions` with 20 % of all places free, and with one instance down."""
    with_spare = math.ceil(round(sessions / (capacity * (1 - SPARE)), 9))  # 400 / (500 * 0.8) is 1, not a bit more
    return max(least, with_spare, math.ceil(sessions / capacity) + 1)


@dataclass(frozen=True, slots=True)
class _Sized:
    instances: int
    instance: InstanceNeed
    peak: float
    storage: Storage
    costs: tuple[CostLine, ...]


def _size(request: Request, known: Figures, table: PriceTable) -> _Sized:
    count = instances_needed(request.sessions, request.instance_capacity, request.least_instances)
    one_down = math.ceil(request.sessions / (count - 1))
    peak = request.sessions * request.messages_per_day * _PEAK_SHARE / 3600
    busy = peak / (count - 1) * known.instance_cpu_ms_per_message.value / 1000
    idle = one_down * known.idle_cpu_percent_per_session.value / 100
    memory_mb = known.mb_per_instance.value + one_down * known.mb_per_session.value
    memory_gb, cores = _with_spare(memory_mb / 1000, busy + idle)
    machine = _cheapest(table, cores, memory_gb, "an instance")
    need = InstanceNeed(
        math.ceil(request.sessions / count), one_down, round(memory_gb, 2), round(cores, 3), machine.name
    )

    messages = request.sessions * request.messages_per_day * 365 / 12 * request.months
    storage = Storage(
        round(request.sessions * known.store_mb_per_session.value * _STORE_COPIES / 1000, 2),
        round(messages * known.database_kb_per_message.value / 1e6, 2),
        round(request.sessions * request.media_mb_per_day * 365 / 12 * request.months / 1000, 2),
    )
    role_mb = known.mb_per_python_role.value
    role_gb, role_cores = _with_spare(role_mb / 1000, peak * known.gateway_cpu_ms_per_message.value / 1000)
    role = _cheapest(table, role_cores, role_gb, "a gateway")
    worker = _cheapest(table, 0, role_gb, "a worker")
    database = _cheapest(table, peak / _DATABASE_MESSAGES_PER_CORE_S, _DATABASE_GB, "the database")
    smallest = _cheapest(table, 0, _SYSTEM_GB, "Valkey")
    machines = (
        ("instances", count, machine),
        ("gateways", 2, role),
        ("workers", 2, worker),
        ("database, standby", 2, database),
        ("Valkey", 1, smallest),
    )
    volumes = (
        ("session stores", storage.session_stores_gb, table.shared_storage_gb),
        ("database storage", 2 * storage.database_gb, table.database_storage_gb),
        ("media storage", storage.media_gb, table.media_storage_gb),
    )
    costs = [CostLine(what, number, kind.name, kind.monthly, number * kind.monthly) for what, number, kind in machines]
    costs += [CostLine(what, round(size, 2), "GB", each, round(size * each, 2)) for what, size, each in volumes]
    costs += [CostLine(one.name, 1, "", one.monthly, one.monthly) for one in table.fixed]
    return _Sized(count, need, peak, storage, tuple(costs))


def _with_spare(memory_gb: float, cores: float) -> tuple[float, float]:
    return memory_gb / (1 - SPARE) + _SYSTEM_GB, cores / (1 - SPARE)


def _cheapest(table: PriceTable, cores: float, memory_gb: float, what: str) -> Machine:
    fitting = [machine for machine in table.machines if machine.cores >= cores and machine.memory_gb >= memory_gb]
    if not fitting:
        raise BlazzError(
            "no_machine_fits",
            f"No machine of the price table is large enough for {what}, which needs {cores:.1f} cores and "
            f"{memory_gb:.1f} GB. Add a larger one to the table.",
            422,
        )
    return min(fitting, key=lambda machine: (machine.monthly, machine.memory_gb, machine.cores))


def _validate(request: Request) -> None:
    checks = (
        ("sessions", 1, _MOST_SESSIONS),
        ("messages_per_day", 0, 100_000),
        ("media_mb_per_day", 0, 100_000),
        ("months", 1, 120),
        ("instance_capacity", 1, MAXIMUM_CAPACITY),
        ("least_instances", 2, 200),
    )
    wrong = []
    for name, low, high in checks:
        value = getattr(request, name)
        if not low <= value <= high:  # false for NaN too
            wrong.append(FieldError(name, f"must be between {low:,} and {high:,}", "out_of_range"))
    if wrong:
        sentences = "; ".join(f"{error.field} {error.message}" for error in wrong)
        raise invalid(f"This cannot be planned: {sentences}.", code="invalid_plan", errors=wrong)


def _source(name: str, figure: Figure) -> Source:
    return Source(name, figure.value, figure.unit, figure.date, figure.machine, figure.command, figure.how)
