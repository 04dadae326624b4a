"""The engine host on storage that hangs, fails or is read-only: calls end in time, and other sessions go on."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from blazz.engine_client import EngineError, EngineProcess
from blazz.engine_client.client import SessionRef
from tests.support.network import alive, engine_options, heartbeats, simulated_network
from tests.support.slow_fs import (
    BROKEN,
    FULL,
    HANGS,
    READ_ONLY,
    REQUIRED_WHERE_POSSIBLE,
    SLOW_SYNC,
    WRITES_HANG,
    Faults,
    FaultyStorage,
    faulty_storage,
)
from tests.support.waiting import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.engine, *REQUIRED_WHERE_POSSIBLE]
LIMIT_S = 1.5
DEADLINE_CODE = 70  # the engine host's exit at its owner's deadline


@dataclass(slots=True)
class Bench:
    """An engine host; its sessions are on the faulty storage, but for those whose name begins with `near`."""

    engine: EngineProcess
    storage: FaultyStorage
    sessions: Path
    beating: contextlib.AsyncExitStack

    def store(self, name: str, epoch: int) -> Path:
        workspace = "workspace_near" if name.startswith("near") else "workspace_far"
        return self.sessions / workspace / f"session_{name}" / f"store.{epoch}.db"

    async def start(self, name: str, epoch: int = 1, *, linked: bool = False) -> None:
        await self.engine.client.start_session(
            SessionRef(name, epoch),
            self.store(name, epoch),
            use_qr=True,
            expect_linked=linked,
            previous_owner_gone=False,
        )

    async def refused(self, name: str, epoch: int = 1, *, linked: bool = False) -> EngineError:
        with pytest.raises(EngineError) as refusal:
            await self.start(name, epoch, linked=linked)
        return refusal.value

    async def stop(self, name: str, epoch: int = 1) -> None:
        await self.engine.client.stop_session(SessionRef(name, epoch))

    async def leave_behind(self, *names: str) -> None:
        """Make stores that nobody has open."""
        for name in names:
            await self.start(name)
        await asyncio.gather(*(self.stop(name) for name in names))


@pytest.fixture
async def bench(tmp_path: Path, anyio_backend: str) -> AsyncIterator[Bench]:
    """A running engine host whose network is away; one workspace of its sessions directory is a mount with faults."""
    async with simulated_network(tmp_path / "network") as network:
        options = engine_options(network, tmp_path)
    extra = ("--store-locks", "none", "--store-timeout", f"{LIMIT_S}s", "--store-idle-close", "0")
    async with faulty_storage(tmp_path / "storage", options.sessions_dir / "workspace_far") as storage:
        engine = await EngineProcess.start(replace(options, extra=extra))
        try:
            async with contextlib.AsyncExitStack() as beating:
                await beating.enter_async_context(heartbeats(engine))
                yield Bench(engine, storage, options.sessions_dir.resolve(), beating)
        finally:
            await storage.set()
            await engine.stop()
            assert not alive(engine.pid)


async def test_a_start_on_storage_that_hangs_fails_in_time_and_succeeds_when_it_is_back(bench: Bench) -> None:
    await bench.start("a")
    await bench.storage.set(HANGS)
    began = time.monotonic()
    errors = await asyncio.gather(*(bench.refused(f"b{number}") for number in range(12)))
    assert {error.word for error in errors} == {"store_failure"}
    assert "does not answer" in errors[0].detail
    assert time.monotonic() - began < LIMIT_S + 2
    again = await bench.refused("b0")
    assert "still in use" in again.detail, "nothing is opened a second time while the first may come back"
    assert (await bench.engine.client.stats()).sessions == 1, "the engine host answers, and has not died from it"
    await bench.storage.set()
    await asyncio.gather(*(bench.start(f"b{number}") for number in range(12)))


async def test_takeovers_that_hang_do_not_keep_others_waiting(bench: Bench) -> None:
    far, near = [f"far{number}" for number in range(20)], [f"near{number}" for number in range(4)]
    await bench.leave_behind(*far, *near)
    await bench.storage.set(WRITES_HANG)
    hanging = [asyncio.create_task(bench.refused(name, 2)) for name in far]
    began = time.monotonic()
    await bench.start("near-new")
    assert time.monotonic() - began < LIMIT_S / 2, "a start beside them takes no notice"
    await asyncio.gather(*hanging)
    for name in near:
        await bench.start(name, 2)
    await bench.storage.set()
    await asyncio.gather(*(bench.start(name, 2) for name in far))


async def test_stopping_on_storage_that_hangs_says_that_the_store_is_not_closed(bench: Bench) -> None:
    await bench.start("a")
    await bench.storage.set(HANGS)
    began = time.monotonic()
    for _ in range(2):
        with pytest.raises(EngineError) as refusal:
            await bench.stop("a")
        assert refusal.value.word == "store_failure"
    assert time.monotonic() - began < 2 * LIMIT_S + 2
    await bench.storage.set()

    async def closed() -> bool:
        with contextlib.suppress(EngineError):
            await bench.stop("a")
            return True
        return False

    await eventually(closed, what="the store is closed once the storage is back")
    await bench.start("a", 2)


@pytest.mark.parametrize(
    ("faults", "said"),
    [(READ_ONLY, "read-only"), (FULL, "no space|full"), (BROKEN, "input/output|I/O error")],
    ids=["read-only", "full", "broken"],
)
async def test_a_start_on_storage_that_refuses_says_why_and_works_later(
    bench: Bench, faults: Faults, said: str
) -> None:
    await bench.leave_behind("a")
    await bench.storage.set(faults)
    for name, epoch in (("a", 1), ("a", 2), ("new", 1)):
        error = await bench.refused(name, epoch)
        assert error.word == "store_failure"
        assert any(text.lower() in error.detail.lower() for text in said.split("|")), error
    await bench.storage.set()
    await bench.start("a", 2)
    await bench.start("new")


async def test_the_deadline_ends_the_engine_whatever_hangs(bench: Bench) -> None:
    await bench.start("a")
    await bench.storage.set(HANGS)
    starting = [asyncio.create_task(bench.refused(f"b{number}")) for number in range(3)]
    await asyncio.sleep(0.2)
    await bench.beating.aclose()
    async with asyncio.timeout(10):
        assert await bench.engine.exited() == DEADLINE_CODE
    await asyncio.gather(*starting, return_exceptions=True)


async def test_damaged_and_missing_stores_have_names_and_leave_the_others_alone(bench: Bench) -> None:
    await bench.start("well")
    await bench.leave_behind("damaged", "gone")
    bench.store("damaged", 1).write_bytes(b"this is no database" * 1000)
    bench.store("gone", 1).unlink()
    errors = [await bench.refused(name, epoch, linked=True) for name in ("damaged", "gone") for epoch in (1, 2)]
    assert [error.word for error in errors] == ["store_corrupt"] * 2 + ["store_missing"] * 2
    assert [path.name for path in bench.store("gone", 1).parent.iterdir()] == []
    assert (await bench.engine.client.stats()).sessions == 1


async def test_many_takeovers_at_once_end_in_time_on_slow_storage(bench: Bench) -> None:
    names = [f"s{number}" for number in range(40)]
    await bench.leave_behind(*names)
    await bench.storage.set(SLOW_SYNC)
    began = time.monotonic()
    await asyncio.gather(*(bench.start(name, 2) for name in names))
    assert time.monotonic() - began < 30
    assert (await bench.engine.client.stats()).sessions == len(names)
