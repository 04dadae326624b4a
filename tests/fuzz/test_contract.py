"""The engine host under malformed calls: every one is answered, and the process, its session and its memory stay."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import itertools
import pkgutil
import random
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import psutil
import pytest
from google.protobuf.descriptor import MethodDescriptor

from blazz._generated import engine as contract
from blazz._generated.engine import engine_pb2 as pb
from blazz.engine_client import EngineProcess
from blazz.engine_client.client import SessionRef
from blazz.engine_client.errors import NotConnected
from tests.fuzz.mutation import SECONDS, Mutations
from tests.fuzz.requests import example, hostile
from tests.support.network import engine_options, heartbeats, simulated_network
from tests.support.waiting import eventually
from whatsim.network import Network

pytestmark = [pytest.mark.anyio, pytest.mark.engine]

SESSION = "fuzz"
# What a call may take: some ask WhatsApp, which here does not know every question.
_DEADLINE_S = 2.0
_MAX_GROWTH_MB = 250.0
# A heartbeat may end the process on purpose; the stream of events is listened to.
_LEFT_OUT = frozenset({"Heartbeat", "Events"})
# End the session on purpose, so they are about one that does not exist.
_ENDING = frozenset({"StopSession", "LogOut"})


def _methods() -> Iterator[MethodDescriptor]:
    """Every call of every service in the contract."""
    for module in pkgutil.iter_modules(contract.__path__):
        if module.name.endswith("_pb2"):
            file = importlib.import_module(f"{contract.__name__}.{module.name}").DESCRIPTOR
            for service in file.services_by_name.values():
                yield from (method for method in service.methods if method.name not in _LEFT_OUT)


class Stand:
    """An engine host with a linked session, and who takes its events."""

    def __init__(self, engine: EngineProcess, network: Network) -> None:
        self.engine = engine
        self.connected = asyncio.Event()
        self._network = network
        self._stream = engine.client.events()

    async def link(self, number: str, store: Path) -> None:
        """Start the session and link it; returns when it is connected."""
        ref = SessionRef(SESSION, 1)
        await self.engine.client.start_session(ref, store, use_qr=True, expect_linked=False, previous_owner_gone=True)
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            tasks = [group.create_task(self.take(number)), group.create_task(self._stream.run_answers())]
            await self.connected.wait()
            for task in tasks:
                task.cancel()

    async def take(self, number: str = "") -> None:
        """Answer every event; a QR code is scanned with the phone `number`."""
        async for batch in self._stream.batches():
            self._stream.answer(stored=[event.tag for event in batch])
            for event in batch:
                if event.HasField("qr") and number:
                    await self._network.link_qr(number, event.qr.code)
                if event.HasField("state") and event.state.state == pb.SESSION_STATE_CONNECTED:
                    self.connected.set()

    @contextlib.asynccontextmanager
    async def taking(self) -> AsyncIterator[None]:
        """Take events in the background."""
        tasks = [asyncio.create_task(self.take()), asyncio.create_task(self._stream.run_answers())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    async with simulated_network(tmp_path / "network") as network:
        engine = await EngineProcess.start(engine_options(network, tmp_path))
        async with heartbeats(engine):
            built = Stand(engine, network)
            number = (await network.create_phone()).number
            await network.create_phone("628110000002")
            store = (tmp_path / "sessions" / "workspace_a" / f"session_{SESSION}" / "store.1.db").resolve()
            await built.link(number, store)
            async with built.taking():
                yield built
        await engine.stop()


def _as_it_is(data: bytes) -> bytes:
    return data


async def _call(channel: grpc.aio.Channel, method: MethodDescriptor, request: bytes) -> str:
    """Make a call with bytes as they are; returns the name of its status."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    try:
        if method.server_streaming or method.client_streaming:
            stream: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(path, _as_it_is, _as_it_is)(
                iter([request]), timeout=_DEADLINE_S
            )
            await stream.read()
            stream.cancel()
        else:
            await channel.unary_unary(path, _as_it_is, _as_it_is)(request, timeout=_DEADLINE_S)
    except grpc.aio.AioRpcError as error:
        return error.code().name
    return "OK"


def _session_for(method: MethodDescriptor) -> str:
    return "other" if method.name in _ENDING else SESSION


async def test_calls_with_broken_bytes(stand: Stand) -> None:
    inputs = {
        method: Mutations(method.full_name, [example(method.input_type, "other").SerializeToString(), b""], share=0.5)
        for method in _methods()
    }
    channel = stand.engine.client.channel
    while drawn := [(method, data) for method, some in inputs.items() if (data := next(some, None)) is not None]:
        await asyncio.gather(*(_call(channel, method, data) for method, data in drawn))
        assert _runs(stand), [inputs[method].keep() for method, _ in drawn]
    await _is_whole(stand)


async def test_calls_with_hostile_values(stand: Stand) -> None:
    methods = list(_methods())
    assert len(methods) > 20
    seed = Mutations("values", [b""]).seed
    pick = random.Random(seed)
    process = psutil.Process(stand.engine.pid)
    before = process.memory_info().rss
    end = time.monotonic() + SECONDS
    for round_ in itertools.count():
        if time.monotonic() > end and round_:
            break
        requests = [(method, hostile(method.input_type, _session_for(method), pick)) for method in methods]
        calls = (_call(stand.engine.client.channel, method, made.SerializeToString()) for method, made in requests)
        statuses = await asyncio.gather(*calls)
        assert _runs(stand), f"the engine host ended in round {round_} of seed {seed}"
        assert "UNKNOWN" not in statuses, [
            (method.name, seed) for (method, _), status in zip(requests, statuses, strict=True) if status == "UNKNOWN"
        ]
    assert process.memory_info().rss - before < _MAX_GROWTH_MB * (1 << 20)
    await _is_whole(stand)


def _runs(stand: Stand) -> bool:
    try:
        return psutil.Process(stand.engine.pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def _is_whole(stand: Stand) -> None:
    """The host answers, and its session still sends; WhatsApp may have ended the connection for what it was told."""
    client = stand.engine.client
    assert (await client.hello()).pid == stand.engine.pid

    async def sent() -> bool:
        with contextlib.suppress(NotConnected):
            await client.send(SessionRef(SESSION, 1), "628110000002@s.whatsapp.net", "AFTERWARDS", b"\x0a\x05still")
            return True
        return False

    await eventually(sent, within_s=40.0, every_s=0.2, what="the session sends again")
