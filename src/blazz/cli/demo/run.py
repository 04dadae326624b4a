"""`blazz demo`: the simulated network in this process, the product as a child, two links in the terminal."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import time
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import uvloop

from blazz.cli.console import line, link
from blazz.cli.demo.child import ProductProcess
from blazz.kit.errors import BlazzError
from blazz.kit.files import private_directory
from whatsim.control import ControlServer, create_app
from whatsim.network import Network, NetworkConfig


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """How to run the demo. Port 0 takes a free one."""

    data_dir: Path
    port: int
    phones_port: int
    reset: bool
    ready_json: bool
    instances: int = 1


def run(options: DemoOptions) -> None:
    """Run the demo until Ctrl-C. Raises BlazzError with a sentence for the person at the terminal."""
    if options.reset and options.data_dir.exists():
        if not (options.data_dir / "network").is_dir():
            raise BlazzError("not_a_demo", f"{options.data_dir} is not a demo's directory; nothing was removed.")
        shutil.rmtree(options.data_dir)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(options))


async def _run(options: DemoOptions) -> None:
    began = time.monotonic()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    private_directory(options.data_dir)
    try:
        network = await Network.open(NetworkConfig(options.data_dir / "network", wire_port=0))
    except OSError as error:
        raise BlazzError("demo_in_use", f"The simulated network cannot start: {error}") from error
    try:
        product = ProductProcess()
        control = ControlServer(create_app(network, product=product), port=options.phones_port)
        try:
            await control.start()
        except OSError as error:
            raise BlazzError(
                "port_taken", f"Port {options.phones_port} is taken ({error}). Choose another: --phones-port"
            ) from error
        try:
            product.arguments = _arguments(options, network, control.url)
            await _serve(options, product, network, control.url, stop, began)
        finally:
            await product.stop()
            await control.close()
    finally:
        await network.close()
    line("Stopped. Everything is kept; the next `make demo` goes on from here.")


def _arguments(options: DemoOptions, network: Network, phones_url: str) -> list[str]:
    return [
        *("--data-dir", str(options.data_dir / "blazz")),
        *("--port", str(options.port)),
        *("--network", "simulated"),
        *("--network-address", network.wire_address),
        *("--network-ca", str(network.ca_path)),
        *("--network-root-key", str(network.root_key_path)),
        *("--network-id", network.network_id),
        *("--phones-url", phones_url),
        *("--instances", str(options.instances)),
        "--demo-seed",
    ]


async def _serve(
    options: DemoOptions,
    product: ProductProcess,
    network: Network,
    phones_url: str,
    stop: asyncio.Event,
    began: float,
) -> None:
    starting = asyncio.create_task(product.start())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        return
    await starting
    assert product.ready is not None
    # a free port is chosen once: an open page finds the product again after a stop and a start
    product.arguments = _arguments(replace(options, port=urlsplit(product.ready.url).port or 0), network, phones_url)
    seconds = time.monotonic() - began
    if options.ready_json:
        line(
            json.dumps(
                {
                    "ready": True,
                    "url": product.ready.url,
                    "sign_in_url": product.ready.sign_in_url,
                    "phones_url": phones_url,
                    "product_pid": product.ready.pid,
                    "seconds": round(seconds, 2),
                }
            )
        )
    else:
        line()
        line(f"Blazz is running against a simulated WhatsApp network (started in {_took(seconds)}).")
        line()
        link("Sign in (once)", product.ready.sign_in_url or product.ready.url)
        link("Simulated phones", phones_url + "/")
        line()
        line("Nothing here reaches the real WhatsApp. Ctrl-C stops everything.")
    await stopping


def _took(seconds: float) -> str:
    """Return how long the start took; with `make demo` also the whole time since make was called, set-up included."""
    called = os.environ.get("BLAZZ_MAKE_STARTED", "")
    if not called.isdigit():
        return f"{seconds:.1f} s"
    return f"{seconds:.1f} s, {max(0, round(time.time() - int(called)))} s after `make demo`"
