"""The parts of a running network, wired together."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from whatsim.model import Login, Observed
from whatsim.server.certificates import NoiseChain
from whatsim.server.counters import Counters
from whatsim.server.events import EventBus
from whatsim.server.faults import Faults
from whatsim.server.media_host import MediaHost
from whatsim.server.store import Store
from whatsim.server.world import World
from whatsim.trace import Tap
from whatsim.wire.binary import Node
from whatsim.wire.tokens import Dictionary

if TYPE_CHECKING:
    from whatsim.phones.phones import Phones
    from whatsim.server.calls import Calls
    from whatsim.server.channels import Channels
    from whatsim.server.connection import Connection
    from whatsim.server.delivery import Delivery
    from whatsim.server.group_router import GroupRouter
    from whatsim.server.groups import Groups
    from whatsim.server.limits import Limits
    from whatsim.server.linking import Linking
    from whatsim.server.passkeys import Passkeys
    from whatsim.server.router import Router
    from whatsim.server.session import SessionDesk

log = logging.getLogger(__name__)


class Core:
    """Shared by all parts; the parts that need each other are set by `network.py` before the first connection."""

    session: SessionDesk
    linking: Linking
    router: Router
    delivery: Delivery
    groups: Groups
    channels: Channels
    group_router: GroupRouter
    limits: Limits
    calls: Calls
    passkeys: Passkeys
    phones: Phones

    def __init__(
        self, store: Store, world: World, media_host: MediaHost, chain: NoiseChain, counters: Counters
    ) -> None:
        self.store = store
        self.world = world
        self.media_host = media_host
        self.chain = chain
        self.counters = counters
        self.faults = Faults()
        self.events = EventBus()
        self.tap = Tap()
        self.connections: set[Connection] = set()
        # Of clients with another dictionary than the generated one, by version.
        self.dictionaries: dict[int, Dictionary] = {}
        self.witness: Callable[[Login], Observed] | None = None

    def dispatch(self, connection: Connection, node: Node) -> None:
        """Handle one stanza of a client."""
        # Imported here because the query handlers import the parts that import this module.
        from whatsim.server.queries import answer

        device = connection.device
        if device is not None and device.epoch != connection.epoch:
            # Cannot happen, as a replaced connection is closed; counted so that a test can prove it.
            self.counters.stanzas_from_older_connection += 1
            return
        if device is not None and device.id not in self.world.devices:
            return  # unlinked a moment ago; the connection is about to end
        if log.isEnabledFor(logging.DEBUG):
            log.debug("%s > %s", device.jid("s.whatsapp.net") if device else "new", node)
        if node.tag == "iq":
            answer(self, connection, node)
        elif device is None:
            if node.tag not in ("ib", "ack"):
                self.counters.count_unknown(f"{node.tag} before login")
        else:
            self.router.handle(connection, device, node)
