"""The cluster of a test: servers, roles, an owner with workspaces, numbers linked through the API."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import secrets
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import select

from blazz import migrations
from blazz.accounts.tables import accounts as accounts_table
from blazz.cluster import service as cluster
from blazz.kit.db import Database, Platform, Tx
from blazz.kit.errors import BlazzError
from tests.support.cluster.gateways import Gateways
from tests.support.cluster.role import Role
from tests.support.cluster.servers import MariaDBServer, PostgresServer, ValkeyServer
from tests.support.cluster.traffic import Traffic
from tests.support.network import simulated_network
from tests.support.waiting import eventually
from whatsim.network import Network

_SCOPE = Platform("test")
_SCOPES = ["accounts", "messages", "contacts", "media"]
Kind = Literal["gateway", "instance", "worker"]


@dataclass(frozen=True, slots=True)
class Workspace:
    """A workspace with a key of its own."""

    id: uuid.UUID
    key: str

    @property
    def headers(self) -> dict[str, str]:
        """What a program of this workspace sends."""
        return {"Authorization": f"Bearer {self.key}"}


@dataclass(frozen=True, slots=True)
class Number:
    """An account and the simulated phone that it is linked to."""

    account_id: str
    phone: str
    workspace: Workspace

    @property
    def id(self) -> uuid.UUID:
        """The account's id."""
        return uuid.UUID(self.account_id)


