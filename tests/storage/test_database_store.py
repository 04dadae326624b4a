"""Session stores in PostgreSQL: numbers live, die and move without any directory; nobody writes under an old epoch."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from blazz.accounts.tables import accounts
from blazz.cli.verify import findings
from blazz.engine_client import EngineError, EngineProcess
from blazz.engine_client.client import SessionRef
from blazz.kit.db import Platform, Tx
from blazz.kit.db.urls import libpq_url
from blazz.kit.errors import BlazzError
from blazz.kit.ids import uuid7
from blazz.kit.settings import Settings
from blazz.kit.time import utc_now
from blazz.sessions.registry import Registry, Session
from blazz.sessions.storage.database import DatabaseStorageChore, database_address, require_kind
from blazz.sessions.storage.repository import set_rows_aside
from tests.support.cluster import ClusterStand, Number, cluster_stand
from tests.support.databases import Servers, open_database
from tests.support.network import engine_options, heartbeats, simulated_network
from tests.support.rows import make_workspaces
from tests.support.waiting import eventually
from tools.setup.toolchains import find_go, go_environment
from whatsim.model import FaultSpec

pytestmark = [pytest.mark.anyio, pytest.mark.engine, pytest.mark.database, pytest.mark.timeout(240)]
_SCOPE = Platform("test")


# -- the engine host alone ------------------------------------------------------------------------------------------


@pytest.fixture
def address(database_servers: Servers) -> Iterator[str]:
    """An empty database."""
    with database_servers.empty("postgresql") as url:
        yield libpq_url(url)


@pytest.fixture
def migrated_address(database_servers: Servers) -> Iterator[str]:
    """A database with this version's schema and no rows."""
    with database_servers.migrated("postgresql") as url:
        yield url


async def start_host(parts: contextlib.AsyncExitStack, directory: Path, address: str) -> EngineProcess:
    """Start an engine host that keeps its stores at `address`; its network is away."""
    async with simulated_network(directory / "network") as network:
        options = engine_options(network, directory)
    process = await EngineProcess.start(
        replace(
            options,
            sessions_dir=directory / "none",
            extra=("--session-store", "database", "--store-timeout", "8s"),
            environment={"BLAZZ_SESSION_DATABASE_URL": address},
        )
    )
    parts.push_async_callback(process.stop)
    await parts.enter_async_context(heartbeats(process))
    return process


async def begin(host: EngineProcess, name: str, epoch: int, *, linked: bool = False) -> None:
    await host.client.start_session(
        SessionRef(name, epoch), Path("/none"), use_qr=True, expect_linked=linked, previous_owner_gone=False
    )


async def refused(host: EngineProcess, name: str, epoch: int, *, linked: bool = False) -> str:
    with pytest.raises(EngineError) as refusal:
        await begin(host, name, epoch, linked=linked)
    return refusal.value.word


async def test_a_store_opens_under_rising_epochs_only_on_whichever_host(tmp_path: Path, address: str) -> None:
    async with contextlib.AsyncExitStack() as parts:
        one = await start_host(parts, tmp_path / "one", address)
        network_id = (await one.client.hello()).network_id
        await begin(one, "a", 4)
        await one.client.stop_session(SessionRef("a", 4))
        await begin(one, "a", 4)
        assert await refused(one, "none", 1, linked=True) == "store_missing"
        two = await start_host(parts, tmp_path / "two", address)
        assert (await two.client.hello()).network_id != network_id
        assert await refused(two, "a", 5) == "network_mismatch"
        assert not (tmp_path / "one" / "none").exists(), "no directory is made"


async def test_a_host_that_has_lost_a_session_does_not_get_it_back(tmp_path: Path, address: str) -> None:
    async with contextlib.AsyncExitStack() as parts:
        network = await parts.enter_async_context(simulated_network(tmp_path / "network"))
        hosts = []
        for name in ("old", "new"):
            options = engine_options(network, tmp_path / name)
            options = replace(
                options,
                extra=("--session-store", "database"),
                environment={"BLAZZ_SESSION_DATABASE_URL": address},
            )
            hosts.append(await EngineProcess.start(options))
            parts.push_async_callback(hosts[-1].stop)
            await parts.enter_async_context(heartbeats(hosts[-1]))
        old, new = hosts
        said: list[str] = []

        async def listen() -> None:
            async for batch in old.client.events().batches():
                said.extend(event.state.detail for event in batch if event.WhichOneof("body") == "state")

        listening = asyncio.create_task(listen())
        await begin(old, "a", 1)
        await begin(new, "a", 2)
        network.add_fault(FaultSpec("drop_connection"))
        await eventually(lambda: any(text.startswith("stale_epoch") for text in said), what="the old host gives it up")
        assert (await old.client.stats()).sessions == 0
        assert await refused(old, "a", 1) == "stale_epoch"
        assert (await new.client.stats()).sessions == 1
        listening.cancel()


