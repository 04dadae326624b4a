"""The real application on a real database, and people who use it through HTTP."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from blazz.gateway.app import NetworkInfo, create_app
from blazz.identity import cache
from blazz.identity import service as identity
from blazz.kit.crypto import SecretBox
from blazz.kit.db import Database
from blazz.kit.errors import conflict
from blazz.kit.settings import Settings
from blazz.media.store import MediaStore
from tests.support.databases import migrated, open_at

PASSWORD = "correct horse battery"
BASE = "http://blazz.test"


class NoInstance:
    """The commands of a gateway whose instance runs nothing: every session is stopped."""

    async def qr(self, account_id: uuid.UUID) -> None:
        return None

    def __getattr__(self, name: str) -> Any:
        async def refuse(*args: object, **kwargs: object) -> None:
            raise conflict("session_not_running", "This number is not running.")

        return refuse


@dataclass
class Running:
    """An application with its parts."""

    app: FastAPI
    database: Database
    settings: Settings
    clients: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    async def browser(self, **headers: str) -> httpx.AsyncClient:
        """A fresh browser: keeps cookies, sends the headers given."""
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False, client=("127.0.0.1", 40_000))
        client = httpx.AsyncClient(transport=transport, base_url=BASE, headers=headers)
        return await self.clients.enter_async_context(client)

    async def owner(self, email: str = "owner@example.org", workspace: str = "Shop") -> Person:
        """The first owner, created with the set-up code."""
        code = await identity.ensure_setup_code(self.database, self.settings.data_dir)
        browser = await self.browser()
        body = {"code": code, "email": email, "password": PASSWORD, "name": "Owner", "workspace_name": workspace}
        answer = await browser.post("/api/v1/auth/setup", json=body)
        assert answer.status_code == 201, answer.text
        return await Person.of(self, browser)

    async def member(self, inviter: Person, role: str, email: str) -> Person:
        """A person who has accepted an invitation."""
        made = await inviter.post("/invitations", {"email": email, "role": role})
        assert made.status_code == 201, made.text
        token = made.json()["link"].partition("#token=")[2]
        browser = await self.browser()
        body = {"token": token, "name": email.partition("@")[0], "password": PASSWORD}
        answer = await browser.post("/api/v1/invitations/accept", json=body)
        assert answer.status_code == 200, answer.text
        return await Person.of(self, browser)

    async def stranger(self, email: str = "stranger@example.org") -> Person:
        """Somebody with a workspace of their own, unknown to everybody else."""
        new = identity.NewAccount(email, "Stranger", PASSWORD, "Elsewhere")
        await identity.sign_up(self.database, new, "test")
        browser = await self.browser()
        answer = await browser.post("/api/v1/auth/login", json={"email": email, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        return await Person.of(self, browser)


@dataclass
class Person:
    """A signed-in browser."""

    running: Running
    browser: httpx.AsyncClient
    id: uuid.UUID
    workspace_id: uuid.UUID
    csrf: str

    @classmethod
    async def of(cls, running: Running, browser: httpx.AsyncClient) -> Person:
        me = (await browser.get("/api/v1/me")).json()
        csrf = me["csrf_token"]
        workspace = uuid.UUID(me["memberships"][0]["workspace"]["id"])
        browser.headers["X-CSRF-Token"] = csrf
        return cls(running, browser, uuid.UUID(me["user"]["id"]), workspace, csrf)

    async def get(self, path: str, **parameters: Any) -> httpx.Response:
        return await self.browser.get("/api/v1" + path, params=parameters)

    async def post(self, path: str, body: Any = None, **options: Any) -> httpx.Response:
        return await self.browser.post("/api/v1" + path, json=body, **options)

    async def patch(self, path: str, body: Any) -> httpx.Response:
        return await self.browser.patch("/api/v1" + path, json=body)

    async def delete(self, path: str) -> httpx.Response:
        return await self.browser.delete("/api/v1" + path)

    async def key(self, *scopes: str, **fields: Any) -> str:
        """A new API key of the workspace."""
        answer = await self.post("/api-keys", {"name": "test", "scopes": list(scopes), **fields})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["key"])

    async def program(self, *scopes: str) -> httpx.AsyncClient:
        """A client that sends a new key with these scopes."""
        return await self.running.browser(Authorization=f"Bearer {await self.key(*scopes)}")


@contextlib.asynccontextmanager
async def run_app(directory: Path, database_url: str | None = None, **settings: Any) -> AsyncIterator[Running]:
    """Start the application in `directory`, on a fresh SQLite file there unless another database is named."""
    made = Settings.model_construct(data_dir=directory, **settings)
    database = await open_at(database_url or f"sqlite:///{migrated(made.database_path)}")
    cache.forget()
    app = create_app(
        database=database,
        settings=made,
        commands=NoInstance(),
        secret_box=SecretBox(b"k" * 32),
        media_store=MediaStore.open(directory / "media"),
        network=NetworkInfo("test", True, "http://127.0.0.1:7070"),
    )
    running = Running(app, database, made)
    try:
        async with running.clients, app.router.lifespan_context(app):
            yield running
    finally:
        await database.close()
        _hollow(app)


def _hollow(app: FastAPI) -> None:
    """Let go of what an application holds, some 10 MB: the runner of asynchronous fixtures keeps its frames."""
    app.router.routes.clear()
    app.middleware_stack = None
    app.openapi_schema = None
    app.state._state.clear()


def problem(answer: httpx.Response, status: int, code: str | None = None) -> dict[str, Any]:
    """Assert that the answer is this problem and return its document."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["status"] == status
    assert document["request_id"] == answer.headers["x-request-id"]
    if code is not None:
        assert document["code"] == code
    return document


__all__ = ["BASE", "PASSWORD", "Person", "Running", "migrated", "problem", "run_app"]
