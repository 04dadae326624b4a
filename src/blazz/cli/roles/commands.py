"""The commands `blazz gateway | instance | worker`. Heavy imports happen inside them, so that `--help` is quick."""

from __future__ import annotations

from typing import Annotated

import typer

from blazz.cli.console import guarded, line
from blazz.cli.options import (
    DataDir,
    Host,
    ListenFd,
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
    RoleOptions,
)

InstanceId = Annotated[str | None, typer.Option(help="Name of this instance (BLAZZ_INSTANCE_ID).", show_default=False)]
instance_app = typer.Typer(
    help="Run only the instance role: an engine host and its sessions (needs a database server).",
    invoke_without_command=True,
)


def gateway(
    data_dir: DataDir = None,
    host: Host = None,
    port: Port = None,
    network: NetworkName = "whatsapp",
    network_address: NetworkAddress = None,
    network_ca: NetworkCa = None,
    network_root_key: NetworkRootKey = None,
    network_id: NetworkId = None,
    phones_url: PhonesUrl = None,
    listen_fd: ListenFd = None,
    ready_json: ReadyJson = False,
    parent_stdin: ParentStdin = False,
) -> None:
    """Run only the gateway role: web page and API (needs a database server).

    Any number of gateways serve every workspace behind one load balancer. BLAZZ_DATABASE_URL, BLAZZ_REDIS_URL,
    BLAZZ_SECRET_KEY and BLAZZ_MEDIA_DIR are the same for all roles.
    """
    from blazz.cli.roles.gateway import run

    options = RoleOptions(
        NetworkOptions(network, network_address, network_ca, network_root_key, network_id, phones_url),
        data_dir,
        {"host": host, "port": port},
        listen_fd,
        ready_json,
        parent_stdin,
    )
    guarded(lambda: run(options))


def worker(
    data_dir: DataDir = None,
    host: Annotated[str | None, typer.Option(help="Address of health and metrics.", show_default=False)] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port of health and metrics (default: none).")] = (
        None
    ),
    network: NetworkName = "whatsapp",
    network_address: NetworkAddress = None,
    network_ca: NetworkCa = None,
    network_root_key: NetworkRootKey = None,
    network_id: NetworkId = None,
    phones_url: PhonesUrl = None,
    ready_json: ReadyJson = False,
    parent_stdin: ParentStdin = False,
) -> None:
    """Run only the worker role: housekeeping and the failover controller (needs a database server).

    Run two: one leads, the other stands by.
    """
    from blazz.cli.roles.worker import run

    options = RoleOptions(
        NetworkOptions(network, network_address, network_ca, network_root_key, network_id, phones_url),
        data_dir,
        {"worker_host": host, "worker_port": port},
        None,
        ready_json,
        parent_stdin,
    )
    guarded(lambda: run(options))


@instance_app.callback()
def instance(
    context: typer.Context,
    data_dir: DataDir = None,
    instance_id: InstanceId = None,
    network: NetworkName = "whatsapp",
    network_address: NetworkAddress = None,
    network_ca: NetworkCa = None,
    network_root_key: NetworkRootKey = None,
    network_id: NetworkId = None,
    phones_url: PhonesUrl = None,
    ready_json: ReadyJson = False,
    parent_stdin: ParentStdin = False,
) -> None:
    """Run only the instance role: an engine host and its sessions (needs a database server).

    Each instance has a name and a data directory of its own; BLAZZ_SESSIONS_DIR and BLAZZ_MEDIA_DIR are shared. On
    SIGTERM the sessions move to other instances within BLAZZ_DRAIN_TIMEOUT_S; a second signal ends at once.
    """
    if context.invoked_subcommand is not None:
        return
    from blazz.cli.roles.instance import run

    options = RoleOptions(
        NetworkOptions(network, network_address, network_ca, network_root_key, network_id, phones_url),
        data_dir,
        {"instance_id": instance_id},
        None,
        ready_json,
        parent_stdin,
    )
    guarded(lambda: run(options))


@instance_app.command("release")
def instance_release(data_dir: DataDir = None, instance_id: InstanceId = None) -> None:
    """Record that this machine's instance is gone, so that its sessions move at once (for ExecStopPost).

    Written only when both of its processes are proven gone: each held a lock of its own while it lived.
    """
    from blazz.cli.roles.instance import run_release

    options = RoleOptions(NetworkOptions(), data_dir, {"instance_id": instance_id})

    def work() -> None:
        recorded = run_release(options)
        line("Recorded: its sessions may move at once." if recorded else "Nothing to record: a newer start runs.")

    guarded(work)
