"""Baileys as a linked device of a simulated phone, in a Node process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from tools.setup import paths
from tools.setup.toolchains import find_node, node_environment
from whatsim.network import Network

DIRECTORY = paths.SECOND_CLIENT
# A picture of everything that it does takes room; a line is one JSON document.
_MAX_LINE = 16 << 20
_ANSWER_S = 20.0

Event = dict[str, Any]


class Peer:
    """The running client. What happens by itself is kept in `events`, oldest first."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.events: list[Event] = []
        self._process = process
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._changed = asyncio.Condition()
        self._task = asyncio.create_task(self._read())

    async def ask(self, action: str, **arguments: Any) -> Any:
        """Do something (see `actions` in client.js); returns its result. Raises AssertionError when it fails."""
        number = next(self._ids)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"id": number, "do": action, **arguments}).encode() + b"\n")
        async with asyncio.timeout(_ANSWER_S):
            return await answer

    async def link(self, network: Network, number: str) -> None:
        """Become a linked device of this phone; returns once it is online."""
        await self.ask("connect")
        shown = await self.event(lambda event: event["event"] == "qr")
        await network.link_qr(number, shown["qr"])
        await self.event(lambda event: event["event"] == "connection" and event["state"] == "open")

    async def event(self, matches: Callable[[Event], Any], within_s: float = 15.0) -> Event:
        """Return the first event that matches, waiting for it if needed."""
        try:
            async with asyncio.timeout(within_s), self._changed:
                await self._changed.wait_for(lambda: any(map(matches, self.events)) or self._task.done())
        except TimeoutError:
            raise AssertionError(f"not among {self.events[-8:]}") from None
        found = next((event for event in self.events if matches(event)), None)
        assert found is not None, "the client ended"
        return found

    async def message(self, message_id: str) -> Event:
        """Return a received message, in the client's own terms."""
        return await self.event(lambda event: event["event"] == "message" and event["key"]["id"] == message_id)

    async def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5):
                await self._process.wait()
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        await self._task

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            document = json.loads(line)
            if "event" in document:
                async with self._changed:
                    self.events.append(document)
                    self._changed.notify_all()
                continue
            answer = self._answers.pop(document["id"])
            if answer.done():
                continue
            if "error" in document:
                answer.set_exception(AssertionError(document["error"]))
            else:
                answer.set_result(document["result"])
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(AssertionError("the client ended"))


def require_baileys() -> None:
    """Skip the test where set-up could not install the client."""
    if not (DIRECTORY / "node_modules" / "@whiskeysockets" / "baileys").is_dir():
        pytest.skip("Baileys is not installed (make setup installs it where npm can)")


async def start(**environment: str) -> Peer:
    """Start the client, not yet connected to anything."""
    variables = node_environment(find_node())
    for name in list(variables):
        # Its downloads would go through a proxy of the environment, past the simulated network.
        if name.lower().endswith("_proxy"):
            del variables[name]
    process = await asyncio.create_subprocess_exec(
        "node",
        "client.js",
        cwd=DIRECTORY,
        env={**variables, **environment},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_MAX_LINE,
    )
    return Peer(process)


async def dictionary(directory: Path) -> Path:
    """Write the client's own token dictionary and return the file."""
    peer = await start()
    try:
        words = await peer.ask("dictionary")
    finally:
        await peer.close()
    file = directory / f"tokens-{words['version']}.json"
    file.write_text(json.dumps(words))
    return file


@contextlib.asynccontextmanager
async def linked(network: Network, number: str) -> AsyncIterator[Peer]:
    """Run the client as a linked device of a phone."""
    log = {"SIM_LOG": os.environ["SIM_LOG"]} if "SIM_LOG" in os.environ else {}
    peer = await start(SIM_ADDRESS=network.wire_address, SIM_CA=str(network.ca_path), **log)
    try:
        await peer.link(network, number)
        yield peer
    finally:
        await peer.close()
