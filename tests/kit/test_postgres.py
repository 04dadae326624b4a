"""The private PostgreSQL server: it keeps what it acknowledged, belongs to one parent, and ends with it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]
import psutil
import pytest
from sqlalchemy import make_url

from blazz.kit.errors import BlazzError
from blazz.kit.postgres import PrivatePostgres
from tests.support.waiting import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.database]

# What a parent does that is killed with kill -9: start, acknowledge rows for as long as it lives.
_PARENT = """
import asyncio, sys
from pathlib import Path
import asyncpg
from blazz.kit.postgres import PrivatePostgres

async def main():
    server = await PrivatePostgres.start(Path(sys.argv[1]))
    connection = await asyncpg.connect(host=sys.argv[2], user="blazz", database="blazz")
    await connection.execute("CREATE TABLE acknowledged (number int PRIMARY KEY)")
    print(server.pid, flush=True)
    for number in range(1_000_000):
        await connection.execute("INSERT INTO acknowledged VALUES ($1)", number)
        print(number, flush=True)

asyncio.run(main())
"""


@asynccontextmanager
async def connected(server: PrivatePostgres) -> AsyncIterator[asyncpg.Connection]:
    url = make_url(server.url)
    connection = await asyncpg.connect(host=str(url.query["host"]), user=url.username, database=url.database)
    try:
        yield connection
    finally:
        await connection.close()


async def acknowledged(server: PrivatePostgres) -> int:
    async with connected(server) as connection:
        return int(await connection.fetchval("SELECT coalesce(max(number), -1) FROM acknowledged"))


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_rows_are_there_after_a_stop_and_a_start(tmp_path: Path) -> None:
    server = await PrivatePostgres.start(tmp_path / "pg")
    async with connected(server) as connection:
        await connection.execute("CREATE TABLE notes (body text)")
        await connection.execute("INSERT INTO notes VALUES ('kept')")
    pid = server.pid
    await server.stop()
    await server.stop()
    assert not alive(pid)
    assert not server.running

    server = await PrivatePostgres.start(tmp_path / "pg")
    async with connected(server) as connection:
        assert await connection.fetchval("SELECT body FROM notes") == "kept"
    await server.stop()


async def test_commits_are_durable_and_only_the_socket_lets_in(tmp_path: Path) -> None:
    server = await PrivatePostgres.start(tmp_path / "pg")
    try:
        async with connected(server) as connection:
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                assert await connection.fetchval(f"SHOW {setting}") == "on"
            assert await connection.fetchval("SHOW listen_addresses") == ""
            assert await connection.fetchval("SHOW server_encoding") == "UTF8"
        url = make_url(server.url)
        with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
            await asyncpg.connect(host=str(url.query["host"]), user="postgres", database="blazz")
        directory = Path(str(url.query["host"]))
        assert directory.stat().st_mode & 0o077 == 0
        assert (tmp_path / "pg" / "data").stat().st_uid != 0, "PostgreSQL does not run as root"
    finally:
        await server.stop()


async def test_a_second_server_on_the_same_data_is_refused(tmp_path: Path) -> None:
    server = await PrivatePostgres.start(tmp_path / "pg")
    try:
        with pytest.raises(BlazzError) as caught:
            await PrivatePostgres.start(tmp_path / "pg")
        assert caught.value.code == "database_in_use"
        assert str(server.pid) in caught.value.detail
        async with connected(server) as connection:
            assert await connection.fetchval("SELECT 1") == 1
    finally:
        await server.stop()


async def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(BlazzError) as caught:
        await PrivatePostgres.start(tmp_path / "pg", settings={"shared_buffers": "none"})
    assert caught.value.code == "postgres_unavailable"
    assert "shared_buffers" in caught.value.detail
    server = await PrivatePostgres.start(tmp_path / "pg")  # and nothing of it is left
    await server.stop()


async def test_data_of_another_major_version_is_refused_with_the_way_out(tmp_path: Path) -> None:
    server = await PrivatePostgres.start(tmp_path / "pg")
    await server.stop()
    version = tmp_path / "pg" / "data" / "PG_VERSION"
    before = version.read_text()
    version.write_text("17\n")
    with pytest.raises(BlazzError) as caught:
        await PrivatePostgres.start(tmp_path / "pg")
    assert "made by PostgreSQL 17" in caught.value.detail
    version.write_text(before)
    await (await PrivatePostgres.start(tmp_path / "pg")).stop()


async def test_a_path_that_is_too_long_for_a_socket_is_no_obstacle(tmp_path: Path) -> None:
    server = await PrivatePostgres.start(tmp_path / ("long" * 30) / "pg")
    async with connected(server) as connection:
        assert await connection.fetchval("SELECT 1") == 1
    sockets = Path(str(make_url(server.url).query["host"]))
    await server.stop()
    assert not sockets.exists()


async def test_initialising_that_was_cut_off_is_begun_again(tmp_path: Path) -> None:
    (tmp_path / "pg" / "data.new" / "base").mkdir(parents=True)
    (tmp_path / "pg" / "data.new" / "PG_VERSION").write_text("18")
    server = await PrivatePostgres.start(tmp_path / "pg")
    await server.stop()


@pytest.mark.parametrize("also_the_server", [False, True])
async def test_kill_of_the_parent_ends_the_server_and_loses_nothing(tmp_path: Path, also_the_server: bool) -> None:
    directory = tmp_path / "pg"
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _PARENT, str(directory), str(directory / "socket")),
        stdout=asyncio.subprocess.PIPE,
    )
    assert parent.stdout is not None
    pid = int(await parent.stdout.readline())
    told = -1
    while told < 50:
        told = int(await parent.stdout.readline())
    if also_the_server:
        os.kill(pid, signal.SIGKILL)  # as a power cut: no shutdown, the log is recovered
    parent.kill()
    *_, last = [told, *map(int, (await parent.stdout.read()).split())]
    await parent.wait()

    server = await PrivatePostgres.start(directory)  # waits for the end of the other
    assert not alive(pid)
    assert await acknowledged(server) >= last
    await server.stop()


async def test_end_of_the_server_is_noticed_and_it_can_be_started_again(tmp_path: Path) -> None:
    server = await PrivatePostgres.start(tmp_path / "pg")
    os.kill(server.pid, signal.SIGKILL)
    async with asyncio.timeout(10):
        assert await server.wait() != 0
    await server.restart()
    async with connected(server) as connection:
        assert await connection.fetchval("SELECT 1") == 1
    await server.stop()


async def test_number_of_a_past_server_taken_by_another_process_is_no_obstacle(tmp_path: Path) -> None:
    server = await PrivatePostgres.start(tmp_path / "pg")
    os.kill(server.pid, signal.SIGKILL)
    await server.wait()
    await server.stop()
    recorded = tmp_path / "pg" / "data" / "postmaster.pid"
    lines = recorded.read_text().splitlines()
    # as after a restart of a container, where numbers begin again
    recorded.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    again = await PrivatePostgres.start(tmp_path / "pg")
    await again.stop()


async def test_stop_closes_connections_that_are_open(tmp_path: Path) -> None:
    server = await PrivatePostgres.start(tmp_path / "pg")
    async with connected(server) as connection:
        await connection.execute("BEGIN")
        async with asyncio.timeout(10):
            await server.stop()
        await eventually(connection.is_closed)
