"""The baseline: the engine host alone, driven by its own contract, nothing stored in between."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc

from benchmarks.http import LeanClient
from benchmarks.stand import ROOT, Child, poll
from blazz._generated.engine import engine_pb2 as pb
from blazz._generated.engine import engine_pb2_grpc as rpc
from blazz.kit.ids import whatsapp_message_id
from blazz.kit.time import boottime_ns


class BareEngine:
    """One engine host with its event stream acknowledged at once."""

    def __init__(self, network: dict[str, Any], directory: Path, sessions: Path) -> None:
        self._directory = directory
        # a Unix socket's path is limited to about 100 bytes, so it does not live in a deep directory
        self._socket_dir = Path(tempfile.mkdtemp(prefix="blazz-bare-"))
        socket = self._socket_dir / f"{secrets.token_hex(4)}.sock"
        media = directory / "bare-media"
        for path in (sessions, media):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._sessions_dir = sessions
        self.child = Child(
            [str(ROOT / "build" / "blazz-engine"), "serve", "--socket", str(socket)]
            + ["--sessions-dir", str(sessions), "--media-dir", str(media)]
            + ["--network", "simulated", "--network-address", network["wire"], "--network-ca", network["ca"]]
            + ["--network-root-key", network["root_key"], "--network-id", network["network_id"]],
            log=directory / "bare.log",
        )
        self._channel = grpc.aio.insecure_channel(
            f"unix:{socket}", options=[("grpc.max_receive_message_length", 64 << 20)]
        )
        self.stub: Any = rpc.EngineStub(self._channel)
        self._tasks: list[asyncio.Task[None]] = []
        self._qr: dict[str, str] = {}
        self._connected: set[str] = set()
        self.messages = 0

    async def __aenter__(self) -> Self:
        await self.child.start()
        self._tasks = [asyncio.create_task(self._beat()), asyncio.create_task(self._read())]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._channel.close()
        await self.child.stop(signal.SIGTERM)

    async def _beat(self) -> None:
        while True:
            await self.stub.Heartbeat(pb.HeartbeatRequest(deadline_boottime_ns=boottime_ns() + 6_000_000_000))
            await asyncio.sleep(1.5)

    async def _read(self) -> None:
        stream = self.stub.Events()
        async for batch in stream:
            tags = []
            for event in batch.events:
                if event.needs_ack:
                    tags.append(event.tag)
                kind = event.WhichOneof("body")
                if kind == "qr":
                    self._qr[event.session_id] = event.qr.code
                elif kind == "state" and event.state.state == pb.SESSION_STATE_CONNECTED:
                    self._connected.add(event.session_id)
                elif kind == "message":
                    self.messages += 1
            if tags:
                await stream.write(pb.EventAck(stored=tags))

    async def link_many(self, phones: LeanClient, count: int, *, at_once: int = 8) -> None:
        """Link `count` sessions named `s1`.. to fresh phones."""
        gate = asyncio.Semaphore(at_once)

        async def one(index: int) -> None:
            name, number = f"s{index}", f"62813{index:07d}"
            async with gate:
                await phones.json("POST", "/phones", {"number": number})
                store = self._sessions_dir / name / "store.1.db"
                store.parent.mkdir(mode=0o700, exist_ok=True)
                request = pb.StartSessionRequest(session_id=name, epoch=1, store_path=str(store), use_qr=True)
                await self.stub.StartSession(request)
                await poll(lambda: _value(self._qr.get(name)), 20)
                await phones.json("POST", f"/phones/{number}/link", {"qr": self._qr[name]})
                await poll(lambda: _value(name in self._connected), 30)

        await asyncio.gather(*(one(index) for index in range(1, count + 1)))

    async def send_rate(self, sessions: int, recipients: list[str], total: int, callers: int) -> float:
        """Send `total` texts with `callers` concurrent callers; returns acknowledged messages a second."""
        from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import Message

        numbers = iter(range(total))

        async def caller() -> None:
            for number in numbers:
                await self.stub.Send(
                    pb.SendRequest(
                        session_id=f"s{number % sessions + 1}",
                        epoch=1,
                        to=f"{recipients[number % len(recipients)]}@s.whatsapp.net",
                        message_id=whatsapp_message_id(),
                        message=Message(conversation=f"bare {number}").SerializeToString(),
                    ),
                    timeout=60,
                )

        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(callers):
                group.create_task(caller())
        return total / (time.perf_counter() - began)


async def _value(value: Any) -> Any:
    return value


@contextlib.asynccontextmanager
async def bare_engine(network: dict[str, Any], directory: Path) -> Any:
    """Start a bare engine host beside a running simulated network."""
    async with BareEngine(network, directory, directory / "bare") as engine:
        yield engine
