"""Endpoints of invitations: made by managers, looked up and accepted by whoever holds the link."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from blazz.identity import authentication, cookies, sessions, users
from blazz.identity.caller import Caller
from blazz.identity.dependencies import needs_role
from blazz.identity.origin import require_same_origin
from blazz.identity.throttle import Throttle
from blazz.kit.db import Platform, Tx
from blazz.kit.errors import FieldError, invalid, unauthenticated
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
from blazz.workspaces import invitations
from blazz.workspaces.schemas import (
    Invitation,
    InvitationAccept,
    InvitationCreate,
    InvitationLookup,
    InvitationResult,
    InvitedUser,
    Workspace,
)

router = APIRouter(tags=["people"])
_INVITED = Platform("an invited person belongs to no workspace yet")
ManagerDep = Annotated[Caller, Depends(needs_role("owner", "manager"))]


@router.get("/invitations", summary="Open invitations, newest first", responses=problems(401, 403, 422))
async def list_invitations(
    caller: ManagerDep, database: DatabaseDep, cursor: CursorParam = None, limit: LimitParam = 50
) -> Page[Invitation]:
    before = decode_cursor(cursor, dt.datetime, uuid.UUID) if cursor else None
    rows = await database.read(caller.scope, invitations.page, before, limit + 1)
    more = encode_cursor(rows[limit - 1]["created_at"], rows[limit - 1]["id"]) if len(rows) > limit else None
    return Page(data=[Invitation.model_validate(dict(row)) for row in rows[:limit]], next_cursor=more)


@router.post(
    "/invitations",
    status_code=201,
    summary="Invite a person; the link is shown this once",
    responses=problems(401, 403, 409, 422),
)
async def create_invitation(
    body: InvitationCreate, request: Request, caller: ManagerDep, database: DatabaseDep, settings: SettingsDep
) -> Invitation:
    assert caller.role is not None and caller.user_id is not None
    row, token = await database.write(
        caller.scope, invitations.create, caller.user_id, caller.role, email=body.email, role=body.role
    )
    base = (settings.public_url or str(request.base_url)).rstrip("/")
    return Invitation.model_validate({**row, "link": f"{base}/invite#token={token}"})


@router.delete(
    "/invitations/{invitation_id}",
    status_code=204,
    summary="Take an invitation back",
    responses=problems(401, 403, 404, 422),
)
async def delete_invitation(invitation_id: uuid.UUID, caller: ManagerDep, database: DatabaseDep) -> None:
    await database.write(caller.scope, invitations.revoke, invitation_id)


@router.get("/invitations/lookup", summary="What an invitation says", responses=problems(403, 422, 429))
async def look_up_invitation(
    token: Annotated[str, Query(min_length=1, max_length=256)], request: Request, database: DatabaseDep
) -> InvitationLookup:
    throttle: Throttle = request.app.state.throttle
    await throttle.attempt(request)
    found = await database.read(_INVITED, invitations.look_up, token)
    return InvitationLookup(
        email=found.email, workspace_name=found.workspace_name, role=found.role, user_exists=found.user is not None
    )


@router.post("/invitations/accept", summary="Join a workspace", responses=problems(401, 403, 422, 429))
async def accept_invitation(
    body: InvitationAccept, request: Request, response: Response, database: DatabaseDep, settings: SettingsDep
) -> InvitationResult:
    require_same_origin(request, settings)
    throttle: Throttle = request.app.state.throttle
    await throttle.attempt(request)
    found = await database.read(_INVITED, invitations.look_up, body.token)
    new_hash = await _prove(body, found, request, database, settings)
    agent = request.headers.get("user-agent", "")

    def work(tx: Tx) -> tuple[InvitationResult, sessions.NewSession]:
        user = found.user or users.create_user(
            tx, email=found.email, name=body.name or found.email, password_hash=new_hash
        )
        workspace = invitations.accept(tx, found, user.id)
        result = InvitationResult(user=InvitedUser.model_validate(user), workspace=Workspace.model_validate(workspace))
        return result, sessions.start(tx, user.id, agent)

    result, session = await database.write(_INVITED, work)
    cookies.set_cookies(response, settings, token=session.token, csrf_token=session.csrf_token)
    return result


async def _prove(
    body: InvitationAccept,
    found: invitations.OpenInvitation,
    request: Request,
    database: DatabaseDep,
    settings: SettingsDep,
) -> str | None:
    """Return the hash of a new person's password; for a known person raise unless it is them who ask."""
    if found.user is None:
        if body.name is None or body.password is None:
            wanted = [name for name in ("name", "password") if getattr(body, name) is None]
            raise invalid(
                "Choose a name and a password.", errors=[FieldError(name, "Needed.", "missing") for name in wanted]
            )
        users.check_password_rules(body.password)
        return await users.hashed(body.password)
    person = await authentication.person_or_none(request, database, settings)
    if person is not None and person.user_id == found.user.id:
        return None
    stored = await database.read(_INVITED, users.password_hash_of, found.user.id)
    if body.password is None or not await users.matches(stored, body.password):
        raise unauthenticated("Sign in as the invited person, or send their password.", code="invalid_credentials")
    return None
