"""FastAPI dependencies of every protected route: who is asking, and may they."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from typing import Annotated

from fastapi import Depends, Header, Query
from fastapi.openapi.models import APIKey, APIKeyIn
from fastapi.openapi.models import HTTPBearer as HTTPBearerModel
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection

from blazz.identity import authentication
from blazz.identity.caller import Caller, Person, Role, ScopeName
from blazz.kit.errors import forbidden


class _Declared(SecurityBase):
    """A way of proving who one is, for the OpenAPI document only: the reading is done by `authentication`."""

    def __init__(self, scheme_name: str, model: HTTPBearerModel | APIKey) -> None:
        self.scheme_name = scheme_name
        self.model = model

    async def __call__(self) -> None:
        """Nothing at run time, and cheap at that: it is called for every request."""


_bearer = _Declared("apiKey", HTTPBearerModel(description="An API key: `blz_...`."))
_cookie = _Declared(
    "browserSession",
    APIKey.model_validate(
        {
            "in": APIKeyIn.cookie,
            "name": authentication.SESSION_COOKIE,
            "description": "A signed-in browser. Unsafe methods need the header `X-CSRF-Token`.",
        }
    ),
)
WorkspaceHeader = Annotated[
    str | None,
    Header(alias="X-Workspace", description="The workspace, when a signed-in person belongs to several."),
]


async def get_person(
    connection: HTTPConnection,
    _session: Annotated[object, Depends(_cookie)] = None,
) -> Person:
    """Return the signed-in person. Raises 401 `unauthenticated`, 403 `csrf_failed` or `cross_origin`."""
    state = connection.app.state
    return await authentication.person(connection, state.database, state.settings)


async def get_caller(
    connection: HTTPConnection,
    x_workspace: WorkspaceHeader = None,
    _key: Annotated[object, Depends(_bearer)] = None,
    _session: Annotated[object, Depends(_cookie)] = None,
) -> Caller:
    """Return who is asking, in which workspace. Raises 400, 401 or 403."""
    state = connection.app.state
    return await authentication.caller(connection, state.database, state.settings, x_workspace)


async def get_caller_of_element(
    connection: HTTPConnection,
    x_workspace: WorkspaceHeader = None,
    workspace: Annotated[
        str | None, Query(max_length=64, description="Like X-Workspace, for elements of a page that send no headers.")
    ] = None,
    _key: Annotated[object, Depends(_bearer)] = None,
    _session: Annotated[object, Depends(_cookie)] = None,
) -> Caller:
    """Return who is asking; the workspace may be in the address, as pictures in a page need it."""
    state = connection.app.state
    return await authentication.caller(connection, state.database, state.settings, x_workspace or workspace)


PersonDep = Annotated[Person, Depends(get_person)]
CallerDep = Annotated[Caller, Depends(get_caller)]


async def get_platform_admin(person: PersonDep) -> Person:
    """Return the signed-in person, who runs this installation. Raises 401, 403 `forbidden`, `user_required` (keys)."""
    return require_platform_admin(person)


def require_platform_admin(person: Person) -> Person:
    """Return the person again. Raises BlazzError `forbidden` (403) unless they run this installation."""
    if not person.platform_admin:
        raise forbidden("Only administrators of this installation may do this.")
    return person


PlatformAdmin = Annotated[Person, Depends(get_platform_admin)]


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
