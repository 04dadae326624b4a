"""Endpoints of signing in, of oneself, and of API keys."""

from __future__ import annotations

import uuid
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from blazz import __version__
from blazz.identity import authentication, cookies, keys, service, users
from blazz.identity.caller import Caller
from blazz.identity.dependencies import PersonDep, needs_role
from blazz.identity.origin import require_same_origin
from blazz.identity.schemas import (
    ApiKey,
    ApiKeyCreated,
    ApiKeyRequest,
    AuthStatus,
    LoginLinkRequest,
    LoginRequest,
    LoginResult,
    Me,
    Membership,
    MePatch,
    PasswordRequest,
    SetupRequest,
    SetupResult,
    SignUpRequest,
    User,
)
from blazz.identity.service import NewAccount, SignedIn
from blazz.identity.throttle import Throttle
from blazz.kit.db import Platform, Tx
from blazz.kit.errors import forbidden, unauthenticated
from blazz.kit.http import (
    CursorParam,
    DatabaseDep,
    LimitParam,
    NetworkDep,
    Page,
    SettingsDep,
    decode_cursor,
    encode_cursor,
    problems,
)
from blazz.workspaces import service as workspaces
from blazz.workspaces.schemas import Workspace

router = APIRouter()
_auth = APIRouter(tags=["sign-in"])
_keys = APIRouter(tags=["api-keys"])


async def _throttle(request: Request) -> Throttle:
    throttle: Throttle = request.app.state.throttle
    return throttle


async def _own_pages_only(request: Request, settings: SettingsDep) -> None:
    require_same_origin(request, settings)


ThrottleDep = Annotated[Throttle, Depends(_throttle)]
OWN_PAGES = [Depends(_own_pages_only)]
ManagerDep = Annotated[Caller, Depends(needs_role("owner", "manager"))]


def user_agent(request: Request) -> str:
    """Return what the browser calls itself, at most 255 characters."""
    return request.headers.get("user-agent", "")[:255]


def keep(response: Response, settings: SettingsDep, signed_in: SignedIn) -> User:
    """Set the cookies of a fresh session and return the person."""
    session = signed_in.session
    cookies.set_cookies(response, settings, token=session.token, csrf_token=session.csrf_token)
    return User.model_validate(signed_in.user)


@_auth.get("/auth/status", summary="What to know before signing in")
async def get_status(request: Request, database: DatabaseDep, settings: SettingsDep, network: NetworkDep) -> AuthStatus:
    person = await authentication.person_or_none(request, database, settings)
    return AuthStatus(
        setup_required=person is None and await service.setup_required(database),
        signed_in=person is not None,
        sign_up_open=settings.sign_up,
        simulated_network=network.simulated,
        network_id=network.id,
        version=__version__,
        phones_url=network.phones_url,
    )


@_auth.post(
    "/auth/setup",
    status_code=201,
    summary="Create the first owner with the code from the terminal",
    responses=problems(403, 409, 422, 429),
    dependencies=OWN_PAGES,
)
async def set_up(
    body: SetupRequest,
    request: Request,
    response: Response,
    database: DatabaseDep,
    settings: SettingsDep,
    throttle: ThrottleDep,
) -> SetupResult:
    await throttle.attempt(request)
    new = NewAccount(body.email, body.name, body.password, body.workspace_name)
    signed_in, workspace = await service.set_up(database, settings.data_dir, body.code, new, user_agent(request))
    return SetupResult(user=keep(response, settings, signed_in), workspace=Workspace.model_validate(workspace))


@_auth.post(
    "/auth/sign-up",
    status_code=201,
    summary="Create an account and a workspace, where the operator allows it",
    responses=problems(403, 409, 422, 429),
    dependencies=OWN_PAGES,
)
async def sign_up(
    body: SignUpRequest,
    request: Request,
    response: Response,
    database: DatabaseDep,
    settings: SettingsDep,
    throttle: ThrottleDep,
) -> SetupResult:
    if not settings.sign_up or await service.setup_required(database):
        raise forbidden("This Blazz is joined by invitation.", code="sign_up_closed")
    await throttle.attempt(request)
    new = NewAccount(body.email, body.name, body.password, body.workspace_name)
    signed_in, workspace = await service.sign_up(database, new, user_agent(request))
    return SetupResult(user=keep(response, settings, signed_in), workspace=Workspace.model_validate(workspace))


