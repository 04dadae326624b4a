"""`blazz up`: run the product until a signal, and tell the person at the terminal what to do first."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blazz.cli import life
from blazz.cli.console import line, link
from blazz.cli.database import settings_for
from blazz.cli.fleet.fleet import Fleet
from blazz.cli.fleet.size import FleetSize
from blazz.cli.options import NetworkOptions
from blazz.cli.product import Product, ProductOptions
from blazz.identity import service as identity
from blazz.kit.settings import Settings


@dataclass(frozen=True, slots=True)
class UpOptions:
    """The command line of `blazz up`; None leaves a setting as it is."""

    data_dir: Path | None = None
    host: str | None = None
    port: int | None = None
    network: NetworkOptions = field(default_factory=NetworkOptions)
    size: FleetSize = field(default_factory=FleetSize)
    demo_seed: bool = False
    ready_json: bool = False
    parent_stdin: bool = False


def run(options: UpOptions) -> None:
    """Run until SIGINT, SIGTERM or the parent's end. Raises BlazzError when the start fails."""
    settings = settings_for(options.data_dir)
    changes = {"host": options.host, "port": options.port}
    settings = settings.model_copy(update={name: value for name, value in changes.items() if value is not None})
    product = build(settings, options)
    life.run(
        settings,
        product,
        lambda seconds: _announce(product, options, seconds),
        parent_stdin=options.parent_stdin,
    )


def build(settings: Settings, options: UpOptions) -> Product | Fleet:
    """Return what is to run: one process on SQLite; with several instances or on a server, one per role.

    Others may work on the same server, so there every role takes part as they do: gateways reach all sessions, and a
    worker watches the instances.
    """
    network = options.network.settings()
    if options.size.instances > 1 or settings.database_url is not None:
        return Fleet(settings, options.network, options.size)
    return Product(settings, ProductOptions(network, options.network.phones_url))


async def _announce(product: Product | Fleet, options: UpOptions, seconds: float) -> None:
    sign_in_url: str | None = None
    setup_code: str | None = None
    if options.demo_seed:
        from blazz.cli.demo.seed import seed

        owner = await seed(product, options.network.phones_url)
        sign_in_url = f"{product.url}/sign-in#token={await identity.create_sign_in_link(product.database, owner)}"
    else:
        setup_code = await identity.ensure_setup_code(product.database, product.settings.data_dir)
    if options.ready_json:
        facts: dict[str, Any] = {"url": product.url, "sign_in_url": sign_in_url, "setup_code": setup_code}
        life.ready_line(seconds, **facts, **product.facts())
        return
    line(f"Blazz is running (started in {seconds:.1f} s). Data: {product.settings.data_dir}")
    if setup_code is not None:
        link("Create the owner", f"{product.url}/setup#code={setup_code}")
        line(f"  The code is also in {product.settings.data_dir / 'setup-code.txt'} (readable by you alone).")
    else:
        link("Open", product.url)
    line("Ctrl-C stops everything.")
