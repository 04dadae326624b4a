"""An instance compares its sessions with its assignments: what it reads may be old by the time it is looked at."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import update

from blazz import migrations
from blazz.accounts import service as accounts
from blazz.cluster.tables import assignments
from blazz.kit.db import Database, Tx
from blazz.sessions.adoption import Adoption
from blazz.sessions.registry import Registry, Session
from blazz.sessions.supervisor import Supervisor
from tests.cluster.stage import SCOPE, SETTINGS, Stage
from tests.support.waiting import eventually

pytestmark = pytest.mark.anyio


class SlowAnswers:
    """A database whose reads were made in time and are answered late."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.gate: asyncio.Event | None = None
        self.waiting = 0

    async def read(self, *arguments: Any) -> Any:
        answer = await self._database.read(*arguments)
        if self.gate is not None:
            self.waiting += 1
            await self.gate.wait()
        return answer

    async def write(self, *arguments: Any, **more: Any) -> Any:
        return await self._database.write(*arguments, **more)


class Sessions:
    """The part of a supervisor that adoption uses, without an engine host."""

    def __init__(self) -> None:
        self.registry = Registry()
        self.begun: list[tuple[uuid.UUID, int]] = []
        self._lock = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def lock(self, account_id: uuid.UUID) -> AsyncIterator[None]:
        async with self._lock:
            yield

    def adopt(self, spec: accounts.SessionSpec) -> Session:
        session = Session(spec.account_id, spec.workspace_id, spec.epoch, Path("store"), spec.linked)
        session.started = True
        self.registry.add(session)
        self.begun.append((spec.account_id, spec.epoch))
        return session

    async def end(self, session: Session, verdict: object) -> bool:
        session.started = session.wanted = False
        return True


class Scene:
    """An instance with one session, and another instance that it could move to."""

    def __init__(self, stage: Stage, account_id: uuid.UUID, database: SlowAnswers) -> None:
        self.stage = stage
        self.account_id = account_id
        self.database = database
        self.sessions = Sessions()
        self.adoption = Adoption(
            cast(Database, database),
            SETTINGS,
            stage.members["a"].registration,
            cast(Supervisor, self.sessions),
            self._quiet,
        )

    async def _quiet(self, account_id: uuid.UUID, timeout_s: float) -> None:
        return

    async def change(self, **values: object) -> None:
        def work(tx: Tx) -> None:
            tx.execute(update(assignments).where(assignments.c.id == self.account_id).values(**values))

        await self.stage.database.write(SCOPE, work)

    @contextlib.asynccontextmanager
    async def look_answered_after(self) -> AsyncIterator[None]:
        """Begin a look whose answer comes when the block is over."""
        self.database.gate, self.database.waiting = asyncio.Event(), 0
        gate = self.database.gate
        look = asyncio.create_task(self.adoption.reconcile())
        await eventually(lambda: self.database.waiting, what="the look has read")
        self.database.gate = None
        yield
        gate.set()
        await look


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    path = tmp_path / "blazz.db"
    migrations.upgrade(path)
    database = Database.open(path)
    stage = Stage(database)
    await stage.join("a")
    account_id = await stage.session(await stage.workspace())
    await stage.join("b")
    made = Scene(stage, account_id, SlowAnswers(database))
    try:
        yield made
    finally:
        await made.adoption.stop()
        await database.close()


async def test_a_session_that_was_given_away_is_not_taken_up_again_by_an_older_look(scene: Scene) -> None:
    await scene.adoption.reconcile()
    assert scene.sessions.begun == [(scene.account_id, 1)]
    await scene.change(move_to="b", move_reason="migrate")
    async with scene.look_answered_after():  # it has read that the session is ours
        await scene.adoption.reconcile()
        await eventually(lambda: not len(scene.sessions.registry), what="the session is handed over")
    assert len(scene.sessions.registry) == 0, "two instances would have its store open"
    assert scene.sessions.begun == [(scene.account_id, 1)]

    await scene.change(instance_id="a", generation=1, epoch=3)
    await scene.adoption.reconcile()
    assert scene.sessions.begun == [(scene.account_id, 1), (scene.account_id, 3)], "it may come back under a new epoch"


async def test_a_session_that_was_begun_meanwhile_is_not_dropped_by_an_older_look(scene: Scene) -> None:
    await scene.change(instance_id="b")
    async with scene.look_answered_after():  # it has read that there is nothing here
        await scene.change(instance_id="a", epoch=2)
        spec = await scene.stage.database.read(SCOPE, accounts.session_to_run, scene.account_id)
        assert spec is not None
        session = scene.sessions.adopt(spec)  # as a command does
    await _settled(scene, lambda: session.started)
    assert scene.sessions.registry.get(scene.account_id) is session


async def test_a_session_that_is_wanted_again_is_not_stopped_by_an_older_look(scene: Scene) -> None:
    await scene.adoption.reconcile()
    session = scene.sessions.registry.get(scene.account_id)
    assert session is not None
    await scene.change(wanted="stopped")
    async with scene.look_answered_after():  # it has read that it shall stop
        await scene.change(wanted="running")
    await _settled(scene, lambda: session.started)

    await scene.change(wanted="stopped")
    await scene.adoption.reconcile()
    await eventually(lambda: not session.started, what="a lost stop command is made up for")


async def _settled(scene: Scene, condition: Callable[[], bool]) -> None:
    """Let what the look began finish, then look at the outcome."""
    await eventually(lambda: not scene.adoption.busy, what="nothing is being done to a session")
    assert condition()
