"""Generated from the OpenAPI document, for every route: foreign ids, no identity, wrong types, huge bodies."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from blazz.gateway.app import openapi_document
from blazz.identity.caller import ALL_SCOPES
from blazz.kit.ids import uuid7
from tests.support.app import Person, Running, run_app
from tests.support.filled import bodies, fill, rows

pytestmark = pytest.mark.anyio
PROBLEM = "application/problem+json"
# Ways of proving who one is: every one of them may answer 2xx or 4xx by its own rules.
OPEN = {
    "set_up",
    "sign_up",
    "log_in",
    "log_in_by_link",
    "get_status",
    "look_up_invitation",
    "accept_invitation",
    "get_file",
    "get_message_schema",
}
# They act on the caller's own session and would end it.
PERSONAL = {"log_out"}


@dataclass(frozen=True)
class Operation:
    """One operation of the document."""

    id: str
    method: str
    path: str
    spec: dict[str, Any]

    @property
    def json(self) -> bool:
        return "application/json" in self.spec.get("requestBody", {}).get("content", {})

    @property
    def parameters(self) -> list[str]:
        return [item["name"] for item in self.spec.get("parameters", []) if item["in"] == "path"]

    def url(self, ids: dict[str, str]) -> str:
        return self.path.format(**{name: ids[name] for name in self.parameters})


def operations() -> Iterator[Operation]:
    for path, methods in openapi_document()["paths"].items():
        for method, spec in methods.items():
            yield Operation(spec["operationId"], method.upper(), path, spec)


ALL = list(operations())
PROTECTED = [operation for operation in ALL if operation.id not in OPEN]


@dataclass
class Stand:
    """Two workspaces: one full of things, one whose owner and key must not reach them."""

    running: Running
    victim: Person
    stranger: Person
    program: httpx.AsyncClient
    ids: dict[str, str]

    @classmethod
    async def of(cls, running: Running) -> Stand:
        victim = await running.owner()
        ids = await fill(victim)
        stranger = await running.stranger()
        for person in (victim, stranger):  # who may have several workspaces after some of these requests
            person.browser.headers["X-Workspace"] = str(person.workspace_id)
        program = await stranger.program(*sorted(ALL_SCOPES))
        return cls(running, victim, stranger, program, ids)

    async def rows(self) -> dict[str, list[Any]]:
        return await rows(self.running.database, self.ids["workspace_id"])


@pytest.fixture(scope="module")
async def stand(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncIterator[Stand]:
    directory = tmp_path_factory.mktemp("every-route")
    async with run_app(directory) as running:
        yield await Stand.of(running)


async def test_every_operation_with_a_body_has_an_example(stand: Stand) -> None:
    wanted = {operation.id for operation in PROTECTED if operation.json}
    assert wanted == set(bodies(stand.ids))


@pytest.mark.parametrize("operation", [item for item in PROTECTED if item.id not in PERSONAL], ids=lambda item: item.id)
async def test_another_workspace_is_out_of_reach(stand: Stand, operation: Operation) -> None:
    before = await stand.rows()
    body = bodies(stand.ids).get(operation.id)
    for client in (stand.stranger.browser, stand.program):
        answer = await client.request(operation.method, operation.url(stand.ids), json=body if operation.json else None)
        if operation.parameters:
            assert answer.status_code in (403, 404), answer.text
            assert answer.headers["content-type"] == PROBLEM
        if "/admin/" in operation.path:
            assert answer.status_code == 403, "no workspace gives a right over the installation"
        assert answer.status_code < 500, answer.text
        for wanted in stand.ids.values():
            assert wanted not in answer.text, "nothing of the other workspace is told"
    headers = {"X-Workspace": stand.ids["workspace_id"]}
    for client in (stand.stranger.browser, stand.program):
        url, content = operation.url(stand.ids), body if operation.json else None
        answer = await client.request(operation.method, url, json=content, headers=headers)
        if "/workspaces" not in operation.path and "/me" not in operation.path and "/auth/" not in operation.path:
            assert answer.status_code == 403, answer.text
    assert await stand.rows() == before


@pytest.mark.parametrize("operation", PROTECTED, ids=lambda item: item.id)
async def test_nobody_unknown_gets_in(stand: Stand, operation: Operation) -> None:
    before = await stand.rows()
    body = bodies(stand.ids).get(operation.id) if operation.json else None
    anonymous = await stand.running.browser()
    wrong_key = await stand.running.browser(Authorization="Bearer blz_" + "x" * 43)
    for client in (anonymous, wrong_key):
        answer = await client.request(operation.method, operation.url(stand.ids), json=body)
        assert answer.status_code in (401, 403), answer.text
        assert answer.headers["content-type"] == PROBLEM
    assert await stand.rows() == before


@pytest.mark.parametrize("operation", [item for item in PROTECTED if item.parameters], ids=lambda item: item.id)
async def test_unknown_and_malformed_ids_are_problems(stand: Stand, operation: Operation) -> None:
    before = await stand.rows()
    body = bodies(stand.ids).get(operation.id) if operation.json else None
    for value in (str(uuid7()), "x", "0", "%00", "a" * 3000, "../..", "0190-", "{}", "null"):
        url = operation.path.format(**dict.fromkeys(operation.parameters, value))
        answer = await stand.victim.browser.request(operation.method, url, json=body)
        assert answer.status_code in (404, 405, 422), f"{value}: {answer.text}"
        assert answer.headers["content-type"] == PROBLEM
    assert await stand.rows() == before


WRONG: list[Any] = [None, [], "text", 5, True, {"unknown": 1}, [[]], {"": {}}]
VALUES: list[Any] = [None, [], {}, 5, 1e400, True, "", "\x00", "x" * 200_000, [None], {"a": {"b": []}}, -1, "0190-"]


@pytest.mark.parametrize("operation", [item for item in ALL if item.json], ids=lambda item: item.id)
async def test_wrong_types_are_problems(stand: Stand, operation: Operation) -> None:
    before = await stand.rows()
    client = stand.victim.browser
    url = operation.url({**stand.ids, **dict.fromkeys(operation.parameters, str(uuid7()))})
    example = bodies(stand.ids).get(operation.id, {"token": "x", "email": "a@example.org", "password": "x" * 12})
    attempts = [*WRONG]
    for name in example:
        attempts += [{**example, name: value} for value in VALUES if value is not None]
    for content in attempts:
        # what may be valid after all is not sent to routes that would do something
        answer = await client.request(operation.method, url, json=_finite(content))
        if answer.status_code < 300:
            continue
        assert 400 <= answer.status_code < 500, f"{str(content)[:200]}: {answer.text}"
        assert answer.headers["content-type"] == PROBLEM
    after = await stand.rows()
    assert {name for name in before if len(before[name]) > len(after[name])} == set(), "nothing is lost"


@pytest.mark.parametrize("operation", [item for item in ALL if item.json], ids=lambda item: item.id)
async def test_huge_and_broken_bodies_are_problems(stand: Stand, operation: Operation) -> None:
    before = await stand.rows()
    url = operation.url({**stand.ids, **dict.fromkeys(operation.parameters, str(uuid7()))})
    headers = {"Content-Type": "application/json"}
    for content, statuses in (
        (b'{"x": "' + b"y" * (1024 * 1024) + b'"}', (413,)),
        (b"[" * 100_000, (400, 422)),
        (b"{", (400, 422)),
        (b"\xff", (400, 422)),
        (b"", (422,)),
    ):
        answer = await stand.victim.browser.request(operation.method, url, content=content, headers=headers)
        assert answer.status_code in statuses, answer.text
        assert answer.headers["content-type"] == PROBLEM
    assert await stand.rows() == before


@pytest.mark.every_server
async def test_all_of_it_holds_on_database_servers(running: Running) -> None:
    stand = await Stand.of(running)
    for operation in PROTECTED:
        if operation.id not in PERSONAL:
            await test_another_workspace_is_out_of_reach(stand, operation)
        if operation.parameters:
            await test_unknown_and_malformed_ids_are_problems(stand, operation)
    for operation in ALL:
        if operation.json:
            await test_wrong_types_are_problems(stand, operation)


def _finite(content: Any) -> Any:
    """JSON has no infinity: what overflows is sent as a large number."""
    if isinstance(content, float):
        return 10**400
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    return content
