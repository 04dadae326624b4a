"""Tenant scopes: what a unit of work may touch. Every unit has exactly one."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass


class ScopeError(RuntimeError):
    """A statement would touch a tenant table without, or outside, the scope of its unit of work. Always a defect."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """One workspace: the scope of every request of a user or an API key."""

    id: uuid.UUID

    def allows(self, workspace_id: object) -> bool:
        return workspace_id == self.id


@dataclass(frozen=True, slots=True)
class Workspaces:
    """Several workspaces at once: batches of an instance that serves many (ingest, outbox results)."""

    ids: frozenset[uuid.UUID]

    @classmethod
    def of(cls, ids: Iterable[uuid.UUID]) -> Workspaces:
        return cls(frozenset(ids))

    def allows(self, workspace_id: object) -> bool:
        return workspace_id in self.ids


@dataclass(frozen=True, slots=True)
class Platform:
    """Everything: sign-in before a workspace is known, start-up, housekeeping. The reason is required and reviewed.

    `urgent` is for the renewals of leases: on a database server they have a connection of their own, so that nothing
    else of this process can make them wait.
    """

    reason: str
    urgent: bool = False

    def allows(self, workspace_id: object) -> bool:
        return True


Scope = Workspace | Workspaces | Platform