async def test_a_database_that_is_away_fails_sessions_and_not_the_host(tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as parts:
        host = await start_host(parts, tmp_path, "postgresql://blazz:secret@127.0.0.1:1/blazz?sslmode=disable")
        with pytest.raises(EngineError) as refusal:
            await begin(host, "a", 1)
        assert refusal.value.word == "store_failure"
        assert "secret" not in str(refusal.value)
        assert (await host.client.stats()).sessions == 0


async def test_only_postgresql_is_taken(tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as parts:
        with pytest.raises(BlazzError, match="session_store_unsupported") as refusal:
            await start_host(parts, tmp_path, "mysql://root:secret@localhost/blazz")
        assert "secret" not in refusal.value.detail
    for url in (None, "mariadb://root@localhost/blazz", "mysql://root@localhost/blazz"):
        with pytest.raises(BlazzError, match="PostgreSQL") as unsupported:
            database_address(Settings(database_url=url, session_store="database"))
        assert unsupported.value.code == "session_store_unsupported"
    assert libpq_url("postgres://me:p%40ss@db:5433/x?ssl=true&ssl_ca=/ca.pem&prepared=no") == (
        "postgresql://me:p%40ss@db:5433/x?sslmode=require&sslrootcert=%2Fca.pem"
    )


@pytest.mark.slow
async def test_the_engine_hosts_own_tests_of_the_fence_pass_on_this_server(address: str) -> None:
    """Races of epochs, frozen and late writers: they need the inside of the engine host and a real server."""
    process = await asyncio.create_subprocess_exec(
        *("go", "test", "-count=1", "./internal/dbstore"),
        cwd=Path(__file__).parents[2] / "engine-host",
        env={**go_environment(find_go()), "BLAZZ_TEST_POSTGRES_URL": address},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(process.communicate(), 230)
    assert process.returncode == 0, said.decode()


# -- a cluster without a shared directory ---------------------------------------------------------------------------


async def test_numbers_survive_their_instance_without_a_shared_directory(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    async with cluster_stand(tmp_path, session_store="database", sessions_dir=nowhere, lease_s=3, renew_s=0.5) as stand:
        numbers = await stand.link_many(3)
        customer = await stand.customer()
        pairings = {number.phone: stand.network.get_phone(number.phone).devices[0].id for number in numbers}
        async with writing(stand, customer, numbers):
            owner = await stand.owner_of(numbers[0])
            await owner.kill("engine")
            await eventually(lambda: owner.find_engine() is not None, what="another engine host")
            await stand.connected(numbers)
        await all_arrived(stand)

        async with writing(stand, customer, numbers):
            owner = await stand.owner_of(numbers[0])
            left = [number for number in numbers if await stand.owner_of(number) is owner]
            await owner.kill("both")
            await stand.moved(left, owner)
        await all_arrived(stand)

        assert stand.database_server is not None
        async with writing(stand, customer, numbers):
            await stand.database_server.kill()
            await stand.database_server.restart()
            await stand.connected(numbers)
        await all_arrived(stand)

        for number in numbers:
            (device,) = stand.network.get_phone(number.phone).devices
            assert device.id == pairings[number.phone], "nobody had to link again"
        assert not nowhere.exists()
        await looks_right_to_operators(stand, numbers, nowhere)
        await leaves_its_pairing_behind(stand, numbers[0])


@contextlib.asynccontextmanager
async def writing(stand: ClusterStand, customer: str, numbers: list[Number]) -> AsyncIterator[None]:
    """Write both ways between the customer and all numbers, until the block ends."""
    done = asyncio.Event()

    async def write() -> None:
        for number in itertools.cycle(numbers):
            if done.is_set():
                return
            await stand.traffic.customer_writes(customer, number, 2)
            await stand.traffic.we_write(number, customer, 2)

    async with asyncio.TaskGroup() as group:
        group.create_task(write())
        try:
            yield
        finally:
            done.set()


async def all_arrived(stand: ClusterStand) -> None:
    (await stand.traffic.complete()).expect_nothing_lost()


async def looks_right_to_operators(stand: ClusterStand, numbers: list[Number], nowhere: Path) -> None:
    url = str(stand.roles["gateway-0"].environment()["BLAZZ_DATABASE_URL"])
    assert await asyncio.to_thread(findings, url, nowhere, in_database=True) == []
    with pytest.raises(BlazzError, match="BLAZZ_SESSION_STORE=database") as changed:
        await require_kind(stand.database, Settings(database_url=url))
    assert changed.value.code == "session_store_changed"
    await require_kind(stand.database, Settings(database_url=url, session_store="database"))

    registry = Registry()
    for number in numbers:
        registry.add(Session(number.id, number.workspace.id, 1, nowhere, linked=True))
    assert await DatabaseStorageChore(stand.database, registry, nowhere).measure_all() == len(numbers)

    def stored(tx: Tx) -> list[tuple[str, int, bool]]:
        names = ("session_storage_path", "session_file_size_bytes", "session_storage_verified_at")
        rows = [tx.one(accounts.select().where(accounts.c.id == number.id)) for number in numbers]
        return [(row[names[0]], row[names[1]], row[names[2]] is not None) for row in rows if row is not None]

    for path, size, verified in await stand.database.read(_SCOPE, stored):
        assert path.startswith("blazz_sessions/s")
        assert 1000 < size < 2_000_000
        assert verified


async def leaves_its_pairing_behind(stand: ClusterStand, number: Number) -> None:
    """A number that is logged out has no pairing any more, and what it had is kept aside while it is linked again."""
    path, headers = f"/accounts/{number.account_id}", number.workspace.headers
    await stand.api.insist("POST", f"{path}/logout", {}, headers=headers)

    def aside(tx: Tx) -> tuple[int, int]:
        kept = tx.scalar(text("SELECT count(*) FROM blazz_sessions.removed_stores"))
        return int(kept), int(tx.scalar(text("SELECT count(*) FROM blazz_sessions.whatsmeow_device")))

    async def kept() -> bool:
        return await stand.database.read(_SCOPE, aside) == (1, 3)

    await eventually(kept, what="the old pairing is kept aside")
    await stand.api.insist("POST", f"{path}/connect", {}, headers=headers)

    async def code() -> str | None:
        answer = await stand.api.request("GET", f"{path}/qr", headers=headers)
        return str(answer.json()["code"]) if answer.status_code == 200 else None

    shown = await eventually(code, within_s=30, what="a QR code")
    await stand.network.link_qr(number.phone, str(shown))
    await stand.connected([number])
    assert await stand.database.read(_SCOPE, aside) == (1, 4)

    # what an instance does when WhatsApp cannot be told of the end of a pairing
    await stand.api.insist("POST", f"{path}/disconnect", {}, headers=headers)
    epoch = (await stand.assignment(number)).epoch
    await stand.database.write(_SCOPE, set_rows_aside, number.id, epoch - 1)
    assert await stand.database.read(_SCOPE, aside) == (1, 4), "a former owner has no say"
    await stand.database.write(_SCOPE, set_rows_aside, number.id, epoch)
    assert await stand.database.read(_SCOPE, aside) == (2, 4)


async def test_pairings_in_files_are_not_looked_for_in_the_database(migrated_address: str) -> None:
    url = migrated_address
    async with open_database(url) as database:
        (workspace_id,) = await make_workspaces(database, 1)
        for kind in ("files", "database"):
            await require_kind(database, Settings(database_url=url, session_store=kind))

        def add_number(tx: Tx) -> None:
            named = {"id": uuid7(), "workspace_id": workspace_id, "name": "Shop", "provider": "whatsapp_web"}
            rest = {
                "jid": "628:1@s.whatsapp.net",
                "status": "connected",
                "status_since": utc_now(),
                "created_at": utc_now(),
                "is_primary": True,
            }
            tx.execute(accounts.insert(), {**named, **rest, "qr_starts": [], "session_restore_count": 0})

        await database.write(_SCOPE, add_number)
        await require_kind(database, Settings(database_url=url))
        with pytest.raises(BlazzError, match="BLAZZ_SESSION_STORE=files") as changed:
            await require_kind(database, Settings(database_url=url, session_store="database"))
        assert changed.value.code == "session_store_changed"
