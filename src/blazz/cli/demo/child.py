"""The product as a child process of the demo: started, stopped and started again by the button on the phones page."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from dataclasses import dataclass
from typing import Any, Literal

from blazz.kit.errors import BlazzError

_START_S = 120.0  # with several instances on a small machine
_STOP_S = 60.0


@dataclass(slots=True)
class ReadyProduct:
    """What a started product says of itself."""

    url: str
    sign_in_url: str | None
    pid: int


class ProductProcess:
    """Implements the simulated network's `ProductSwitch` with `blazz up` as a child."""

    def __init__(self) -> None:
        self.arguments: list[str] = []
        """Options of `blazz up`; set before the first start."""
        self._process: asyncio.subprocess.Process | None = None
        self._starting = False
        self._lock = asyncio.Lock()
        self.ready: ReadyProduct | None = None

    async def state(self) -> Literal["running", "stopped", "starting"]:
        """Tell what the child is doing."""
        if self._starting:
            return "starting"
        return "running" if self._process is not None and self._process.returncode is None else "stopped"

    async def start(self) -> None:
        """Start the product and wait until it is ready. Raises BlazzError `product_not_started`."""
        async with self._lock:
            if await self.state() == "running":
                return
            self._starting = True
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "blazz", "up", "--ready-json", "--parent-stdin", *self.arguments),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    # the terminal is for the links; BLAZZ_LOG_LEVEL=info shows every request
                    env={"BLAZZ_LOG_LEVEL": "warning", **os.environ},
                    start_new_session=True,  # Ctrl-C reaches the demo, which then stops its child politely
                )
                async with asyncio.timeout(_START_S):
                    self.ready = await self._read_ready(self._process)
            except TimeoutError:
                await self._end()
                raise BlazzError("product_not_started", f"Blazz was not ready within {_START_S:.0f} s.", 500) from None
            finally:
                self._starting = False

    async def stop(self) -> None:
        """Stop the product politely; kill it when it does not end in time."""
        async with self._lock:
            await self._end()

    async def wait(self) -> int:
        """Wait until the present child ends; returns its exit code."""
        assert self._process is not None
        return await self._process.wait()

    async def _end(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(_STOP_S):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _read_ready(self, process: asyncio.subprocess.Process) -> ReadyProduct:
        assert process.stdout is not None
        while raw := await process.stdout.readline():
            try:
                said: Any = json.loads(raw)
            except ValueError:
                continue
            if isinstance(said, dict) and said.get("ready"):
                return ReadyProduct(said["url"], said.get("sign_in_url"), process.pid)
        code = await process.wait()
        raise BlazzError("product_not_started", f"Blazz ended while starting (exit code {code}).", 500)
