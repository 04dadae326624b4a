"""API keys: scopes, expiry, revocation, and a look-up that costs nothing while it is fresh."""

from __future__ import annotations

import datetime as dt

import pytest

from blazz.identity import authentication
from blazz.kit.time import rfc3339, utc_now
from tests.support.app import Person, Running, problem

pytestmark = [pytest.mark.anyio, pytest.mark.every_database]


@pytest.mark.sqlite_is_enough
async def test_key_is_shown_once_and_stored_as_digest(running: Running, owner: Person) -> None:
    key = await owner.key("events:read")
    assert key.startswith("blz_")
    assert len(key) == 47
    listed = (await owner.get("/api-keys")).json()["data"]
    assert [item["prefix"] for item in listed] == [key[:12]]
    assert "key" not in listed[0]
    assert key.encode() not in running.settings.database_path.read_bytes()


async def test_key_may_do_what_its_scopes_say_and_no_more(owner: Person) -> None:
    reader = await owner.program("events:read")
    assert (await reader.get("/api/v1/events")).status_code == 200
    other = await owner.program("contacts:read")
    problem(await other.get("/api/v1/events"), 403, "scope_missing")
    problem(await reader.get("/api/v1/api-keys"), 403, "user_required")
    problem(await reader.get("/api/v1/me"), 403, "user_required")


async def test_revoked_key_stops_at_once(owner: Person) -> None:
    reader = await owner.program("events:read")
    assert (await reader.get("/api/v1/events")).status_code == 200
    key_id = (await owner.get("/api-keys")).json()["data"][0]["id"]
    assert (await owner.delete(f"/api-keys/{key_id}")).status_code == 204
    problem(await reader.get("/api/v1/events"), 401, "invalid_api_key")
    assert (await owner.get("/api-keys")).json()["data"][0]["revoked_at"] is not None


async def test_expired_key_is_refused_even_while_it_is_remembered(
    owner: Person, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    expires = utc_now() + dt.timedelta(hours=1)
    key = await owner.key("events:read", expires_at=rfc3339(expires))
    reader = await running.browser(Authorization=f"Bearer {key}")
    assert (await reader.get("/api/v1/events")).status_code == 200
    monkeypatch.setattr(authentication, "utc_now", lambda: expires + dt.timedelta(seconds=1))
    problem(await reader.get("/api/v1/events"), 401, "api_key_expired")
    past = {"name": "x", "scopes": ["events:read"], "expires_at": "2020-01-01T00:00:00Z"}
    problem(await owner.post("/api-keys", past), 422)


@pytest.mark.sqlite_is_enough
@pytest.mark.parametrize(
    "header", ["Bearer blz_unknown", "Bearer", "Basic abc", "", "Bearer other", "Bearer blz_" + "x" * 999]
)
async def test_bad_bearer_never_falls_back_to_the_cookie(owner: Person, header: str) -> None:
    assert (await owner.get("/events")).status_code == 200
    answer = await owner.browser.get("/api/v1/events", headers={"Authorization": header})
    problem(answer, 401, "invalid_api_key")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_fresh_key_costs_no_database_read(
    owner: Person, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = await owner.program("events:read")
    await reader.get("/api/v1/events")
    reads = []
    original = running.database.read

    async def counted(scope: object, work: object, *args: object, **kwargs: object) -> object:
        reads.append(work)
        return await original(scope, work, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(running.database, "read", counted)
    assert (await reader.get("/api/v1/events")).status_code == 200
    assert len(reads) == 1, "only the page itself is read"


async def test_last_use_is_stored_in_batches(owner: Person, running: Running) -> None:
    reader = await owner.program("events:read")
    await reader.get("/api/v1/events")
    assert (await owner.get("/api-keys")).json()["data"][0]["last_used_at"] is None
    await authentication.key_usage.flush(running.database)
    assert (await owner.get("/api-keys")).json()["data"][0]["last_used_at"] is not None


async def test_keys_are_paged_newest_first(owner: Person) -> None:
    for _ in range(5):
        await owner.key("events:read")
    seen: list[str] = []
    cursor = None
    while True:
        parameters = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = (await owner.get("/api-keys", **parameters)).json()
        seen += [item["id"] for item in page["data"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 5
    assert seen == sorted(seen, reverse=True)
    for cursor in ("x", "W10", "WyJhIiwiYiJd", "9" * 600):
        problem(await owner.get("/api-keys", cursor=cursor), 422)


async def test_agents_have_no_keys_and_no_writing_of_accounts(running: Running, owner: Person) -> None:
    agent = await running.member(owner, "agent", "agent@example.org")
    problem(await agent.get("/api-keys"), 403, "role_not_allowed")
    problem(await agent.post("/api-keys", {"name": "x", "scopes": ["events:read"]}), 403, "role_not_allowed")
    assert (await agent.get("/events")).status_code == 200
