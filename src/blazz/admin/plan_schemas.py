"""The shape of a capacity plan."""

from __future__ import annotations

from pydantic import Field

from blazz.kit.http import Model


class PlanRequest(Model):
    """What was asked."""

    sessions: int
    messages_per_day: float
    media_mb_per_day: float
    months: int
    instance_capacity: int
    least_instances: int


class InstanceNeed(Model):
    """One instance."""

    sessions: int
    sessions_one_down: int
    memory_gb: float
    cores: float
    machine: str


class PlanStorage(Model):
    """Gigabytes after the months asked for."""

    session_stores_gb: float
    database_gb: float
    media_gb: float


class CostLine(Model):
    """By the month."""

    what: str
    count: float
    unit: str
    each: float
    monthly: float


class Comparison(Model):
    """The original's claim (US dollars) beside ours."""

    sessions: int
    original: float
    instances: int
    monthly: float


class MeasuredFigure(Model):
    """A figure with the sentence how it was measured; `command` repeats it."""

    name: str
    value: float
    unit: str
    date: str
    machine: str
    command: str
    how: str


class CapacityPlan(Model):
    """Instances with N-1 and 20 % spare, what each needs, and what it costs."""

    request: PlanRequest
    instances: int
    used: float = Field(description="Sessions by places, 0 to 1.")
    instance: InstanceNeed
    peak_messages_per_s: float
    storage: PlanStorage
    costs: list[CostLine]
    monthly: float
    currency: str
    prices_as_of: str
    prices_source: str
    comparison: list[Comparison]
    measured: list[MeasuredFigure]
    assumed: list[str]
