"""FastAPI dependencies of every protected route: who is asking, and may they."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from typing import Annotated

from fastapi import Depends, Header, Query
from fastapi.security import APIKeyCookie, HTTPBearer
from starlette.requests import HTTPConnection

from blazz.identity import authentication
from blazz.identity.caller import Caller, Person, Role, ScopeName
from blazz.kit.http import DatabaseDep, SettingsDep

# Declared for the OpenAPI document; the reading is done by `authentication`.
_bearer = HTTPBearer(auto_error=False, scheme_name="apiKey", description="An API key: `blz_...`.")
_cookie = APIKeyCookie(
    name=authentication.SESSION_COOKIE,
    auto_error=False,
    scheme_name="browserSession",
    description="A signed-in browser. Unsafe methods need the header `X-CSRF-Token`.",
)
WorkspaceHeader = Annotated[
    str | None,
    Header(alias="X-Workspace", description="The workspace, when a signed-in person belongs to several."),
]


async def get_person(
    connection: HTTPConnection,
    database: DatabaseDep,
    settings: SettingsDep,
    _session: Annotated[object, Depends(_cookie)] = None,
) -> Person:
    """Return the signed-in person. Raises 401 `unauthenticated`, 403 `csrf_failed` or `cross_origin`."""
    return await authentication.person(connection, database, settings)


async def get_caller(
    connection: HTTPConnection,
    database: DatabaseDep,
    settings: SettingsDep,
    x_workspace: WorkspaceHeader = None,
    _key: Annotated[object, Depends(_bearer)] = None,
    _session: Annotated[object, Depends(_cookie)] = None,
) -> Caller:
    """Return who is asking, in which workspace. Raises 400, 401 or 403."""
    return await authentication.caller(connection, database, settings, x_workspace)


async def get_caller_of_element(
    connection: HTTPConnection,
    database: DatabaseDep,
    settings: SettingsDep,
    x_workspace: WorkspaceHeader = None,
    workspace: Annotated[
        str | None, Query(max_length=64, description="Like X-Workspace, for elements of a page that send no headers.")
    ] = None,
    _key: Annotated[object, Depends(_bearer)] = None,
    _session: Annotated[object, Depends(_cookie)] = None,
) -> Caller:
    """Return who is asking; the workspace may be in the address, as pictures in a page need it."""
    return await authentication.caller(connection, database, settings, x_workspace or workspace)


PersonDep = Annotated[Person, Depends(get_person)]
CallerDep = Annotated[Caller, Depends(get_caller)]


@cache
def needs(scope: ScopeName) -> Callable[..., Awaitable[Caller]]:
    """Return a dependency that gives the caller, who has `scope`: `caller: Annotated[Caller, Depends(needs(...))]`."""

    async def check(caller: CallerDep) -> Caller:
        caller.require(scope)
        return caller

    return check


@cache
def needs_role(*roles: Role) -> Callable[..., Awaitable[Caller]]:
    """Return a dependency that gives the caller, a person with one of `roles`; API keys are refused."""

    async def check(caller: CallerDep) -> Caller:
        caller.require_role(*roles)
        return caller

    return check
