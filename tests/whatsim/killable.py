"""A simulated network in a process of its own, which a test can kill at any moment.

Run as a module it serves the directory given, and answers one JSON command a line on standard input.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.whatsim.companion import Companion
from whatsim.model import TextContent
from whatsim.network import Network, NetworkConfig

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass
class KillableNetwork:
    """The test's side."""

    process: Process
    state_dir: Path
    address: str

    @classmethod
    async def start(cls, state_dir: Path, port: int = 0) -> KillableNetwork:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            __name__,
            str(state_dir),
            str(port),
            stdin=PIPE,
            stdout=PIPE,
            cwd=REPOSITORY,
            env={"PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'src'}"},
        )
        network = cls(process, state_dir, "")
        network.address = (await network._read())["address"]
        return network

    async def call(self, name: str, *arguments: Any) -> Any:
        """Run one of the commands below and return its answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([name, *arguments]).encode() + b"\n")
        return (await self._read())["answer"]

    async def kill(self) -> None:
        """End the process without any chance to tidy up."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGKILL)
            await self.process.wait()

    async def again(self) -> KillableNetwork:
        """Start once more on the same directory and port."""
        return await KillableNetwork.start(self.state_dir, int(self.address.rpartition(":")[2]))

    def companion(self) -> Companion:
        return Companion(self.address, self.state_dir / "ca.pem", self.state_dir / "root.pub")

    async def link(self, client: Companion, number: str) -> None:
        """Link a companion to a phone of this network."""
        await client.connect()
        scan = asyncio.create_task(self.call("link", number, await client.qr()))
        await client.confirm_pairing()
        await scan
        await client.node("stream:error", code="515")
        await client.close()
        await client.login()
        await client.node("message", category="peer")

    async def _read(self) -> Any:
        assert self.process.stdout is not None
        async with asyncio.timeout(20):
            return json.loads(await self.process.stdout.readline())


async def _serve(state_dir: Path, port: int) -> None:
    network = await Network.open(NetworkConfig(state_dir, wire_port=port))
    _say({"address": network.wire_address})
    while line := await asyncio.to_thread(sys.stdin.readline):
        name, *arguments = json.loads(line)
        _say({"answer": await _run(network, name, arguments)})


async def _run(network: Network, name: str, arguments: list[Any]) -> Any:
    match name:
        case "phone":
            phone = await network.create_phone()
            return {"number": phone.number, "lid": f"{phone.lid}@lid"}
        case "link":
            await network.link_qr(*arguments)
        case "send":
            sender, to, text = arguments
            return (await network.send_message(sender, to, TextContent(text))).message_id
        case "messages":
            return [
                [message.body, message.deliveries, message.decrypt_failures]
                for message in network.messages(arguments[0], limit=1000)
            ]
        case "online":
            await network.set_online(*arguments)
        case "queued":
            return network.stats().queued
    return None


def _say(answer: Any) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), int(sys.argv[2])))
