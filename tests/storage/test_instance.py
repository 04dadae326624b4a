"""A whole instance whose session stores are on storage with faults: what people see, and that nothing is lost."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from blazz.kit.db import Platform
from blazz.kit.errors import BlazzError
from blazz.sessions.storage.chore import StorageChore
from blazz.sessions.storage.watch import StorageWatch
from tests.support.network import simulated_network
from tests.support.product import Blazz, Number, shown, text
from tests.support.slow_fs import (
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
from whatsim.network import Network

pytestmark = [pytest.mark.anyio, pytest.mark.engine, pytest.mark.slow, *REQUIRED_WHERE_POSSIBLE]


class Shop:
    """An installation on faulty storage with one linked number and one customer."""

    def __init__(self, blazz: Blazz, network: Network, storage: FaultyStorage) -> None:
        self.blazz, self.network, self.storage = blazz, network, storage
        self.number: Number
        self.customer = ""

    async def open(self) -> None:
        self.number = await self.blazz.link()
        self.customer = (await self.network.create_phone()).number

    async def hears(self, body: str, *, within_s: float = 40.0) -> None:
        """The customer writes; wait until it is stored."""
        await self.network.send_message(self.customer, self.number.phone, text(body))
        await self.heard(body, within_s=within_s)

    async def heard(self, body: str, *, within_s: float = 40.0) -> None:
        async def stored() -> bool:
            return body in await self.blazz.bodies(from_me=False)

        await eventually(stored, within_s=within_s, what=f"{body} is stored")

    async def says(self, body: str) -> None:
        """We write; wait until the customer's phone shows it."""
        await self.blazz.send_text(self.number, self.customer, body)
        await eventually(lambda: body in shown(self.network, self.customer), within_s=40, what=f"{body} is shown")

    async def responsive(self) -> None:
        """The event loop, the database and the engine host answer at once."""
        began = time.monotonic()
        await self.blazz.database.read(Platform("test"), lambda tx: tx.scalar)
        await self.blazz.instance.supervisor.client.stats()
        assert time.monotonic() - began < 1.0

    async def failing(self) -> str:
        """Wait until the account says that its storage fails; return the sentence."""

        async def told() -> str:
            row = await self.blazz.account(self.number.account_id)
            detail = str(row["status_detail"] or "")
            return detail if row["status"] != "connected" and ("storage" in detail or "store_" in detail) else ""

        return str(await eventually(told, within_s=40, what="the account tells of its storage"))


@contextlib.asynccontextmanager
async def shop(directory: Path) -> AsyncIterator[Shop]:
    async with faulty_storage(directory / "storage") as storage, simulated_network(directory / "network") as network:
        # a field with an alias is set by its alias
        blazz = Blazz(directory / "blazz", network, BLAZZ_SESSIONS_DIR=storage.path / "sessions")
        await blazz.start()
        made = Shop(blazz, network, storage)
        try:
            await made.open()
            yield made
        finally:
            await storage.set()
            await blazz.stop()


async def test_slow_storage_is_only_slow(tmp_path: Path) -> None:
    async with shop(tmp_path) as built:
        await built.storage.set(SLOW_SYNC)
        second = await built.blazz.link()
        for serial in range(5):
            await built.hears(f"in {serial}")
            await built.says(f"out {serial}")
        assert await built.blazz.bodies(from_me=False) == [f"in {serial}" for serial in range(5)]
        assert shown(built.network, built.customer) == [f"out {serial}" for serial in range(5)]
        assert (await built.blazz.account(second.account_id))["status"] == "connected"
        storage = built.blazz.instance.storage
        assert isinstance(storage, StorageWatch)
        report = storage.report
        assert (report.shared, report.locks, report.synchronous) == (True, "none", "FULL")


@pytest.mark.parametrize("faults", [WRITES_HANG, FULL, READ_ONLY], ids=["hangs", "full", "read-only"])
async def test_storage_that_fails_takes_numbers_down_with_its_reason_and_they_come_back(
    faults: Faults, tmp_path: Path
) -> None:
    async with shop(tmp_path) as built:
        await built.hears("before")
        await built.storage.set(faults)
        await built.network.send_message(built.customer, built.number.phone, text("during"))
        await built.failing()
        await built.responsive()
        assert "during" not in await built.blazz.bodies(from_me=False), "nothing is taken that cannot be kept"
        await built.storage.set()
        await built.blazz.status(built.number.account_id, "connected", within_s=60)
        await built.heard("during")
        await built.says("after")
        assert await built.blazz.bodies(from_me=False) == ["before", "during"]


async def test_an_instance_does_not_start_on_storage_that_hangs_or_refuses(tmp_path: Path) -> None:
    async with shop(tmp_path) as built:
        await built.blazz.stop()
        for faults, said in ((HANGS, "does not answer"), (READ_ONLY, "read-only")):
            await built.storage.set(faults)
            with pytest.raises(BlazzError, match=said) as refusal:
                await built.blazz.start()
            assert refusal.value.code == "storage_unusable"
        await built.storage.set()
        await built.blazz.start()
        await built.blazz.status(built.number.account_id, "connected", within_s=30)


async def test_sizes_and_soundness_are_written_to_the_accounts(tmp_path: Path) -> None:
    async with shop(tmp_path) as built:
        registry = built.blazz.instance.supervisor.registry
        chore = StorageChore(built.blazz.database, registry, built.blazz.settings.sessions_dir)

        async def verified() -> bool:
            await chore.measure_all()
            return (await built.blazz.account(built.number.account_id))["session_storage_verified_at"] is not None

        await eventually(verified, within_s=30, what="the store was idle and read through")
        row = await built.blazz.account(built.number.account_id)
        (session,) = registry
        assert row["session_storage_path"] == str(session.store.relative_to(built.storage.path / "sessions"))
        assert row["session_file_size_bytes"] > 50_000
        await built.storage.set(HANGS)
        with pytest.raises(BlazzError, match="storage_hangs"):
            await chore._thread.run(lambda: session.store.stat(), timeout_s=0.5)
        await built.responsive()


async def test_a_damaged_store_fails_its_number_and_no_other(tmp_path: Path) -> None:
    async with shop(tmp_path) as built:
        other = await built.blazz.link()
        session = built.blazz.instance.supervisor.registry.get(other.account_id)
        assert session is not None
        await built.blazz.stop()
        session.store.write_bytes(b"not a database any more" * 500)
        # a stop that had no time to fold the journal in would leave a whole copy of every page there
        session.store.with_name(session.store.name + "-wal").unlink(missing_ok=True)
        await built.blazz.start()
        row = await built.blazz.status(other.account_id, "failed", within_s=30)
        assert "damaged" in row["status_detail"] or "store_corrupt" in row["status_detail"]
        await built.blazz.status(built.number.account_id, "connected", within_s=30)
        await built.hears("still here")
