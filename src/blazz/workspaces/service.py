"""Rules of workspaces and their members."""

from __future__ import annotations

import datetime as dt
import uuid
import zoneinfo
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any

from sqlalchemy import RowMapping

from blazz import events
from blazz.identity import users
from blazz.identity.cache import forget_after_commit
from blazz.identity.caller import Role
from blazz.identity.users import User
from blazz.kit.db import Tx
from blazz.kit.errors import FieldError, conflict, forbidden, invalid, not_found
from blazz.kit.ids import uuid7
from blazz.kit.time import utc_now
from blazz.workspaces import memberships, repository
from blazz.workspaces.settings import WorkspaceSettings

DEFAULT_COUNTRY = "ID"
_MAX_WORKSPACES = 50  # per person


@dataclass(frozen=True, slots=True)
class Workspace:
    """A workspace as one person sees it."""

    id: uuid.UUID
    number: int
    name: str
    timezone: str
    created_at: dt.datetime
    role: Role
    settings: WorkspaceSettings


@dataclass(frozen=True, slots=True)
class Member:
    """A person in a workspace."""

    user: User
    role: Role
    state: str
    created_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Placing:
    """What the placement of a workspace's sessions needs to know. The higher `priority`, the earlier it is served."""

    number: int
    name: str
    priority: int


@cache
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def check_timezone(name: str) -> None:
    """Raise BlazzError `invalid_timezone` unless `name` is in the time zone database."""
    if name not in _zones():
        text = "Not a time zone; an example is Asia/Jakarta."
        raise invalid(text, code="invalid_timezone", errors=[FieldError("timezone", text, "invalid_timezone")])


def create(tx: Tx, *, name: str, owner_id: uuid.UUID, timezone: str = "UTC") -> Workspace:
    """Store a new workspace with its owner. Needs platform scope."""
    check_timezone(timezone)
    if len(memberships.roles_of(tx, owner_id)) >= _MAX_WORKSPACES:
        raise conflict("too_many_workspaces", f"A person belongs to at most {_MAX_WORKSPACES} workspaces.")
    number = repository.highest_number(tx) + 1
    workspace = Workspace(uuid7(), number, name, timezone, utc_now(), "owner", WorkspaceSettings())
    repository.insert_workspace(
        tx,
        {
            "id": workspace.id,
            "number": workspace.number,
            "name": name,
            "timezone": timezone,
            "default_country": DEFAULT_COUNTRY,
            "settings": {},
            "created_at": workspace.created_at,
            "deleted_at": None,
        },
    )
    add_member(tx, workspace.id, owner_id, "owner")
    return workspace


def list_of(tx: Tx, user_id: uuid.UUID) -> list[Workspace]:
    """Return the workspaces of a person, by number. Needs platform scope."""
    roles = memberships.roles_of(tx, user_id)
    return [_workspace(row, roles[row["id"]]) for row in repository.get_workspaces(tx, list(roles))]


def get_of(tx: Tx, user_id: uuid.UUID, workspace_id: uuid.UUID) -> Workspace:
    """Return one workspace of a person. Raises BlazzError `not_found`. Needs platform scope."""
    role = memberships.roles_of(tx, user_id).get(workspace_id)
    row = repository.get_workspace(tx, workspace_id)
    if role is None or row is None:
        raise not_found("workspace")
    return _workspace(row, role)


