"""The simulated network as one object: opened on a directory, used by clients over TLS and by its owner here."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import resource
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from whatsim.desks import HistoryDesk, SettingsDesk
from whatsim.group_desk import GroupDesk, is_group
from whatsim.model import (
    Behaviour,
    DeviceNotFound,
    DeviceView,
    FaultSpec,
    FaultView,
    InvalidNumber,
    Login,
    MessageNotFound,
    MessageView,
    NetworkEvent,
    NetworkStats,
    Observed,
    OutgoingContent,
    PhoneExists,
    PhoneView,
)
from whatsim.people_desk import PeopleDesk
from whatsim.phones.phones import Phones
from whatsim.phones.views import device_view, message_view, phone_view
from whatsim.rules_desk import CallsDesk, LimitsDesk, PasskeysDesk
from whatsim.server.calls import Calls
from whatsim.server.certificates import noise_chain, tls_context, write_private
from whatsim.server.channels import Channels
from whatsim.server.connection import Connection
from whatsim.server.core import Core
from whatsim.server.counters import Counters
from whatsim.server.delivery import Delivery
from whatsim.server.entities import now
from whatsim.server.faults import AT_ONCE, Fault
from whatsim.server.group_router import GroupRouter
from whatsim.server.groups import Groups
from whatsim.server.limits import Limits
from whatsim.server.linking import Linking
from whatsim.server.media_host import MediaHost
from whatsim.server.passkeys import Passkeys
from whatsim.server.router import Router
from whatsim.server.session import SessionDesk, stream_error
from whatsim.server.store import Store
from whatsim.server.world import World
from whatsim.trace import Watch
from whatsim.wire import tokens
from whatsim.wire.errors import WireError
from whatsim.wire.media import unseal

log = logging.getLogger(__name__)

BACKLOG = 4_096
MAX_MESSAGES = 1_000
_NUMBER = re.compile(r"[1-9]\d{6,14}")
# +1 XXX 555 01XX is reserved for fiction; area codes 201 to 989 give 78,900 numbers.
_FICTIONAL = "1{area}55501{line:02d}"
_FILES_WANTED = 16_384


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Where the network keeps its state and listens. Port 0 picks a free one.

    `dictionaries` are files (JSON) of clients whose token dictionary is not that of the linked library.
    """

    state_dir: Path
    host: str = "127.0.0.1"
    wire_port: int = 7071
    dictionaries: tuple[Path, ...] = ()


