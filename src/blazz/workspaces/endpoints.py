"""Endpoints of workspaces and their members."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Annotated

from fastapi import APIRouter, Depends

from blazz.identity.caller import Caller
from blazz.identity.dependencies import PersonDep, needs_role
from blazz.kit.db import Platform, Tx
from blazz.kit.errors import forbidden
from blazz.kit.http import (
    CursorParam,
    DatabaseDep,
    LimitParam,
    Page,
    SettingsDep,
    decode_cursor,
    encode_cursor,
    problems,
)
from blazz.workspaces import service
from blazz.workspaces.invitation_endpoints import router as invitations
from blazz.workspaces.schemas import Member, MemberPatch, Workspace, WorkspaceCreate, WorkspacePatch

router = APIRouter()
_workspaces = APIRouter(tags=["workspaces"])
_members = APIRouter(tags=["people"])
_PERSONAL = Platform("a person's own workspaces")
AnyRoleDep = Annotated[Caller, Depends(needs_role("owner", "manager", "agent"))]
ManagerDep = Annotated[Caller, Depends(needs_role("owner", "manager"))]


@_workspaces.get("/workspaces", summary="Your workspaces", responses=problems(401, 403))
async def list_workspaces(person: PersonDep, database: DatabaseDep) -> Page[Workspace]:
    found = await database.read(_PERSONAL, service.list_of, person.user_id)
    return Page.last([Workspace.model_validate(item) for item in found])


@_workspaces.post("/workspaces", status_code=201, summary="Create a workspace", responses=problems(401, 403, 409, 422))
async def create_workspace(
    body: WorkspaceCreate, person: PersonDep, database: DatabaseDep, settings: SettingsDep
) -> Workspace:
    def work(tx: Tx) -> service.Workspace:
        mine = service.list_of(tx, person.user_id)
        if not settings.sign_up and not any(item.role == "owner" for item in mine):
            raise forbidden("Only somebody who owns a workspace may create another.", code="role_not_allowed")
        return service.create(tx, name=body.name, owner_id=person.user_id, timezone=body.timezone)

    return Workspace.model_validate(await database.write(_PERSONAL, work))


@_workspaces.get("/workspaces/{workspace_id}", summary="One workspace", responses=problems(401, 403, 404, 422))
async def get_workspace(workspace_id: uuid.UUID, person: PersonDep, database: DatabaseDep) -> Workspace:
    return Workspace.model_validate(await database.read(_PERSONAL, service.get_of, person.user_id, workspace_id))


@_workspaces.patch("/workspaces/{workspace_id}", summary="Change a workspace", responses=problems(401, 403, 404, 422))
async def patch_workspace(
    workspace_id: uuid.UUID, body: WorkspacePatch, person: PersonDep, database: DatabaseDep
) -> Workspace:
    changed = await database.write(
        _PERSONAL,
        service.change,
        person.user_id,
        workspace_id,
        name=body.name,
        timezone=body.timezone,
        settings=body.settings.model_dump(exclude_none=True) if body.settings is not None else None,
    )
    return Workspace.model_validate(changed)


@_members.get("/members", summary="People of the workspace", responses=problems(401, 403, 422))
async def list_members(
    caller: AnyRoleDep, database: DatabaseDep, cursor: CursorParam = None, limit: LimitParam = 50
) -> Page[Member]:
    after = decode_cursor(cursor, dt.datetime, uuid.UUID) if cursor else None
    found = await database.read(caller.scope, service.members_page, after, limit + 1)
    last = found[limit - 1] if len(found) > limit else None
    return Page(
        data=[Member.model_validate(item) for item in found[:limit]],
        next_cursor=encode_cursor(last.created_at, last.user.id) if last else None,
    )


@_members.patch(
    "/members/{user_id}", summary="Change role or state of a member", responses=problems(401, 403, 404, 409, 422)
)
async def patch_member(user_id: uuid.UUID, body: MemberPatch, caller: ManagerDep, database: DatabaseDep) -> Member:
    assert caller.role is not None
    changed = await database.write(
        caller.scope, service.change_member, caller.role, user_id, role=body.role, state=body.state
    )
    return Member.model_validate(changed)


@_members.delete(
    "/members/{user_id}",
    status_code=204,
    summary="Remove a member, or leave",
    responses=problems(401, 403, 404, 409, 422),
)
async def delete_member(user_id: uuid.UUID, caller: AnyRoleDep, database: DatabaseDep) -> None:
    assert caller.role is not None
    assert caller.user_id is not None
    await database.write(caller.scope, service.remove_member, caller.user_id, caller.role, user_id)


router.include_router(_workspaces)
router.include_router(_members)
router.include_router(invitations)
