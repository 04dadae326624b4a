"""The application with a number that is in one group, and an instance whose WhatsApp answers as told."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.app import Person, Running, run_app
from tests.support.filled import group, link


@dataclass
class Answers:
    """The owner of the number: notes what it is asked about groups and answers from `told`, by method."""

    told: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    async def ask_groups(self, account_id: uuid.UUID, method: str, body: Mapping[str, Any]) -> dict[str, Any]:
        del account_id
        self.asked.append((method, dict(body)))
        answer = self.told.get(method, {})
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)

    async def qr(self, account_id: uuid.UUID) -> None:
        del account_id


@dataclass
class Stage:
    """An owner with a number in a group."""

    running: Running
    owner: Person
    account_id: uuid.UUID
    group_id: uuid.UUID
    whatsapp: Answers


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with run_app(tmp_path) as running:
        owner = await running.owner()
        answer = await owner.post("/accounts", {"name": "Shop"})
        account_id = uuid.UUID(answer.json()["id"])
        await link(owner, account_id)
        await owner.browser.patch(f"/api/v1/accounts/{account_id}", json={"is_primary": True})
        whatsapp = Answers()
        running.app.state.commands = whatsapp
        yield Stage(running, owner, account_id, await group(owner, account_id), whatsapp)
