"""The `blazz` command and its sub-commands. Heavy imports happen inside a command, so that `--help` is quick."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from blazz import __version__
from blazz.cli import cluster, database, media, remote, secret
from blazz.cli.console import guarded
from blazz.cli.options import (
    DataDir,
    Host,
    Instances,
    NetworkAddress,
    NetworkCa,
    NetworkId,
    NetworkName,
    NetworkOptions,
    NetworkRootKey,
    ParentStdin,
    PhonesUrl,
    Port,
    ReadyJson,
)
from blazz.cli.roles import commands as roles
from blazz.kit.settings import Settings

app = typer.Typer(
    name="blazz",
    help="Blazz: your team's WhatsApp numbers in one shared inbox, with an API, and no message lost.\n\n"
    "Try it without a phone: blazz demo. Use it with real numbers: blazz up.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(database.app, name="db")
app.add_typer(cluster.app, name="cluster")
app.add_typer(media.app, name="media")
app.add_typer(secret.app, name="secret")
app.add_typer(remote.accounts_app, name="accounts")
app.command("send")(remote.send)

app.command("gateway")(roles.gateway)
app.add_typer(roles.instance_app, name="instance")
app.command("worker")(roles.worker)


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    """Options of `blazz` itself."""
    if version:
        typer.echo(__version__)
        raise typer.Exit


@app.command()
def up(
    data_dir: DataDir = None,
    host: Host = None,
    port: Port = None,
    network: NetworkName = "whatsapp",
    network_address: NetworkAddress = None,
    network_ca: NetworkCa = None,
    network_root_key: NetworkRootKey = None,
    network_id: NetworkId = None,
    phones_url: PhonesUrl = None,
    instances: Instances = 1,
    gateways: Annotated[int, typer.Option(min=1, max=16, help="Gateway processes, with --instances.")] = 1,
    workers: Annotated[int, typer.Option(min=1, max=4, help="Worker processes; the second stands by.")] = 1,
    demo_seed: Annotated[bool, typer.Option("--demo-seed", hidden=True)] = False,
    ready_json: ReadyJson = False,
    parent_stdin: ParentStdin = False,
) -> None:
    """Run Blazz on this machine: web page, API, sessions and background work in one process on SQLite.

    With --instances N (2 or more) each role has processes of its own on an embedded PostgreSQL: an instance that dies
    is replaced by the others within seconds. A data directory stays with what it was made for. So has each role on the
    server that BLAZZ_DATABASE_URL names, also with one instance.

    At the first start a one-time code is printed; with it the first owner is created in the browser. Nothing here
    reaches WhatsApp until you link a number. Read docs/operations/first-real-number.md before you do.
    """
    from blazz.cli.fleet.size import FleetSize
    from blazz.cli.up import UpOptions, run

    options = UpOptions(
        data_dir=data_dir,
        host=host,
        port=port,
        network=NetworkOptions(network, network_address, network_ca, network_root_key, network_id, phones_url),
        size=FleetSize(instances, gateways, workers),
        demo_seed=demo_seed,
        ready_json=ready_json,
        parent_stdin=parent_stdin,
    )
    guarded(lambda: run(options))


@app.command()
def demo(
    data_dir: Annotated[Path, typer.Option(help="Where the demo keeps everything.")] = Path(".blazz/demo"),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the product.")] = 7080,
    phones_port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the simulated phones.")] = 7070,
    instances: Instances = 1,
    reset: Annotated[bool, typer.Option("--reset", help="Forget the previous demo and begin anew.")] = False,
    ready_json: ReadyJson = False,
) -> None:
    """Try Blazz against a simulated WhatsApp network: no phone needed, nothing leaves this machine.

    Prints a link that signs you in and a link to the simulated phones. Ctrl-C stops everything; the next start
    goes on where this one ended.
    """
    from blazz.cli.demo.run import DemoOptions, run

    guarded(lambda: run(DemoOptions(data_dir, port, phones_port, reset, ready_json, instances)))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []})
def simulate(context: typer.Context) -> None:
    """Run or drive the simulated WhatsApp network alone (same as `whatsim`; try: blazz simulate serve --help)."""
    from whatsim.cli import main as whatsim_main

    whatsim_main(context.args or ["serve"])


@app.command()
def doctor(data_dir: DataDir = None, port: Port = None) -> None:
    """Check this machine and this installation, and say what to do about each finding."""
    from blazz.cli.doctor import run

    guarded(lambda: run(data_dir, port))


@app.command()
def openapi() -> None:
    """Print the API's OpenAPI 3.1 document."""
    from blazz.gateway.app import openapi_document
    from blazz.kit.logging import configure_logging

    configure_logging(Settings())  # to standard error, so that nothing but the document is on standard output
    typer.echo(json.dumps(openapi_document(), indent=1, sort_keys=True))