class ClusterStand:
    """A running cluster; made by `cluster_stand`."""

    def __init__(
        self,
        directory: Path,
        network: Network,
        database: Database,
        environment: dict[str, str],
        database_server: PostgresServer | MariaDBServer | None,
        valkey: ValkeyServer | None,
    ) -> None:
        self.directory = directory
        self.network = network
        self.database = database
        """For looking, from the test's own process."""
        self.database_server = database_server
        """Kill and restart it; None when the test gave a URL."""
        self.valkey = valkey
        self.roles: dict[str, Role] = {}
        self._environment = environment
        self._gateways: list[Role] = []
        self.api = Gateways(self._gateways)
        self.traffic = Traffic(self)
        self.owner_headers: dict[str, str] = {}
        """Session cookie and CSRF token of the first owner, who is a platform admin."""

    # -- roles --------------------------------------------------------------------------------------------------

    def add_role(self, kind: Kind, *, network_address: str | None = None, **settings: object) -> Role:
        """Return a further role, not started yet; the next index of its kind is its name."""
        name = f"{kind}-{sum(role.kind == kind for role in self.roles.values())}"
        arguments = [
            *("--network", "simulated", "--network-id", self.network.network_id),
            *("--network-address", network_address or self.network.wire_address),
            *("--network-ca", str(self.network.ca_path)),
            *("--network-root-key", str(self.network.root_key_path)),
        ]
        if kind != "instance":
            arguments += ["--port", "0"]
        directory = self.directory / "roles" / name
        own = {"BLAZZ_DATA_DIR": str(directory), "BLAZZ_INSTANCE_ID": name}
        given = {f"BLAZZ_{key.upper()}": str(value) for key, value in settings.items()}
        role = Role(kind, name, directory, arguments, {**self._environment, **own, **given})
        self.roles[name] = role
        if kind == "gateway":
            self._gateways.append(role)
        return role

    def of_kind(self, kind: Kind) -> list[Role]:
        """Return the roles of a kind, by index."""
        return [role for role in self.roles.values() if role.kind == kind]

    @property
    def instances(self) -> list[Role]:
        """The instances, running or not."""
        return self.of_kind("instance")

    @property
    def gateways(self) -> list[Role]:
        """The gateways, running or not."""
        return self.of_kind("gateway")

    @property
    def workers(self) -> list[Role]:
        """The workers, running or not."""
        return self.of_kind("worker")

    async def leader(self, *, within_s: float = 15.0) -> Role:
        """Return the worker that leads the controller, by its own metrics."""

        async def leading() -> Role | None:
            for role in self.workers:
                if role.running and "blazz_controller_leading 1" in await self.metrics(role):
                    return role
            return None

        found = await eventually(leading, within_s=within_s, every_s=0.2, what="a worker leads")
        assert found is not None
        return found

    async def release(self, role: Role) -> None:
        """Write the release record of an instance that is gone, as its parent or systemd would."""
        process = await asyncio.create_subprocess_exec(
            *role.release_command(), env=role.environment(), stderr=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(30):
            _, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()

    async def metrics(self, role: Role) -> str:
        """Return the metrics of a gateway or worker as text; empty when it does not answer."""
        import httpx

        with contextlib.suppress(httpx.HTTPError):
            async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
                return (await client.get(f"{role.ready['url']}/metrics")).text
        return ""

    # -- people, workspaces, numbers ----------------------------------------------------------------------------

    async def set_up(self) -> None:
        """Create the first owner, as a person does in the browser."""
        gateway = self.gateways[0]
        body = {
            "code": gateway.ready["setup_code"],
            "email": "owner@example.org",
            "password": "correct horse battery",
            "name": "Owner",
            "workspace_name": "Shop",
        }
        answer = await self.api.request("POST", "/auth/setup", body, at=gateway)
        assert answer.status_code == 201, answer.text
        cookie = "; ".join(f"{name}={value}" for name, value in answer.cookies.items())
        me = await self.api.json("GET", "/me", headers={"Cookie": cookie})
        self.owner_headers = {"Cookie": cookie, "X-CSRF-Token": me["csrf_token"]}

    async def workspace(self, name: str = "Shop") -> Workspace:
        """Create a workspace with an API key that may do everything."""
        made = await self.api.json("POST", "/workspaces", {"name": name}, headers=self.owner_headers)
        scopes = [f"{scope}:{right}" for scope in _SCOPES for right in ("read", "write")]
        body = {"name": "test", "scopes": [*scopes, "events:read"]}
        headers = {**self.owner_headers, "X-Workspace": made["id"]}
        key = await self.api.json("POST", "/api-keys", body, headers=headers)
        return Workspace(uuid.UUID(made["id"]), key["key"])

    async def customer(self) -> str:
        """Return the phone number of a new simulated customer."""
        return (await self.network.create_phone()).number

    async def link(self, workspace: Workspace | None = None) -> Number:
        """Add a number (to a new workspace by default), link it to a new phone, wait until it is connected."""
        workspace = workspace or await self.workspace()
        phone = (await self.network.create_phone()).number
        headers = workspace.headers
        account = await self.api.json("POST", "/accounts", {"name": phone}, headers=headers)
        path = f"/accounts/{account['id']}"
        await self.api.insist("POST", f"{path}/connect", {}, headers=headers)

        async def code() -> str | None:
            answer = await self.api.request("GET", f"{path}/qr", headers=headers)
            return answer.json()["code"] if answer.status_code == 200 else None

        shown = await eventually(code, within_s=30, every_s=0.1, what="a QR code")
        assert shown is not None
        await self.network.link_qr(phone, shown)
        number = Number(account["id"], phone, workspace)
        await self.connected([number])
        return number

    async def link_many(self, count: int, *, per_workspace: int = 1, at_once: int = 4) -> list[Number]:
        """Link `count` numbers in workspaces of `per_workspace` numbers each."""
        gate = asyncio.Semaphore(at_once)

        async def one(workspace: Workspace) -> Number:
            async with gate:
                return await self.link(workspace)

        workspaces = [await self.workspace() for _ in range(-(-count // per_workspace))]
        return list(await asyncio.gather(*(one(workspaces[index // per_workspace]) for index in range(count))))

    # -- looking ------------------------------------------------------------------------------------------------

    async def assignment(self, number: Number) -> cluster.Assignment:
        """Return who owns a number, by the database. Raises BlazzError when it is away."""
        found = await self.database.read(_SCOPE, cluster.assignment, number.id)
        assert found is not None, f"nobody was ever given {number.phone}"
        return found

    async def owner_of(self, number: Number) -> Role:
        """Return the role that owns a number."""
        owner = (await self.assignment(number)).instance_id
        assert owner is not None
        return self.roles[owner]

    async def status(self, number: Number) -> str:
        """Return a number's stored status."""

        def read(tx: Tx) -> str:
            return str(tx.scalar(select(accounts_table.c.status).where(accounts_table.c.id == number.id)))

        return await self.database.read(_SCOPE, read)

    def online(self, number: Number) -> bool:
        """Tell whether the network has a login of the number's linked device."""
        return any(device.connected for device in self.network.get_phone(number.phone).devices)

    async def connected(self, numbers: Sequence[Number], *, within_s: float = 60.0) -> None:
        """Wait until all these numbers are connected, for the database and for the network."""

        async def all_are() -> bool:
            with contextlib.suppress(BlazzError):
                return all([self.online(one) and await self.status(one) == "connected" for one in numbers])
            return False

        await eventually(all_are, within_s=within_s, every_s=0.1, what=f"{len(numbers)} numbers are connected")

    async def moved(self, numbers: Number | Sequence[Number], away_from: Role, *, within_s: float = 60.0) -> None:
        """Wait until other instances than this role own these numbers, and have connected them."""
        several = [numbers] if isinstance(numbers, Number) else list(numbers)

        async def elsewhere() -> bool:
            with contextlib.suppress(BlazzError):
                return all([(await self.assignment(one)).instance_id != away_from.name for one in several])
            return False

        what = f"{len(several)} numbers have left {away_from.name}"
        await eventually(elsewhere, within_s=within_s, every_s=0.1, what=what)
        await self.connected(several, within_s=within_s)

    async def members(self) -> dict[str, cluster.Instance]:
        """Return the instances by name, as the database has them."""
        return {one.id: one for one in await self.database.read(_SCOPE, cluster.all_instances)}

    def logs(self) -> str:
        """Return the end of every role's log."""
        return "\n".join(f"--- {role.name}\n{role.tail()}" for role in self.roles.values())

    async def end(self) -> None:
        """Thaw and end every role: workers first, who would move the sessions of ending instances."""
        for kind in ("worker", "gateway", "instance"):
            await asyncio.gather(*(role.stop() for role in self.roles.values() if role.kind == kind))


@contextlib.asynccontextmanager
async def cluster_stand(
    directory: Path,
    *,
    instances: int = 2,
    gateways: int = 1,
    workers: int = 1,
    server_kind: Literal["postgresql", "mariadb"] = "postgresql",
    database_url: str | None = None,
    valkey: bool = True,
    set_up: bool = True,
    **settings: Any,
) -> AsyncIterator[ClusterStand]:
    """Start servers and roles in `directory` and, unless `set_up` is False, create the first owner.

    `database_url` names a database of a server that is there already (its schema is brought up to date); without it
    a private server of the kind `server_kind` is started. `settings` are `BLAZZ_*` variables of all roles. The ends of
    the logs are added to an error that leaves the block.
    """
    async with contextlib.AsyncExitStack() as parts:
        network = await parts.enter_async_context(simulated_network(directory / "network"))
        server: PostgresServer | MariaDBServer | None = None
        if database_url is None:
            start = MariaDBServer.start if server_kind == "mariadb" else PostgresServer.start
            server = await start(directory / server_kind)
            parts.push_async_callback(server.stop)
            database_url = server.url
        redis = await ValkeyServer.start(directory / "valkey") if valkey else None
        if redis is not None:
            parts.push_async_callback(redis.stop)
        await asyncio.to_thread(migrations.upgrade, database_url)
        database = await Database.connect(database_url)
        parts.push_async_callback(database.close)
        environment = {
            "BLAZZ_DATABASE_URL": database_url,
            "BLAZZ_SECRET_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
            "BLAZZ_SESSIONS_DIR": str(directory / "shared" / "sessions"),
            "BLAZZ_MEDIA_DIR": str(directory / "shared" / "media"),
            **({} if redis is None else {"BLAZZ_REDIS_URL": redis.url}),
            **{f"BLAZZ_{name.upper()}": str(value) for name, value in settings.items()},
        }
        stand = ClusterStand(directory, network, database, environment, server, redis)
        parts.push_async_callback(stand.api.close)
        for kind, count in (("instance", instances), ("gateway", gateways), ("worker", workers)):
            for _ in range(count):
                stand.add_role(kind)  # type: ignore[arg-type]
        parts.push_async_callback(stand.end)
        try:
            await asyncio.gather(*(role.start() for role in stand.roles.values()))
            if set_up:
                await stand.set_up()
            yield stand
        except BaseException as error:
            error.add_note(stand.logs())
            raise
