"""Options that several commands share, as the command line declares them and as the commands use them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from blazz.engine_client.network import REAL_NETWORK_ID, NetworkSettings
from blazz.kit.errors import BlazzError
from blazz.kit.settings import Settings

DataDir = Annotated[
    Path | None,
    typer.Option(
        help="Database, session stores, media and keys live here.", envvar="BLAZZ_DATA_DIR", show_default=False
    ),
]
Host = Annotated[str | None, typer.Option(help="Address to listen on (default 127.0.0.1).", show_default=False)]
Port = Annotated[int | None, typer.Option(min=0, max=65535, help="Port of the web page and API (default 7080).")]
NetworkName = Annotated[str, typer.Option(help="whatsapp, or simulated (needs the options below).")]
NetworkAddress = Annotated[str | None, typer.Option(help="host:port of the simulated network.")]
NetworkCa = Annotated[Path | None, typer.Option(help="Its certificate authority (PEM).")]
NetworkRootKey = Annotated[Path | None, typer.Option(help="Its root key (32 bytes).")]
NetworkId = Annotated[str | None, typer.Option(help="Its id; a data directory belongs to one network.")]
PhonesUrl = Annotated[str | None, typer.Option(help="Page of its phones.", hidden=True)]
Instances = Annotated[
    int, typer.Option(min=1, max=12, help="Instance processes; 2 or more run every role in processes of its own.")
]
ReadyJson = Annotated[bool, typer.Option("--ready-json", help="Print one line of JSON when ready.")]
ParentStdin = Annotated[bool, typer.Option("--parent-stdin", help="End when standard input closes.")]
ListenFd = Annotated[int | None, typer.Option(help="Serve on this inherited socket.", hidden=True)]


@dataclass(frozen=True, slots=True)
class NetworkOptions:
    """Which WhatsApp network to speak to."""

    network: str = "whatsapp"
    address: str | None = None
    ca: Path | None = None
    root_key: Path | None = None
    id: str | None = None
    phones_url: str | None = None

    def settings(self) -> NetworkSettings:
        """Return the network for an engine host. Raises BlazzError `network_options` when options contradict."""
        given = (self.address, self.ca, self.root_key, self.id)
        if self.network == "whatsapp":
            if any(given):
                raise BlazzError("network_options", "--network-* options belong to --network simulated.")
            return NetworkSettings.whatsapp()
        if self.network != "simulated" or None in given:
            raise BlazzError(
                "network_options",
                "--network is `whatsapp` or `simulated`; the simulated one needs --network-address, --network-ca, "
                "--network-root-key and --network-id (see the line that `blazz simulate` prints).",
            )
        assert self.address and self.ca and self.root_key and self.id
        return NetworkSettings.simulated(address=self.address, ca=self.ca, root_key=self.root_key, network_id=self.id)

    @property
    def network_id(self) -> str:
        """The network's id alone, for roles that never speak to it. Raises BlazzError `network_options`."""
        if self.network == "whatsapp" and self.id is None:
            return REAL_NETWORK_ID
        if self.network != "simulated" or self.id is None:
            raise BlazzError("network_options", "--network is `whatsapp`, or `simulated` with --network-id.")
        return self.id

    @property
    def simulated(self) -> bool:
        """Whether nothing reaches the real WhatsApp."""
        return self.network == "simulated"

    def arguments(self) -> list[str]:
        """Return the options that say the same to a child process."""
        said: list[str] = ["--network", self.network]
        for name, value in (
            ("--network-address", self.address),
            ("--network-ca", self.ca and self.ca.absolute()),
            ("--network-root-key", self.root_key and self.root_key.absolute()),
            ("--network-id", self.id),
            ("--phones-url", self.phones_url),
        ):
            said += [name, str(value)] if value is not None else []
        return said


@dataclass(frozen=True, slots=True)
class RoleOptions:
    """The command line of a single role; None leaves a setting as it is."""

    network: NetworkOptions
    data_dir: Path | None = None
    changes: dict[str, Any] | None = None
    """Settings that the command line replaces; None among the values leaves one as it is."""
    listen_fd: int | None = None
    ready_json: bool = False
    parent_stdin: bool = False

    def settings(self) -> Settings:
        """Return the settings with what the command line says."""
        changes = {"data_dir": self.data_dir, **(self.changes or {})}
        return Settings(**{name: value for name, value in changes.items() if value is not None})
