"""One role as a process of its own, with its engine host if it has one: started, killed, frozen, stopped."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any, Literal

import psutil

from tests.support.network import alive
from tests.support.waiting import eventually

ROOT = Path(__file__).resolve().parents[3]
What = Literal["python", "engine", "both"]
_READY_S = 60.0
_STOP_S = 30.0


class Role:
    """A role that may die and be started again on the same directory."""

    def __init__(self, kind: str, name: str, directory: Path, arguments: list[str], environment: dict[str, str]):
        self.kind = kind
        self.name = name
        self.directory = directory
        self.ready: dict[str, Any] = {}
        """What the role said of itself when it was ready: `url`, `internal_url`, `engine_pid`, `generation`, ..."""
        self.engine_pid: int | None = None
        self.log = directory.parent / f"{name}.log"
        self.failpoint_log = directory.parent / f"{name}.failpoints"
        self.prefix: tuple[str, ...] = ()
        """What the command stands behind, as `ip netns exec NAME` does."""
        self._arguments = arguments
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """The Python process's id."""
        assert self._process is not None, f"{self.name} was never started"
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the Python process has not ended."""
        return self._process is not None and self._process.returncode is None

    def environment(self) -> dict[str, str]:
        """Return the variables that this role is started with."""
        return {
            **os.environ,
            "BLAZZ_TEST_MODE": "1",
            "BLAZZ_FAILPOINTS": "",
            "BLAZZ_FAILPOINT_LOG": str(self.failpoint_log),
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}",
            **self._environment,
        }

    def release_command(self) -> list[str]:
        """Return what systemd runs after the end of an instance."""
        return [sys.executable, "-m", "blazz", "instance", "release"]

    async def start(self, *, failpoints: str = "", **settings: object) -> None:
        """Start and wait until the role is ready. `settings` are further `BLAZZ_*` variables, for this start only."""
        assert not self.running, f"{self.name} runs already"
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.failpoint_log.unlink(missing_ok=True)
        environment = {**self.environment(), "BLAZZ_FAILPOINTS": failpoints}
        environment |= {f"BLAZZ_{name.upper()}": str(value) for name, value in settings.items()}
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(
                    *self.prefix,
                    sys.executable,
                    "-m",
                    "blazz",
                    self.kind,
                    *self._arguments,
                    "--ready-json",
                    "--parent-stdin",
                ),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                cwd=ROOT,
                env=environment,
                start_new_session=True,
            )
        try:
            async with asyncio.timeout(_READY_S):
                self.ready = await self._read_ready()
        except BaseException:
            await self.kill("both")
            raise
        self.engine_pid = self.ready.get("engine_pid")

    async def stop(self, *, drain: bool = False) -> None:
        """End politely, at once or (`drain`) as SIGTERM does; kill what does not end in time. Idempotent."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        self.thaw()
        if drain:
            process.terminate()
        else:
            assert process.stdin is not None
            process.stdin.close()
        try:
            async with asyncio.timeout(_STOP_S + (60 if drain else 0)):
                await process.wait()
        except TimeoutError:
            await self.kill("both")
            raise AssertionError(f"{self.name} did not end:\n{self.tail()}") from None

    async def kill(self, what: What = "both") -> None:
        """Kill -9. `python` alone leaves the engine host to notice; `engine` alone leaves Python to start another."""
        self._signal(what, signal.SIGKILL)
        if what != "engine" and self._process is not None:
            await self._process.wait()
        engine = self.engine_pid
        if what != "python" and engine is not None:
            await eventually(lambda: not alive(engine), what="the engine host is gone")

    def freeze(self, what: What = "both") -> None:
        """SIGSTOP: the process exists and does nothing."""
        self._signal(what, signal.SIGSTOP)

    def thaw(self, what: What = "both") -> None:
        """SIGCONT."""
        self._signal(what, signal.SIGCONT)

    def send_signal(self, number: signal.Signals) -> None:
        """Send the Python process a signal, e.g. the SIGTERM of a service manager."""
        os.kill(self.pid, number)

    async def ended(self, *, within_s: float = 30.0) -> int:
        """Wait for the end of the Python process; returns its exit code."""
        assert self._process is not None
        async with asyncio.timeout(within_s):
            return await self._process.wait()

    async def engine_gone(self, *, within_s: float = 20.0) -> None:
        """Wait until the last engine host that was seen is gone."""
        engine = self.engine_pid
        if engine is not None:
            await eventually(lambda: not alive(engine), within_s=within_s, what="the engine host is gone")

    async def reached(self, name: str, *, within_s: float = 30.0) -> None:
        """Wait until a failpoint was reached: a test that never gets there proves nothing."""

        def written() -> bool:
            return self.failpoint_log.exists() and name in self.failpoint_log.read_text().split()

        await eventually(written, within_s=within_s, what=f"failpoint {name} in {self.name}")

    def tail(self, lines: int = 40) -> str:
        """Return the end of the role's log."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _signal(self, what: What, number: signal.Signals) -> None:
        engine = self.find_engine()
        pids = []
        if what != "engine" and self.running:
            pids.append(self.pid)
        if what != "python" and engine is not None:
            pids.append(engine)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def find_engine(self) -> int | None:
        """Return the process id of the engine host that runs now; Python may have started another one since."""
        if self.running:
            with contextlib.suppress(psutil.NoSuchProcess):
                for child in psutil.Process(self.pid).children():
                    if "engine" in child.name():
                        self.engine_pid = child.pid
        if self.engine_pid is not None and alive(self.engine_pid):
            return self.engine_pid
        return None

    async def _read_ready(self) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        while raw := await self._process.stdout.readline():
            if raw.startswith(b"{"):
                said: dict[str, Any] = json.loads(raw)
                if said.get("ready"):
                    return said
        raise AssertionError(f"{self.name} ended while starting:\n{self.tail()}")
