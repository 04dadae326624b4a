"""Who is asking: the workspace, the person or key, and what they may do."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Literal, get_args

from blazz.kit.db import Workspace
from blazz.kit.errors import forbidden

ScopeName = Literal[
    "accounts:read",
    "accounts:write",
    "messages:read",
    "messages:write",
    "contacts:read",
    "contacts:write",
    "media:read",
    "media:write",
    "events:read",
]
Role = Literal["owner", "manager", "agent"]

ALL_SCOPES: frozenset[str] = frozenset(get_args(ScopeName))
ROLE_SCOPES: dict[str, frozenset[str]] = {
    "owner": ALL_SCOPES,
    "manager": ALL_SCOPES,
    "agent": ALL_SCOPES - {"accounts:write"},
}


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated request inside one workspace. A key has no user and no role; a user has no key."""

    workspace_id: uuid.UUID
    user_id: uuid.UUID | None
    api_key_id: uuid.UUID | None
    role: Role | None
    scopes: frozenset[str]

    @property
    def scope(self) -> Workspace:
        """The tenant scope for this caller's units of work."""
        return Workspace(self.workspace_id)

    def require(self, scope: ScopeName) -> None:
        """Raise BlazzError `scope_missing` (403) unless the caller has `scope`."""
        if scope not in self.scopes:
            raise forbidden(f"This needs the scope {scope}.", code="scope_missing")

    def require_role(self, *roles: Role) -> None:
        """Raise BlazzError `user_required` or `role_not_allowed` (403) unless a user with one of `roles` is asking."""
        if self.role is None:
            raise forbidden("An API key cannot do this; sign in as a person.", code="user_required")
        if self.role not in roles:
            raise forbidden(f"This needs the role {' or '.join(roles)}.", code="role_not_allowed")


@dataclass(frozen=True, slots=True)
class Person:
    """A signed-in browser, before a workspace is chosen."""

    user_id: uuid.UUID
    session_id: uuid.UUID
    csrf_token: str
    platform_admin: bool = False
    """Whether this person runs the installation: instances, moves, capacity. It gives no right in any workspace."""
