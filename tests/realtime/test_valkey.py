"""Valkey carries hints between processes; without it everything still works."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from blazz.events.ephemeral import EphemeralEvent, Ephemerals
from blazz.events.wakeups import Wakeups
from blazz.kit.valkey import PrivateValkey
from blazz.realtime.valkey import ValkeyBridge
from tests.support.waiting import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.database]


@pytest.fixture
async def valkey(tmp_path: Path) -> AsyncIterator[PrivateValkey]:
    server = await PrivateValkey.start(tmp_path / "run")
    assert server.url is not None
    yield server
    await server.stop()


def other_process(url: str, code: str) -> None:
    """Publish from another process."""
    program = f"""
import asyncio, uuid
from blazz.events.ephemeral import EphemeralEvent, Ephemerals
from blazz.events.wakeups import Wakeups
from blazz.realtime.valkey import ValkeyBridge
async def main():
    bridge = ValkeyBridge({url!r})
    await bridge.start()
    await asyncio.wait_for(bridge.connected.wait(), 10)
    {code}
    while not bridge._out.empty():
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    await bridge.stop()
asyncio.run(main())
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60, env=environment)


async def test_socket_is_private_and_gone_after_stop(tmp_path: Path) -> None:
    server = await PrivateValkey.start(tmp_path / "run")
    assert server.url is not None
    socket = Path(server.url.removeprefix("unix://"))
    assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
    await server.stop()
    await server.stop()
    assert not socket.parent.exists()


async def test_hints_of_another_process_arrive(valkey: PrivateValkey) -> None:
    assert valkey.url is not None
    workspace = uuid.uuid4()
    seen: list[EphemeralEvent] = []
    end = Ephemerals.shared().subscribe(workspace, seen.append)
    news, topic = Wakeups.shared().subscribe(workspace), Wakeups.shared().subscribe("outbox:1")
    bridge = ValkeyBridge(valkey.url)
    await bridge.start()
    try:
        await asyncio.wait_for(bridge.connected.wait(), 10)
        code = (
            f"workspace = uuid.UUID('{workspace}'); Wakeups.shared().notify(workspace); "
            "Wakeups.shared().notify('outbox:1'); "
            "Ephemerals.shared().publish(EphemeralEvent(workspace, 'typing', None, {'a': 1}))"
        )
        await asyncio.to_thread(other_process, valkey.url, code)
        await eventually(lambda: news.is_set() and topic.is_set() and seen)
    finally:
        end()
        Wakeups.shared().unsubscribe(workspace, news)
        Wakeups.shared().unsubscribe("outbox:1", topic)
        await bridge.stop()
    assert seen == [EphemeralEvent(workspace, "typing", None, {"a": 1})]


async def test_own_hints_do_not_come_back(valkey: PrivateValkey) -> None:
    assert valkey.url is not None
    workspace = uuid.uuid4()
    seen: list[EphemeralEvent] = []
    end = Ephemerals.shared().subscribe(workspace, seen.append)
    bridge = ValkeyBridge(valkey.url)
    await bridge.start()
    try:
        await asyncio.wait_for(bridge.connected.wait(), 10)
        Ephemerals.shared().publish(EphemeralEvent(workspace, "typing", None, {}))
        other = "Ephemerals.shared().publish(EphemeralEvent(uuid.UUID('{}'), 'presence', None, {{}}))"
        await asyncio.to_thread(other_process, valkey.url, other.format(workspace))
        await eventually(lambda: len(seen) >= 2)
    finally:
        end()
        await bridge.stop()
    assert [event.name for event in seen] == ["typing", "presence"]


async def test_bridge_survives_a_killed_server_and_finds_it_again(tmp_path: Path) -> None:
    server = await PrivateValkey.start(tmp_path / "run")
    assert server.url is not None
    bridge = ValkeyBridge(server.url)
    await bridge.start()
    try:
        await asyncio.wait_for(bridge.connected.wait(), 10)
        for process in _servers(server):
            process.send_signal(signal.SIGKILL)
        await eventually(lambda: not bridge.connected.is_set())
        Wakeups.shared().notify(uuid.uuid4())  # nobody is told, nothing breaks
    finally:
        await bridge.stop()
        await server.stop()


async def test_server_ends_with_a_killed_parent(tmp_path: Path) -> None:
    program = f"""
import asyncio, os
from pathlib import Path
from blazz.kit.valkey import PrivateValkey
async def main():
    server = await PrivateValkey.start(Path({str(tmp_path / "run")!r}))
    print(server.url, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, env=environment, text=True)
    assert parent.stdout is not None
    url = await asyncio.to_thread(parent.stdout.readline)
    assert url.startswith("unix://")
    servers = [child for child in psutil.Process(parent.pid).children(recursive=True) if "valkey" in child.name()]
    assert servers
    parent.kill()
    parent.wait()
    await eventually(lambda: not any(server.is_running() and server.status() != "zombie" for server in servers))


def _servers(server: PrivateValkey) -> list[psutil.Process]:
    assert server.url is not None
    place = server.url.removeprefix("unix://")
    children = psutil.Process().children(recursive=True)
    return [child for child in children if place in " ".join(child.cmdline()) or "valkey-server" in child.name()]
