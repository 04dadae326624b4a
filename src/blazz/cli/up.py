"""`blazz up`: run the product until a signal, and tell the person at the terminal what to do first."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import uvloop

from blazz.cli.console import line, link
from blazz.cli.database import settings_for
from blazz.cli.product import Product, ProductOptions
from blazz.engine_client import NetworkSettings
from blazz.identity import service as identity
from blazz.kit.errors import BlazzError
from blazz.kit.logging import configure_logging
from blazz.kit.settings import Settings


@dataclass(frozen=True, slots=True)
class UpOptions:
    """The command line of `blazz up`; None leaves a setting as it is."""

    data_dir: Path | None = None
    host: str | None = None
    port: int | None = None
    network: str = "whatsapp"
    network_address: str | None = None
    network_ca: Path | None = None
    network_root_key: Path | None = None
    network_id: str | None = None
    phones_url: str | None = None
    demo_seed: bool = False
    ready_json: bool = False
    parent_stdin: bool = False


def run(options: UpOptions) -> None:
    """Run until SIGINT, SIGTERM or the parent's end. Raises BlazzError when the start fails."""
    settings = settings_for(options.data_dir)
    changes = {"host": options.host, "port": options.port}
    settings = settings.model_copy(update={name: value for name, value in changes.items() if value is not None})
    configure_logging(settings)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(settings, options))


def network_settings(options: UpOptions) -> NetworkSettings:
    """Return the network to speak to. Raises BlazzError `network_options` when they contradict each other."""
    given = (options.network_address, options.network_ca, options.network_root_key, options.network_id)
    if options.network == "whatsapp":
        if any(given):
            raise BlazzError("network_options", "--network-* options belong to --network simulated.")
        return NetworkSettings.whatsapp()
    if options.network != "simulated" or None in given:
        raise BlazzError(
            "network_options",
            "--network is `whatsapp` or `simulated`; the simulated one needs --network-address, --network-ca, "
            "--network-root-key and --network-id (see the line that `blazz simulate` prints).",
        )
    assert options.network_address and options.network_ca and options.network_root_key and options.network_id
    return NetworkSettings.simulated(
        address=options.network_address,
        ca=options.network_ca,
        root_key=options.network_root_key,
        network_id=options.network_id,
    )


async def _run(settings: Settings, options: UpOptions) -> None:
    began = time.monotonic()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if options.parent_stdin:
        _stop_with_parent(loop, stop)
    product = Product(settings, ProductOptions(network_settings(options), options.phones_url))
    await product.start()
    try:
        sign_in_url: str | None = None
        setup_code: str | None = None
        if options.demo_seed:
            from blazz.cli.demo.seed import seed

            owner = await seed(product, options.phones_url)
            sign_in_url = f"{product.url}/sign-in#token={await identity.create_sign_in_link(product.database, owner)}"
        else:
            setup_code = await identity.ensure_setup_code(product.database, settings.data_dir)
        _announce(product, options, setup_code, sign_in_url, time.monotonic() - began)
        await stop.wait()
    finally:
        await product.stop()


def _announce(
    product: Product, options: UpOptions, setup_code: str | None, sign_in_url: str | None, seconds: float
) -> None:
    if options.ready_json:
        said = {
            "ready": True,
            "pid": os.getpid(),
            "url": product.url,
            "sign_in_url": sign_in_url,
            "setup_code": setup_code,
            "seconds": round(seconds, 2),
        }
        line(json.dumps(said))
        return
    line(f"Blazz is running (started in {seconds:.1f} s). Data: {product.settings.data_dir}")
    if setup_code is not None:
        link("Create the owner", f"{product.url}/setup#code={setup_code}")
        line(f"  The code is also in {product.settings.data_dir / 'setup-code.txt'} (readable by you alone).")
    else:
        link("Open", product.url)
    line("Ctrl-C stops everything.")


def _stop_with_parent(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """End when standard input closes: a parent that dies cannot say goodbye."""

    def read() -> None:
        try:
            ended = not os.read(sys.stdin.fileno(), 4096)
        except OSError:
            ended = True
        if ended:
            loop.remove_reader(sys.stdin.fileno())
            stop.set()

    loop.add_reader(sys.stdin.fileno(), read)
