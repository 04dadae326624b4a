"""The test stand: the simulated network and the product as real processes, with an owner, a key and linked numbers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import psutil

from benchmarks.http import HttpError, LeanClient
from benchmarks.slow_storage import slow_storage
from whatsim.control import ControlServer, create_app
from whatsim.network import Network, NetworkConfig
from whatsim.serve import ready_line

ROOT = Path(__file__).resolve().parent.parent
_READY_S = 120.0


@dataclass(slots=True)
class Child:
    """A process that prints one line of JSON when it is ready and ends when its standard input closes."""

    command: list[str]
    env: dict[str, str] | None = None
    log: Path | None = None
    ready_s: float = _READY_S
    process: asyncio.subprocess.Process | None = None
    ready: dict[str, Any] = field(default_factory=dict)

    async def start(self) -> dict[str, Any]:
        """Start and return what the child says of itself."""
        log = self.log.open("ab") if self.log else None
        try:
            self.process = await asyncio.create_subprocess_exec(
                *self.command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log or asyncio.subprocess.DEVNULL,
                env=self.env,
                cwd=ROOT,
                start_new_session=True,
            )
        finally:
            if log:
                log.close()
        assert self.process.stdout is not None
        async with asyncio.timeout(self.ready_s):
            while raw := await self.process.stdout.readline():
                with contextlib.suppress(ValueError):
                    said = json.loads(raw)
                    if isinstance(said, dict) and said.get("ready"):
                        self.ready = said
                        return said
        raise RuntimeError(f"{self.command[:5]} ended before it was ready; see {self.log}")

    async def stop(self, how: int = signal.SIGTERM) -> None:
        """End the process and everything that it started."""
        if self.process is None or self.process.returncode is not None:
            return
        family = process_family(self.process.pid)
        self.process.send_signal(how)
        if how == signal.SIGKILL:
            for member in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    member.kill()
        await self.process.wait()
        with contextlib.suppress(TimeoutError):
            await poll(lambda: _all_ended(family), 10)


def process_family(pid: int) -> list[psutil.Process]:
    """Return the process and all its descendants."""
    with contextlib.suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    return []


@dataclass(slots=True)
class Stand:
    """A running stand. `api` is authorised for the workspace; `phones` is the control API; `owner` are the headers of
    the first owner's browser session; `stores` is where session stores are."""

    directory: Path
    network: NetworkHost
    product: Child
    api: LeanClient
    phones: LeanClient
    api_key: str
    workspace_id: str
    owner: dict[str, str]
    stores: Path

    @property
    def url(self) -> str:
        """The product's address."""
        return str(self.product.ready["url"])

    async def link(self, number: str, account_id: str | None = None) -> str:
        """Link a new account to simulated phone `number`; returns the account's id once it is connected."""
        account_id = account_id or (await self.api.json("POST", "/accounts", {"name": number}))["id"]
        await self.api.json("POST", f"/accounts/{account_id}/connect", {})
        qr = await poll(lambda: self._qr(account_id), 30)
        await self.phones.json("POST", f"/phones/{number}/link", {"qr": qr})
        await poll(lambda: self._connected(account_id), 60)
        return account_id

    async def _qr(self, account_id: str) -> str | None:
        status, content = await self.api.request("GET", f"/accounts/{account_id}/qr")
        return str(json.loads(content)["code"]) if status == 200 else None

    async def _connected(self, account_id: str) -> bool:
        return bool((await self.api.json("GET", f"/accounts/{account_id}"))["status"] == "connected")

    async def link_many(self, count: int, *, at_once: int = 8) -> list[tuple[str, str]]:
        """Create `count` phones, link an account to each; returns (account id, phone number) pairs."""
        gate = asyncio.Semaphore(at_once)

        async def one(index: int) -> tuple[str, str]:
            number = f"62811{index:07d}"
            async with gate:
                await self.phones.json("POST", "/phones", {"number": number, "name": f"Number {index}"})
                return await self.link(number), number

        return list(await asyncio.gather(*(one(index) for index in range(1, count + 1))))

    async def restart_product(self, how: int = signal.SIGKILL) -> float:
        """End the product and start it again; returns the moment (time.monotonic) at which it was ended."""
        ended = time.monotonic()
        await self.product.stop(how)
        await self.api.close()
        await self.product.start()
        self.api = LeanClient(f"{self.url}/api/v1", {"Authorization": f"Bearer {self.api_key}"})
        return ended


async def _all_ended(family: Sequence[psutil.Process]) -> bool:
    """Whether all have ended; whether their new parent has read that already does not matter."""
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                return False
    return True


