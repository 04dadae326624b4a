"""The engine host as a child: who it is, how it ends, what its calls tell apart."""

from __future__ import annotations

import asyncio
import os
import stat
import time
from pathlib import Path

import pytest

from blazz._generated.engine import engine_pb2 as pb
from blazz.engine_client import EngineError, EngineGone, EngineProcess, NotRunning, StaleEpoch, StoreMissing
from blazz.engine_client.client import SessionRef
from blazz.kit.errors import BlazzError
from blazz.kit.time import boottime_ns
from tests.support.network import alive, engine_options, heartbeats, simulated_network

pytestmark = [pytest.mark.anyio, pytest.mark.engine]


def store(directory: Path, name: str, epoch: int) -> Path:
    return (directory / "sessions" / "workspace_a" / f"session_{name}" / f"store.{epoch}.db").resolve()


async def test_a_started_engine_answers_with_its_own_pid_on_a_private_socket(tmp_path: Path) -> None:
    async with simulated_network(tmp_path / "network") as network:
        engine = await EngineProcess.start(engine_options(network, tmp_path))
        try:
            hello = await engine.client.hello()
            assert hello.pid == engine.pid
            assert hello.network_id == network.network_id
            directory = engine._directory
            assert stat.S_IMODE(directory.stat().st_mode) == 0o700
            assert len(os.fsencode(next(directory.glob("*.sock")))) <= 104
        finally:
            await engine.stop()
        assert not alive(engine.pid)
        assert not directory.exists()


async def test_the_engine_goes_when_its_parents_pipe_closes(tmp_path: Path) -> None:
    async with simulated_network(tmp_path / "network") as network:
        engine = await EngineProcess.start(engine_options(network, tmp_path))
        assert engine._process.stdin is not None
        engine._process.stdin.close()
        async with asyncio.timeout(10):
            assert await engine.exited() != 0
        await engine.kill()


async def test_an_engine_without_heartbeats_ends_at_its_deadline(tmp_path: Path) -> None:
    async with simulated_network(tmp_path / "network") as network:
        engine = await EngineProcess.start(engine_options(network, tmp_path))
        await engine.client.heartbeat(boottime_ns() + 2_000_000_000)
        async with asyncio.timeout(5):
            assert await engine.exited() != 0
        with pytest.raises(EngineGone):
            await engine.client.heartbeat(boottime_ns() + 2_000_000_000)
        await engine.kill()


async def test_calls_tell_causes_apart(tmp_path: Path) -> None:
    async with simulated_network(tmp_path / "network") as network:
        engine = await EngineProcess.start(engine_options(network, tmp_path))
        client = engine.client
        async with heartbeats(engine):
            with pytest.raises(NotRunning):
                await client.send(SessionRef("a", 1), "1@s.whatsapp.net", "ID", b"\n\x01a")
            with pytest.raises(StoreMissing):
                await client.start_session(
                    SessionRef("a", 1),
                    store(tmp_path, "a", 1),
                    use_qr=True,
                    expect_linked=True,
                    previous_owner_gone=True,
                )
            await client.start_session(
                SessionRef("a", 3), store(tmp_path, "a", 3), use_qr=True, expect_linked=False, previous_owner_gone=True
            )
            with pytest.raises(StaleEpoch):
                await client.stop_session(SessionRef("a", 2))
            with pytest.raises(EngineError) as refused:
                await client.start_session(
                    SessionRef("b", 1), tmp_path / "b.db", use_qr=True, expect_linked=False, previous_owner_gone=True
                )
            assert refused.value.word == "invalid"
        await engine.stop()


async def test_unanswered_states_come_again_on_a_new_stream(tmp_path: Path) -> None:
    async with simulated_network(tmp_path / "network") as network:
        engine = await EngineProcess.start(engine_options(network, tmp_path))
        async with heartbeats(engine):
            await engine.client.start_session(
                SessionRef("a", 1), store(tmp_path, "a", 1), use_qr=True, expect_linked=False, previous_owner_gone=True
            )
            first = await _first_state(engine)
            again = await _first_state(engine)
            assert first.tag == again.tag
            assert first.state.state == pb.SESSION_STATE_CONNECTING
        await engine.stop()


async def _first_state(engine: EngineProcess) -> pb.Event:
    stream = engine.client.events()
    async with asyncio.timeout(10):
        async for batch in stream.batches():
            for event in batch:
                if event.HasField("state"):
                    stream.cancel()
                    return event
    raise AssertionError("the stream ended")


async def test_a_missing_program_is_said_in_words(tmp_path: Path) -> None:
    async with simulated_network(tmp_path / "network") as network:
        options = engine_options(network, tmp_path)
        wrong = type(options)(tmp_path / "none", options.sessions_dir, options.media_dir, options.network)
        with pytest.raises(BlazzError, match="cannot be run"):
            await EngineProcess.start(wrong)
        foreign = type(options)(
            options.binary, options.sessions_dir, options.media_dir, options.network, extra=("--nonsense",)
        )
        with pytest.raises(BlazzError, match="ended while starting"):
            await EngineProcess.start(foreign)


async def test_a_session_that_is_still_connecting_stops_at_once(tmp_path: Path) -> None:
    async with simulated_network(tmp_path / "network") as network:
        engine = await EngineProcess.start(engine_options(network, tmp_path))
        try:
            async with heartbeats(engine):
                for number in range(12):
                    ref = SessionRef(f"s{number}", 1)
                    path = store(tmp_path, ref.session_id, 1)
                    await engine.client.start_session(
                        ref, path, use_qr=True, expect_linked=False, previous_owner_gone=True
                    )
                    await asyncio.sleep(number * 0.002)  # at another step of the handshake each time
                    began = time.monotonic()
                    await engine.client.stop_session(ref)
                    assert time.monotonic() - began < 2
        finally:
            await engine.stop()