def change(
    tx: Tx,
    user_id: uuid.UUID,
    workspace_id: uuid.UUID,
    *,
    name: str | None = None,
    timezone: str | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Workspace:
    """Change name, time zone or single settings. Raises BlazzError `not_found`, `role_not_allowed`, `invalid_timezone`.

    An event tells of what is another now.
    """
    current = get_of(tx, user_id, workspace_id)
    if current.role != "owner":
        raise forbidden("Only an owner changes the workspace.", code="role_not_allowed")
    if timezone is not None:
        check_timezone(timezone)
    row = repository.hold_workspace(tx, workspace_id)
    if row is None:
        raise not_found("workspace")
    asked = {key: value for key, value in (("name", name), ("timezone", timezone)) if value is not None}
    values: dict[str, Any] = {key: value for key, value in asked.items() if row[key] != value}
    changed = sorted(values)
    before = WorkspaceSettings.of(row["settings"])
    after = replace(before, **settings or {})
    if after != before:
        values["settings"] = {**row["settings"], **asdict(after)}
        changed += before.differences(after)
    if values:
        repository.update_workspace(tx, workspace_id, values)
        events.append(tx, "workspace.updated", {"changed": changed}, workspace_id=workspace_id)
    return get_of(tx, user_id, workspace_id)


def settings_of(tx: Tx, ids: Collection[uuid.UUID]) -> dict[uuid.UUID, WorkspaceSettings]:
    """Return the settings of workspaces, in one statement."""
    return {row["id"]: WorkspaceSettings.of(row["settings"]) for row in repository.settings_of(tx, ids)}


def placing_of(tx: Tx, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Placing]:
    """Return what placement needs of these workspaces (platform scope, or one's own)."""
    rows = repository.placing_of(tx, ids) if ids else ()
    return {row["id"]: Placing(row["number"], row["name"], row["priority"]) for row in rows}


def id_of_number(tx: Tx, number: int) -> uuid.UUID:
    """Return the id of the workspace with this number (platform scope). Raises BlazzError `not_found`."""
    row = repository.find_by_number(tx, number)
    if row is None:
        raise not_found("workspace")
    return uuid.UUID(str(row["id"]))


def default_country(tx: Tx, workspace_id: uuid.UUID) -> str:
    """Return the ISO 3166 code by which numbers without a country code are read."""
    row = repository.get_workspace(tx, workspace_id)
    return str(row["default_country"]) if row is not None else DEFAULT_COUNTRY


def user_names(tx: Tx, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, str]:
    """Return the names of people by id, for lists that show who did something."""
    return {user_id: user.name for user_id, user in users.get_users(tx, list(ids)).items()}


def add_member(tx: Tx, workspace_id: uuid.UUID, user_id: uuid.UUID, role: Role) -> None:
    """Make a person a member; an existing membership is left as it is."""
    if repository.get_member(tx, workspace_id, user_id) is None:
        repository.insert_member(
            tx,
            {
                "workspace_id": workspace_id,
                "user_id": user_id,
                "role": role,
                "state": "active",
                "created_at": utc_now(),
            },
        )
    forget_after_commit(tx)


def members_page(tx: Tx, after: tuple[dt.datetime, uuid.UUID] | None, limit: int) -> list[Member]:
    """Return members of this unit's workspace, first come first."""
    rows = repository.members_page(tx, tx.workspace_id, after, limit)
    people = users.get_users(tx, [row["user_id"] for row in rows])
    return [_member(row, people[row["user_id"]]) for row in rows]


def change_member(tx: Tx, actor_role: Role, user_id: uuid.UUID, *, role: Role | None, state: str | None) -> Member:
    """Change a member. Raises BlazzError `not_found`, `role_not_allowed` (403), `last_owner` (409)."""
    row = _get_member(tx, user_id)
    if actor_role != "owner" and "owner" in (row["role"], role):
        raise forbidden("Only an owner makes or changes owners.", code="role_not_allowed")
    values = {key: value for key, value in (("role", role), ("state", state)) if value is not None}
    if values.get("role", "owner") != "owner" or values.get("state") == "suspended":
        _keep_an_owner(tx, row)
    if values:
        repository.update_member(tx, tx.workspace_id, user_id, values)
        forget_after_commit(tx)
    user = users.get_user(tx, user_id)
    assert user is not None
    return _member(_get_member(tx, user_id), user)


def remove_member(tx: Tx, actor_id: uuid.UUID, actor_role: Role, user_id: uuid.UUID) -> None:
    """End a membership; everybody may leave. Raises BlazzError `not_found`, `role_not_allowed`, `last_owner`."""
    row = _get_member(tx, user_id)
    allowed = actor_id == user_id or actor_role == "owner" or (actor_role == "manager" and row["role"] != "owner")
    if not allowed:
        raise forbidden("You may not remove this member.", code="role_not_allowed")
    _keep_an_owner(tx, row)
    repository.delete_member(tx, tx.workspace_id, user_id)
    forget_after_commit(tx)


def _get_member(tx: Tx, user_id: uuid.UUID) -> RowMapping:
    row = repository.get_member(tx, tx.workspace_id, user_id)
    if row is None:
        raise not_found("member")
    return row


def _keep_an_owner(tx: Tx, row: RowMapping) -> None:
    if row["role"] != "owner" or row["state"] != "active":
        return
    if not repository.count_other_owners(tx, tx.workspace_id, row["user_id"]):
        raise conflict("last_owner", "A workspace keeps at least one active owner; make somebody else owner first.")


def _workspace(row: RowMapping, role: Role) -> Workspace:
    settings = WorkspaceSettings.of(row["settings"])
    return Workspace(row["id"], row["number"], row["name"], row["timezone"], row["created_at"], role, settings)


def _member(row: RowMapping, user: User) -> Member:
    return Member(user, row["role"], row["state"], row["created_at"])
