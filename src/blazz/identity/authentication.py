"""From a request's header or cookie to the caller. A bearer key never falls back to a cookie."""

from __future__ import annotations

import datetime as dt
import hmac
import uuid
from dataclasses import dataclass

from starlette.requests import HTTPConnection

from blazz.identity import keys, repository, sessions
from blazz.identity.cache import shared_cache
from blazz.identity.caller import ROLE_SCOPES, Caller, Person, Role
from blazz.identity.origin import require_same_origin
from blazz.kit.db import Database, Platform, Tx
from blazz.kit.errors import BlazzError, forbidden, invalid, unauthenticated
from blazz.kit.ids import token_digest
from blazz.kit.settings import Settings
from blazz.kit.time import utc_now
from blazz.workspaces import memberships

SESSION_COOKIE = "blazz_session"
CSRF_COOKIE = "blazz_csrf"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_MAX_TOKEN = 256
_PLATFORM = Platform("who is asking is not known yet")


@dataclass(frozen=True, slots=True)
class _Key:
    caller: Caller
    expires_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class _Browser:
    person: Person
    roles: dict[uuid.UUID, Role]


_keys = shared_cache(_Key)
_browsers = shared_cache(_Browser)
key_usage = keys.KeyUsage()


async def caller(
    connection: HTTPConnection, database: Database, settings: Settings, workspace: str | None = None
) -> Caller:
    """Return who is asking and in which workspace (`workspace`: the header's text). Raises 401, 403 or 422."""
    wanted = _workspace_id(workspace)
    if "authorization" in connection.headers:
        found = await _by_key(connection.headers["authorization"], database)
        if wanted not in (None, found.workspace_id):
            raise _foreign()
        return found
    browser = await _browser(connection, database)
    _check_browser(connection, settings, browser)
    if wanted not in browser.roles:
        # what is remembered may be older than a workspace that was just made through another gateway
        browser = await _browser(connection, database, afresh=True)
    return _in_workspace(browser, wanted)


async def person(connection: HTTPConnection, database: Database, settings: Settings) -> Person:
    """Return the signed-in person. Raises 401 or 403."""
    if "authorization" in connection.headers:
        raise forbidden("An API key cannot do this; sign in as a person.", code="user_required")
    browser = await _browser(connection, database)
    _check_browser(connection, settings, browser)
    return browser.person


async def person_or_none(connection: HTTPConnection, database: Database, settings: Settings) -> Person | None:
    """Return the signed-in person of a public route, or None."""
    try:
        return await person(connection, database, settings)
    except BlazzError as error:
        if error.status in (401, 403):
            return None
        raise


def _workspace_id(text: str | None) -> uuid.UUID | None:
    if not text:
        return None
    try:
        return uuid.UUID(text)
    except ValueError:
        raise invalid("X-Workspace must be the id of a workspace.", code="invalid_workspace") from None


async def _by_key(header: str, database: Database) -> Caller:
    scheme, _, token = header.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token.startswith(keys.PREFIX) or len(token) > _MAX_TOKEN:
        raise unauthenticated("The Authorization header holds no API key of Blazz.", code="invalid_api_key")
    digest = token_digest(token)
    known = _keys.get(digest)
    if known is None:
        generation = _keys.generation
        known = await database.read(_PLATFORM, _read_key, digest)
        if known is None:
            raise unauthenticated("This API key is unknown or revoked.", code="invalid_api_key")
        _keys.put(digest, known, generation)
        assert known.caller.api_key_id is not None
        key_usage.saw(known.caller.api_key_id)
    if known.expires_at is not None and known.expires_at <= utc_now():
        raise unauthenticated("This API key has expired.", code="api_key_expired")
    return known.caller


def _read_key(tx: Tx, digest: str) -> _Key | None:
    row = repository.live_key(tx, digest)
    if row is None or not memberships.workspace_is_live(tx, row["workspace_id"]):
        return None
    return _Key(Caller(row["workspace_id"], None, row["id"], None, frozenset(row["scopes"])), row["expires_at"])


async def _browser(connection: HTTPConnection, database: Database, *, afresh: bool = False) -> _Browser:
    token = connection.cookies.get(SESSION_COOKIE)
    if not token or len(token) > _MAX_TOKEN:
        raise unauthenticated()
    digest = token_digest(token)
    known = None if afresh else _browsers.get(digest)
    if known is None:
        generation = _browsers.generation
        found = await database.read(_PLATFORM, _read_browser, digest)
        if found is None:
            raise unauthenticated("This sign-in has ended.")
        known, due = found
        if due:
            await database.write(_PLATFORM, sessions.extend, known.person.session_id)
        _browsers.put(digest, known, generation)
    return known


def _read_browser(tx: Tx, digest: str) -> tuple[_Browser, bool] | None:
    live = sessions.find(tx, digest)
    if live is None:
        return None
    known = Person(live.user_id, live.id, live.csrf_token, live.platform_admin)
    return _Browser(known, memberships.roles_of(tx, live.user_id)), live.due


def _check_browser(connection: HTTPConnection, settings: Settings, browser: _Browser) -> None:
    if connection.scope.get("method", "GET") in _SAFE:
        return  # WebSockets have no method: their endpoint checks the origin itself
    require_same_origin(connection, settings)
    given = connection.headers.get("x-csrf-token", "").encode("utf-8", "replace")
    if not hmac.compare_digest(given, browser.person.csrf_token.encode()):
        raise forbidden("The header X-CSRF-Token is missing or wrong.", code="csrf_failed")


def _in_workspace(browser: _Browser, wanted: uuid.UUID | None) -> Caller:
    if wanted is None:
        if not browser.roles:
            raise forbidden("You belong to no workspace yet.", code="no_workspace")
        if len(browser.roles) > 1:
            raise BlazzError("workspace_required", "You have several workspaces; name one in X-Workspace.", 400)
        wanted = next(iter(browser.roles))
    role = browser.roles.get(wanted)
    if role is None:
        raise _foreign()
    return Caller(wanted, browser.person.user_id, None, role, ROLE_SCOPES[role])


def _foreign() -> BlazzError:
    return forbidden("There is no such workspace, or you do not belong to it.", code="workspace_forbidden")
