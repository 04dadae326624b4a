"""The `blazz` command and its sub-commands. Heavy imports happen inside a command, so that `--help` is quick."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from blazz import __version__
from blazz.cli import database, remote
from blazz.cli.console import fail
from blazz.kit.errors import BlazzError
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
app.add_typer(remote.accounts_app, name="accounts")
app.command("send")(remote.send)

DataDir = Annotated[
    Path | None,
    typer.Option(
        help="Database, session stores, media and keys live here.", envvar="BLAZZ_DATA_DIR", show_default=False
    ),
]
Host = Annotated[str | None, typer.Option(help="Address to listen on (default 127.0.0.1).", show_default=False)]
Port = Annotated[int | None, typer.Option(min=0, max=65535, help="Port of the web page and API (default 7080).")]


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
    network: Annotated[str, typer.Option(help="whatsapp, or simulated (needs the three options below).")] = "whatsapp",
    network_address: Annotated[str | None, typer.Option(help="host:port of the simulated network.")] = None,
    network_ca: Annotated[Path | None, typer.Option(help="Its certificate authority (PEM).")] = None,
    network_root_key: Annotated[Path | None, typer.Option(help="Its root key (32 bytes).")] = None,
    network_id: Annotated[str | None, typer.Option(help="Its id; a data directory belongs to one network.")] = None,
    phones_url: Annotated[str | None, typer.Option(help="Page of its phones.", hidden=True)] = None,
    demo_seed: Annotated[bool, typer.Option("--demo-seed", hidden=True)] = False,
    ready_json: Annotated[bool, typer.Option("--ready-json", help="Print one line of JSON when ready.")] = False,
    parent_stdin: Annotated[bool, typer.Option("--parent-stdin", help="End when standard input closes.")] = False,
) -> None:
    """Run Blazz on this machine: web page, API, sessions and background work in one process.

    At the first start a one-time code is printed; with it the first owner is created in the browser. Nothing here
    reaches WhatsApp until you link a number. Read docs/operations/first-real-number.md before you do.
    """
    from blazz.cli.up import UpOptions, run

    options = UpOptions(
        data_dir=data_dir,
        host=host,
        port=port,
        network=network,
        network_address=network_address,
        network_ca=network_ca,
        network_root_key=network_root_key,
        network_id=network_id,
        phones_url=phones_url,
        demo_seed=demo_seed,
        ready_json=ready_json,
        parent_stdin=parent_stdin,
    )
    _guarded(lambda: run(options))


@app.command()
def demo(
    data_dir: Annotated[Path, typer.Option(help="Where the demo keeps everything.")] = Path(".blazz/demo"),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the product.")] = 7080,
    phones_port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the simulated phones.")] = 7070,
    reset: Annotated[bool, typer.Option("--reset", help="Forget the previous demo and begin anew.")] = False,
    ready_json: Annotated[bool, typer.Option("--ready-json", help="Print one line of JSON when ready.")] = False,
) -> None:
    """Try Blazz against a simulated WhatsApp network: no phone needed, nothing leaves this machine.

    Prints a link that signs you in and a link to the simulated phones. Ctrl-C stops everything; the next start
    goes on where this one ended.
    """
    from blazz.cli.demo.run import DemoOptions, run

    _guarded(lambda: run(DemoOptions(data_dir, port, phones_port, reset, ready_json)))


@app.command()
def gateway() -> None:
    """Run only the gateway role (needs a database server)."""
    _single_role("gateway")


@app.command()
def instance() -> None:
    """Run only the instance role (needs a database server)."""
    _single_role("instance")


@app.command()
def worker() -> None:
    """Run only the worker role (needs a database server)."""
    _single_role("worker")


def _single_role(role: str) -> None:
    fail(
        f"The {role} role alone needs a database that several processes can share, and this release stores on SQLite, "
        "which belongs to one process. Run all roles together with: blazz up"
    )


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []})
def simulate(context: typer.Context) -> None:
    """Run or drive the simulated WhatsApp network alone (same as `whatsim`; try: blazz simulate serve --help)."""
    from whatsim.cli import main as whatsim_main

    whatsim_main(context.args or ["serve"])


@app.command()
def doctor(data_dir: DataDir = None, port: Port = None) -> None:
    """Check this machine and this installation, and say what to do about each finding."""
    from blazz.cli.doctor import run

    _guarded(lambda: run(data_dir, port))


@app.command()
def openapi() -> None:
    """Print the API's OpenAPI 3.1 document."""
    from blazz.gateway.app import openapi_document
    from blazz.kit.logging import configure_logging

    configure_logging(Settings())  # to standard error, so that nothing but the document is on standard output
    typer.echo(json.dumps(openapi_document(), indent=1, sort_keys=True))


def _guarded(work: object) -> None:
    """Run `work`; an expected failure becomes one sentence and exit code 1."""
    assert callable(work)
    try:
        work()
    except BlazzError as error:
        fail(error.detail)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