@_auth.post(
    "/auth/login",
    summary="Sign in by e-mail address and password",
    responses=problems(401, 403, 422, 429),
    dependencies=OWN_PAGES,
)
async def log_in(
    body: LoginRequest,
    request: Request,
    response: Response,
    database: DatabaseDep,
    settings: SettingsDep,
    throttle: ThrottleDep,
) -> LoginResult:
    await throttle.attempt(request, body.email)
    signed_in = await service.log_in(database, body.email, body.password, user_agent(request))
    await throttle.succeeded(body.email)
    return LoginResult(user=keep(response, settings, signed_in))


@_auth.post(
    "/auth/login-link",
    summary="Sign in by a one-time link",
    responses=problems(403, 422, 429),
    dependencies=OWN_PAGES,
)
async def log_in_by_link(
    body: LoginLinkRequest,
    request: Request,
    response: Response,
    database: DatabaseDep,
    settings: SettingsDep,
    throttle: ThrottleDep,
) -> LoginResult:
    await throttle.attempt(request)
    signed_in = await service.log_in_by_link(database, body.token, user_agent(request))
    return LoginResult(user=keep(response, settings, signed_in))


@_auth.post("/auth/logout", status_code=204, summary="Sign out of this browser", responses=problems(401, 403))
async def log_out(person: PersonDep, response: Response, database: DatabaseDep, settings: SettingsDep) -> None:
    await service.log_out(database, person.session_id)
    cookies.clear_cookies(response, settings)


@_auth.post("/auth/password", status_code=204, summary="Change the password", responses=problems(401, 403, 422, 429))
async def change_password(
    body: PasswordRequest, request: Request, person: PersonDep, database: DatabaseDep, throttle: ThrottleDep
) -> None:
    await throttle.attempt(request, f"password:{person.user_id}")
    await service.change_password(database, person.user_id, person.session_id, body.current_password, body.new_password)


@_auth.get("/me", summary="The signed-in person", responses=problems(401, 403))
async def get_me(
    request: Request, response: Response, person: PersonDep, database: DatabaseDep, settings: SettingsDep
) -> Me:
    token = request.cookies[authentication.SESSION_COOKIE]
    cookies.set_cookies(response, settings, token=token, csrf_token=person.csrf_token)  # the expiry slides

    def work(tx: Tx) -> Me:
        user = users.get_user(tx, person.user_id)
        if user is None:
            raise unauthenticated()
        mine = [Workspace.model_validate(item) for item in workspaces.list_of(tx, person.user_id)]
        return Me(
            user=User.model_validate(user),
            memberships=[Membership(workspace=item, role=item.role) for item in mine],
            csrf_token=person.csrf_token,
        )

    return await database.read(Platform("a person's own workspaces"), work)


@_auth.patch("/me", summary="Change how you are called", responses=problems(401, 403, 422))
async def patch_me(
    body: MePatch,
    request: Request,
    response: Response,
    person: PersonDep,
    database: DatabaseDep,
    settings: SettingsDep,
) -> Me:
    await service.rename(database, person.user_id, body.name)
    return await get_me(request, response, person, database, settings)


@_keys.get("/api-keys", summary="List API keys, newest first", responses=problems(401, 403, 422))
async def list_keys(
    caller: ManagerDep, database: DatabaseDep, cursor: CursorParam = None, limit: LimitParam = 50
) -> Page[ApiKey]:
    before = decode_cursor(cursor, *keys.CURSOR) if cursor else None
    rows = await database.read(caller.scope, keys.page, before, limit + 1)
    more = encode_cursor(rows[limit - 1]["created_at"], rows[limit - 1]["id"]) if len(rows) > limit else None
    return Page(data=[ApiKey.model_validate(dict(row)) for row in rows[:limit]], next_cursor=more)


@_keys.post(
    "/api-keys",
    status_code=201,
    summary="Create an API key; it is shown this once",
    responses=problems(401, 403, 409, 422),
)
async def create_key(body: ApiKeyRequest, caller: ManagerDep, database: DatabaseDep) -> ApiKeyCreated:
    row, key = await database.write(
        caller.scope,
        keys.create,
        name=body.name,
        scopes=body.scopes,
        expires_at=body.expires_at,
        created_by=caller.user_id,
    )
    return ApiKeyCreated.model_validate({**row, "key": key})


@_keys.delete(
    "/api-keys/{key_id}", status_code=204, summary="Revoke an API key at once", responses=problems(401, 403, 404, 422)
)
async def revoke_key(key_id: uuid.UUID, caller: ManagerDep, database: DatabaseDep) -> None:
    await database.write(caller.scope, keys.revoke, key_id)


router.include_router(_auth)
router.include_router(_keys)