class Network:
    """A running simulated network. Use one instance per state directory, on one event loop."""

    wire_address: str
    network_id: str
    ca_path: Path
    root_key_path: Path

    def __init__(self, core: Core, config: NetworkConfig, network_id: str) -> None:
        """Use `open` instead."""
        self._core = core
        self._server: asyncio.Server | None = None
        self._further: list[asyncio.Server] = []
        self._state_dir = config.state_dir
        self._next_fictional = 0
        self.people = PeopleDesk(core)
        self.settings = SettingsDesk(core)
        self.history = HistoryDesk(core)
        self.limits = LimitsDesk(core)
        self.calls = CallsDesk(core)
        self.passkeys = PasskeysDesk(core)
        self.groups = GroupDesk(core)
        self.network_id = network_id
        self.ca_path = config.state_dir / "ca.pem"
        self.root_key_path = config.state_dir / "root.pub"

    @classmethod
    async def open(cls, config: NetworkConfig) -> Network:
        """Open or create the state in `config.state_dir` and start listening.

        Raises OSError when the port or the directory cannot be used, or another process has the state open.
        """
        _raise_file_limit()
        config.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        store = Store(config.state_dir / "whatsim.db")
        seed = _root_seed(store)
        chain = noise_chain(seed, now())
        counters = Counters()
        media_host = MediaHost(config.state_dir / "media", counters)
        core = Core(store, World(store), media_host, chain, counters)
        core.dictionaries = {words.version: words for words in map(tokens.load, config.dictionaries)}
        core.phones = Phones(core)
        core.router = Router(core)
        core.delivery = Delivery(core)
        core.groups = Groups(core)
        core.channels = Channels(core)
        core.group_router = GroupRouter(core)
        core.limits = Limits(core)
        core.calls = Calls(core)
        core.passkeys = Passkeys(core)
        core.linking = Linking(core)
        core.session = SessionDesk(core)
        network = cls(core, config, f"sim-{chain.root.hex()[:12]}")
        write_private(network.root_key_path, chain.root)
        context = tls_context(config.state_dir)
        loop = asyncio.get_running_loop()
        try:
            await store.durable()
            network._server = await loop.create_server(
                lambda: Connection(core), config.host, config.wire_port, ssl=context, backlog=BACKLOG
            )
        except OSError:
            await store.close()
            raise
        host, port = network._server.sockets[0].getsockname()[:2]
        network.wire_address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        return network

    async def listen_also(self, host: str) -> str:
        """Take clients on a further address (of a test namespace), too; returns `host:port`. Raises OSError."""
        core, loop = self._core, asyncio.get_running_loop()
        context = tls_context(self._state_dir)
        server = await loop.create_server(lambda: Connection(core), host, 0, ssl=context, backlog=BACKLOG)
        self._further.append(server)
        return f"{host}:{server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        """Close all connections and commit everything."""
        core = self._core
        for server in (self._server, *self._further):
            if server is not None:
                server.close()
        for connection in list(core.connections):
            connection.close()
            connection.abort()
        core.phones.close()
        await core.media_host.close()
        core.events.close()
        await core.store.close()

    # --- phones

    async def create_phone(self, number: str | None = None, name: str | None = None) -> PhoneView:
        """Create a phone and return it. Without `number` the next free fictional one is taken.

        Raises InvalidNumber or PhoneExists.
        """
        world = self._core.world
        if number is None:
            number = self._free_number()
        number = number.removeprefix("+")
        if not _NUMBER.fullmatch(number):
            raise InvalidNumber("A number has 7 to 15 digits, with the country code and without a leading zero.")
        if number in world.by_number:
            raise PhoneExists(f"There is already a phone with the number {number}.")
        phone = world.add_phone(number, (name or "").strip()[:80] or f"Phone {number[-4:]}")
        await self._core.store.durable()
        self._core.phones.phone_event("phone_created", phone)
        return phone_view(phone)

    def list_phones(self) -> list[PhoneView]:
        """Return all phones in the order of their creation."""
        return [phone_view(phone) for phone in self._core.world.by_id.values()]

    def get_phone(self, number: str) -> PhoneView:
        """Return one phone. Raises PhoneNotFound (as does every function below that takes a number)."""
        return phone_view(self._core.world.phone(number))

    async def link_qr(self, number: str, qr: str) -> DeviceView:
        """Scan a QR code's text with this phone; returns once the client has confirmed. Raises LinkRefused."""
        return device_view(await self._core.linking.link_qr(self._core.world.phone(number), qr))

    async def link_code(self, number: str, code: str) -> DeviceView:
        """Type the 8-character code on this phone; returns once the client has confirmed. Raises LinkRefused."""
        return device_view(await self._core.linking.link_code(self._core.world.phone(number), code))

    async def unlink(self, number: str, device: int) -> None:
        """Remove a linked device; its connection ends, later logins are refused (401). Raises DeviceNotFound."""
        found = self._core.world.phone(number).devices.get(device)
        if found is None:
            raise DeviceNotFound(f"The phone {number} has no linked device {device}.")
        self._core.linking.unlink(found)
        await self._core.store.durable()

    async def send_message(self, number: str, to: str, content: OutgoingContent) -> MessageView:
        """Send from this phone to the number or group `to` and return the stored message once it is durable.

        Raises PhoneNotFound (also for `to`) and InvalidContent.
        """
        if is_group(to):
            return await self.groups.send(number, to, content)
        if is_group(to):
            return await self.groups.send(number, to, content)
        core = self._core
        phone, peer = core.world.phone(number), core.world.phone(to)
        prepared = await core.phones.prepare(content, phone, peer)
        message = core.phones.sender.send(phone, peer, prepared)
        await core.store.durable()
        return message_view(message)

    def messages(self, number: str, after: int = 0, limit: int = 200) -> list[MessageView]:
        """Return the phone's messages with `id` above `after`, ascending, at most `limit` (1 to 1,000)."""
        phone = self._core.world.phone(number)
        return [message_view(message) for message in phone.messages_after(after, max(1, min(limit, MAX_MESSAGES)))]

    def media(self, number: str, message_id: str) -> tuple[bytes, str]:
        """Return a message's decrypted media and its MIME type. Raises MessageNotFound."""
        named = self._core.world.phone(number).all_with_id(message_id)
        media = next((message.media for message in named if message.media is not None), None)
        if media is None:
            raise MessageNotFound(f"The phone {number} has no media in a message {message_id}.")
        data = self._core.media_host.load(media["path"])
        if data is None:
            raise MessageNotFound("The media host does not have this file.")
        try:
            return unseal(data, bytes.fromhex(media["key"]), media["kind"]), media["mimetype"]
        except WireError as error:
            raise MessageNotFound("The file cannot be decrypted with the message's key.") from error

    async def mark_read(self, number: str, chat: str, up_to: int | None = None) -> int:
        """Send read receipts for the chat's unread messages with `id` up to `up_to` (None: all); returns how many."""
        if is_group(chat):
            return await self.groups.mark_read(number, chat, up_to)
        if is_group(chat):
            return await self.groups.mark_read(number, chat, up_to)
        world = self._core.world
        count = self._core.phones.mark_read(world.phone(number), world.phone(chat), up_to)
        await self._core.store.durable()
        return count

    async def typing(self, number: str, to: str, composing: bool) -> None:
        """Show `to`'s linked devices that this phone types (or has stopped)."""
        if is_group(to):
            self.groups.typing(number, to, composing=composing)
            return
        world = self._core.world
        self._core.phones.typing(world.phone(number), world.phone(to), composing=composing)

    async def set_behaviour(self, number: str, behaviour: Behaviour) -> None:
        """Set how the phone answers; durable."""
        phone = self._core.world.phone(number)
        phone.behaviour = behaviour
        self._core.world.save(phone)
        await self._core.store.durable()
        self._core.phones.phone_event("phone_changed", phone)

    async def set_online(self, number: str, online: bool) -> None:
        """Switch the phone's own connection; while offline it receives and answers nothing. Durable."""
        self._core.phones.set_online(self._core.world.phone(number), online=online)
        await self._core.store.durable()

    async def forget_session(self, number: str, peer: str, device: int) -> None:
        """Make the phone lose its encryption session with `peer`'s linked device, so that the next message from there
        cannot be read and is asked for again. Raises DeviceNotFound."""
        world = self._core.world
        found = world.phone(peer).devices.get(device)
        if found is None:
            raise DeviceNotFound(f"The phone {peer} has no linked device {device}.")
        self._core.phones.sessions.forget(world.phone(number), found)
        await self._core.store.durable()

    # --- faults

    def add_fault(self, fault: FaultSpec) -> FaultView:
        """Add a disturbance (kept in memory only). Raises InvalidFault.

        `drop_connection`, `stream_error`, `forget_prekeys` and `expire_media` act at once and are over with that;
        `hits` says on how many connections, devices or files.
        """
        faults = self._core.faults
        added = faults.add(fault)
        if fault.kind in AT_ONCE:
            self._act(added)
            faults.remove(added.id)
            added.remaining = 0
        elif fault.kind == "silence" and fault.seconds is not None:
            added.timer = asyncio.get_running_loop().call_later(fault.seconds, self.clear_faults, added.id)
        self._publish_faults()
        return added.view()

    def list_faults(self) -> list[FaultView]:
        """Return the active faults, oldest first."""
        return [fault.view() for fault in self._core.faults.list()]

    def clear_faults(self, fault_id: str | None = None) -> int:
        """Remove one fault, or all; returns how many were removed."""
        faults = self._core.faults
        ids = [fault_id] if fault_id is not None else [fault.id for fault in faults.list()]
        removed = [fault for fault in map(faults.remove, ids) if fault is not None]
        for fault in removed:
            self._core.delivery.release(fault.id)
            if fault.spec.kind == "silence":
                # What was not delivered during the silence is delivered now.
                for connection in list(self._core.connections):
                    if connection.device is not None and fault.matches(connection.device):
                        self._core.session.redeliver(connection.device)
        if removed:
            self._publish_faults()
        return len(removed)

    def _act(self, fault: Fault) -> None:
        core = self._core
        if fault.spec.kind == "expire_media":
            fault.hits = core.media_host.expire()
        elif fault.spec.kind == "forget_prekeys":
            for device in core.world.all_devices():
                if fault.matches(device):
                    fault.hits += 1
                    core.world.forget_prekeys(device)
                    core.router.prekey_taken(device)
        else:
            self._cut(fault)

    def _cut(self, fault: Fault) -> None:
        code = fault.spec.code or "503"
        for connection in list(self._core.connections):
            if not connection.is_upgraded or not fault.matches(connection.device):
                continue
            fault.hits += 1
            if fault.spec.kind == "drop_connection":
                connection.abort()
            else:
                connection.close(stream_error(code))

    # --- observation

    def stats(self) -> NetworkStats:
        """Return the counters."""
        core = self._core
        counters = core.counters
        devices = list(core.world.all_devices())
        return NetworkStats(
            logins=counters.logins,
            login_refusals=counters.login_refusals,
            registrations=counters.registrations,
            replaced=counters.replaced,
            messages=counters.messages,
            receipts=counters.receipts,
            acks_lost=counters.acks_lost,
            duplicates=counters.duplicates,
            stanzas_from_older_connection=counters.stanzas_from_older_connection,
            logins_below_epoch=counters.logins_below_epoch,
            replaced_living=counters.replaced_living,
            open_connections=sum(1 for connection in core.connections if connection.is_upgraded),
            online=sum(1 for device in devices if device.connection is not None),
            queued=sum(len(device.queue) for device in devices),
            phones=len(core.world.by_id),
            decrypt_failures=counters.decrypt_failures,
            retry_requests=counters.retry_requests,
            uploads=counters.uploads,
            downloads=counters.downloads,
            commits=core.store.commits,
            unknown=dict(counters.unknown),
        )

    def watch_logins(self, witness: Callable[[Login], Observed] | None) -> None:
        """Ask `witness` at every login from now on; it must not wait. None ends that."""
        self._core.witness = witness

    def subscribe(self) -> AsyncIterator[NetworkEvent]:
        """Return a stream of changes from now on; a reader that falls 1,000 events behind is ended."""
        return self._core.events.subscribe()

    def watch_stanzas(self, watch: Watch) -> Callable[[], None]:
        """Begin to trace: from now on every stanza is handed to `watch`; returns what ends that."""
        return self._core.tap.add(watch)

    def _publish_faults(self) -> None:
        self._core.events.publish(NetworkEvent("faults_changed"))

    def _free_number(self) -> str:
        taken = self._core.world.by_number
        while True:
            area, line = divmod(self._next_fictional, 100)
            number = _FICTIONAL.format(area=201 + area, line=line)
            if area > 788:
                raise InvalidNumber("There are no fictional numbers left; give one.")
            self._next_fictional += 1
            if number not in taken:
                return number


def _root_seed(store: Store) -> bytes:
    rows = store.read("SELECT value FROM meta WHERE name = 'seed'")
    if rows:
        return bytes(rows[0][0])
    seed = os.urandom(32)
    store.put("meta", "seed", ("seed", seed))
    return seed


def _raise_file_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES_WANTED if hard == resource.RLIM_INFINITY else min(_FILES_WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
