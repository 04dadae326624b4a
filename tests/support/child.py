"""The product's instance as a child process that a test can kill -9 at any moment, asked by JSON lines over its pipes.

Run as a program it hosts `tests.support.product.Blazz`; imported it gives `Child`, which starts and asks that program.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.support.network import alive
from tests.support.waiting import eventually
from whatsim.network import Network

ROOT = Path(__file__).resolve().parents[2]


class Child:
    """One installation whose process may die and be started again on the same directory."""

    def __init__(self, directory: Path, network: Network) -> None:
        self.directory = directory
        self._network = network
        self._process: asyncio.subprocess.Process | None = None
        self._lock = asyncio.Lock()
        self.engine_pid = 0
        self.failpoint_log = directory.parent / f"{directory.name}.failpoints"

    @property
    def pid(self) -> int:
        """The child's process id."""
        assert self._process is not None
        return self._process.pid

    async def start(self, *, failpoints: str = "", **settings: str) -> None:
        """Start the child and wait until its engine host runs."""
        self.failpoint_log.unlink(missing_ok=True)
        environment = {
            **os.environ,
            "BLAZZ_TEST_MODE": "1",
            "BLAZZ_FAILPOINTS": failpoints,
            "BLAZZ_FAILPOINT_LOG": str(self.failpoint_log),
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}",
            **{f"BLAZZ_{name.upper()}": value for name, value in settings.items()},
        }
        network = self._network
        where = [network.wire_address, network.ca_path, network.root_key_path, network.network_id]
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.support.child", str(self.directory), *map(str, where)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=ROOT,
            env=environment,
            limit=16 << 20,
        )
        self.engine_pid = int(await self._read())

    async def ask(self, method: str, *arguments: Any) -> Any:
        """Call a method of the child's `Host`. Raises ConnectionError when the child is dead or dies."""
        async with self._lock:
            process = self._process
            assert process is not None
            assert process.stdin is not None
            process.stdin.write(json.dumps([method, *arguments]).encode() + b"\n")
            try:
                await process.stdin.drain()
            except (BrokenPipeError, ConnectionResetError):
                raise ConnectionError("the child is dead") from None
            return await self._read()

    async def reached(self, name: str, *, within_s: float = 20.0) -> None:
        """Wait until a failpoint was reached: a test that never gets there proves nothing."""

        def written() -> bool:
            return self.failpoint_log.exists() and name in self.failpoint_log.read_text().split()

        await eventually(written, within_s=within_s, what=f"failpoint {name}")

    async def died(self, *, within_s: float = 20.0) -> None:
        """Wait for the child's own end, and then for its engine host's."""
        assert self._process is not None
        async with asyncio.timeout(within_s):
            await self._process.wait()
        await eventually(lambda: not alive(self.engine_pid), what="the engine host follows its parent")

    async def kill(self) -> None:
        """Kill -9 the Python process alone; its engine host has to notice."""
        os.kill(self.pid, signal.SIGKILL)
        await self.died()

    async def kill_everything(self) -> None:
        """Kill -9 engine host and Python process."""
        for pid in (self.engine_pid, self.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await self.died()

    async def stop(self) -> None:
        """End the child politely, or at once when that fails. Idempotent."""
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            assert process.stdin is not None
            process.stdin.close()
            try:
                async with asyncio.timeout(20):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        self._process = None

    async def _read(self) -> Any:
        assert self._process is not None
        assert self._process.stdout is not None
        while True:
            raw = await self._process.stdout.readline()
            if not raw:
                raise ConnectionError("the child is dead")
            if raw.startswith(b"{"):
                said = json.loads(raw)
                if "error" in said:
                    raise RuntimeError(said["error"])
                return said["answer"]


@dataclass(slots=True)
class Host:
    """What the child can be asked."""

    blazz: Any

    async def add_account(self) -> str:
        return str(await self.blazz.add_account())

    async def connect(self, account_id: str) -> None:
        await self.blazz.connect(uuid.UUID(account_id))

    async def qr(self, account_id: str) -> str | None:
        view = await self.blazz.instance.commands.qr(uuid.UUID(account_id))
        return None if view is None else view.code

    async def account(self, account_id: str) -> dict[str, Any]:
        row = await self.blazz.account(uuid.UUID(account_id))
        return {name: row[name] for name in ("status", "phone", "jid", "disconnect_reason", "status_detail")}

    async def send_text(self, account_id: str, to: str, body: str) -> str:
        from tests.support.product import Number

        return str(await self.blazz.send_text(Number(uuid.UUID(account_id), ""), to, body))

    async def send_file(self, account_id: str, to: str, caption: str) -> str:
        from blazz.media import service as media
        from tests.support.product import Number

        async def content() -> AsyncIterator[bytes]:
            yield caption.encode()

        blazz = self.blazz
        file = await media.upload(
            blazz.database, blazz.media_store, blazz.settings, blazz.scope, content(), "note.txt", "text/plain"
        )
        number = Number(uuid.UUID(account_id), "")
        return str(await blazz.send(number, to, "document", id=str(file["id"]), caption=caption))

    async def messages(self) -> list[dict[str, Any]]:
        names = ("body", "from_me", "state", "kind", "error_code", "flags")
        return [{"id": str(row["id"]), **{n: row[n] for n in names}} for row in await self.blazz.messages()]

    async def events(self) -> list[list[Any]]:
        return [[row["position"], row["name"], row["data"]] for row in await self.blazz.events()]

    async def engine_pid(self) -> int:
        return self.blazz.instance.supervisor.keeper.pid or 0


async def _host(directory: Path, wire: str, ca: Path, root_key: Path, network_id: str) -> None:
    from tests.support.product import Blazz

    network: Any = SimpleNamespace(wire_address=wire, ca_path=ca, root_key_path=root_key, network_id=network_id)
    blazz = Blazz(directory, network)
    await blazz.start()
    host = Host(blazz)
    _say({"answer": blazz.engine_pid})
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=16 << 20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        method, *arguments = json.loads(line)
        try:
            _say({"answer": await getattr(host, method)(*arguments)})
        except Exception as error:  # noqa: BLE001 - the parent decides what an error means
            _say({"error": repr(error)})
    await blazz.stop()


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    import logging

    import structlog

    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    asyncio.run(_host(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]), sys.argv[5]))