async def poll(check: Any, timeout_s: float, every_s: float = 0.02) -> Any:
    """Return the first true result of the coroutine function `check`; TimeoutError after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while True:
        result = await check()
        if result:
            return result
        if time.monotonic() > deadline:
            raise TimeoutError(f"not true within {timeout_s} s")
        await asyncio.sleep(every_s)


class NetworkHost(Protocol):
    """The simulated network, in a process of its own or in this one."""

    ready: dict[str, Any]

    async def start(self) -> dict[str, Any]: ...

    async def stop(self) -> None: ...


@dataclass(slots=True)
class InProcessNetwork:
    """The simulated network inside the load generator: a burst costs it no HTTP requests."""

    directory: Path
    ready: dict[str, Any] = field(default_factory=dict)
    network: Network | None = None
    control: ControlServer | None = None

    async def start(self) -> dict[str, Any]:
        """Start network and control API; returns what the process of its own would print."""
        self.network = await Network.open(NetworkConfig(self.directory, wire_port=0))
        self.control = ControlServer(create_app(self.network), port=0)
        await self.control.start()
        self.ready = json.loads(ready_line(self.network, self.control.url))
        return self.ready

    async def stop(self) -> None:
        """Stop both."""
        if self.control is not None and self.network is not None:
            await self.control.close()
            await self.network.close()


def keep_logs(directory: Path, name: str) -> Path:
    """Copy all logs beneath `directory` to `build/benchmarks`, where they outlive a run that failed."""
    kept = ROOT / "build" / "benchmarks" / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    for log in directory.rglob("*.log"):
        target = kept / log.relative_to(directory)
        target.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(OSError):
            shutil.copyfile(log, target)
    print(f"The logs are in {kept}", file=sys.stderr)
    return kept


@contextlib.asynccontextmanager
async def stand(
    env: dict[str, str] | None = None,
    *,
    in_process_network: bool = False,
    up: Sequence[str] = (),
    ready_s: float = _READY_S,
    fsync_ms: int = 0,
) -> AsyncIterator[Stand]:
    """Start a stand in a temporary directory with default settings (full durability); everything ends with it.

    `up` are further options of `blazz up`, which may take `ready_s` to start. With `fsync_ms` the session stores are on
    storage that is so much slower. Logs are kept when an error leaves.
    """
    async with contextlib.AsyncExitStack() as stack:
        directory = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="blazz-bench-", ignore_cleanup_errors=True))
        )
        stores = directory / "data" / "sessions"
        if fsync_ms:
            stores = await stack.enter_async_context(slow_storage(directory / "share", fsync_ms)) / "sessions"
            stores.mkdir(mode=0o700)
            env = {**(env or {}), "BLAZZ_SESSIONS_DIR": str(stores)}
        apart = Child(
            [sys.executable, "-m", "whatsim", "serve", "--state", str(directory / "network")]
            + ["--port", "0", "--wire-port", "0", "--parent-stdin"],
            log=directory / "network.log",
        )
        network: NetworkHost = InProcessNetwork(directory / "network") if in_process_network else apart
        said = await network.start()
        command = [sys.executable, "-m", "blazz", "up", "--ready-json", "--parent-stdin", *up]
        command += ["--data-dir", str(directory / "data"), "--port", "0", "--network", "simulated"]
        command += ["--network-address", said["wire"], "--network-ca", said["ca"]]
        command += ["--network-root-key", said["root_key"], "--network-id", said["network_id"]]
        product = Child(command, env={**os.environ, **(env or {})}, log=directory / "product.log", ready_s=ready_s)
        try:
            await product.start()
            api_key, workspace_id, owner = await _set_up(product.ready)
            url = product.ready["url"]
            built = Stand(
                directory,
                network,
                product,
                LeanClient(f"{url}/api/v1", {"Authorization": f"Bearer {api_key}"}),
                LeanClient(said["control"]),
                api_key,
                workspace_id,
                owner,
                stores,
            )
            yield built
            await built.api.close()
            await built.phones.close()
        except BaseException:
            keep_logs(directory, "stand")
            raise
        finally:
            await product.stop()
            await network.stop()


async def _set_up(ready: dict[str, Any]) -> tuple[str, str, dict[str, str]]:
    """Create the owner in the way a person does, then a key; returns (key, workspace id, the owner's headers)."""
    import httpx

    async with httpx.AsyncClient(base_url=ready["url"] + "/api/v1", timeout=30, trust_env=False) as browser:
        answer = await browser.post(
            "/auth/setup",
            json={
                "code": ready["setup_code"],
                "email": "owner@example.com",
                "password": "a long benchmark password",
                "name": "Owner",
                "workspace_name": "Benchmark",
            },
        )
        if answer.status_code != 201:
            raise HttpError(answer.text)
        workspace_id = answer.json()["workspace"]["id"]
        token = (await browser.get("/me")).json()["csrf_token"]
        scopes = ["accounts:read", "accounts:write", "messages:read", "messages:write", "contacts:read"]
        scopes += ["contacts:write", "media:read", "media:write", "events:read"]
        key = await browser.post(
            "/api-keys", json={"name": "benchmark", "scopes": scopes}, headers={"X-CSRF-Token": token}
        )
        if key.status_code != 201:
            raise HttpError(key.text)
        cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        return key.json()["key"], workspace_id, {"Cookie": cookie, "X-CSRF-Token": token}
