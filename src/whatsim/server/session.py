"""Logins of known devices and registrations of new ones, and what ends a connection."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from whatsim.model import Login
from whatsim.server.entities import Device
from whatsim.server.stanzas import ib, timestamp
from whatsim.wire.binary import Node, decode, encode
from whatsim.wire.jid import LID_SERVER
from whatsim.wire.records import ClientPayload

if TYPE_CHECKING:
    from whatsim.server.connection import Connection
    from whatsim.server.core import Core

log = logging.getLogger(__name__)


class SessionDesk:
    """Lets devices in: the newest login of a device is the only one."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def enter(self, connection: Connection, payload: ClientPayload) -> None:
        """Take over a connection whose handshake is done."""
        if payload.username is not None:
            self._login(connection, payload)
        elif payload.pairing is not None:
            failed = self._core.limits.refuses_login(payload, None)
            if failed is not None:
                self._core.counters.login_refusals += 1
                connection.close(failed)
                return
            self._core.linking.register(connection, payload.pairing)
        else:
            connection.close(failure("400"))

    def leave(self, connection: Connection) -> None:
        """A connection has ended."""
        self._core.linking.forget(connection)
        device = connection.device
        if device is not None and device.connection is connection:
            device.connection = None
            self._core.phones.link_changed(device.phone)

    def _login(self, connection: Connection, payload: ClientPayload) -> None:
        core = self._core
        phone = core.world.by_number.get(str(payload.username))
        number = payload.device or 0
        device = None
        if phone is not None:
            device = phone.devices.get(number) or phone.pending.get(number)
        refusal = core.faults.hit("refuse_login", device)
        if refusal is not None:
            self._refuse(connection, refusal.spec.code or "503")
            return
        failed = core.limits.refuses_login(payload, phone if device is not None else None)
        if failed is not None:
            core.counters.login_refusals += 1
            connection.close(failed)
            return
        if device is None or device.noise != connection.static:
            # The device was unlinked, or never linked: clients forget their keys on this.
            self._refuse(connection, "401")
            return
        if not device.confirmed:
            core.linking.logged_in(device)
        older = device.connection
        self._hear_witness(connection, device, older)
        device.epoch += 1
        connection.epoch = device.epoch
        connection.device = device
        device.connection = connection
        core.tap.note(connection.label, "logged in from {}:{}".format(*connection.ends.client))
        if older is not None:
            core.counters.replaced += 1
            older.close(stream_error("replaced"))
        core.counters.logins += 1
        # A confirmed device must be durable before anybody relies on it.
        core.store.on_commit(partial(connection.send, self._success(device)))
        core.phones.link_changed(device.phone)

    def _hear_witness(self, connection: Connection, device: Device, older: Connection | None) -> None:
        core = self._core
        if core.witness is None:
            return
        replaced = None if older is None else older.ends
        said = core.witness(Login(device.phone.number, device.device, connection.ends, replaced))
        if said.replaced_lives:
            core.counters.replaced_living += 1
        if said.epoch is not None:
            if said.epoch < device.owner_epoch:
                core.counters.logins_below_epoch += 1
            device.owner_epoch = max(device.owner_epoch, said.epoch)

    def _refuse(self, connection: Connection, code: str) -> None:
        self._core.counters.login_refusals += 1
        connection.close(failure(code))

    def _success(self, device: Device) -> Node:
        attrs = {
            "t": timestamp(),
            "props": "1",
            "location": "sim",
            # Clients compare this with the LID that they were linked with.
            "lid": device.jid(LID_SERVER),
            "creation": str(int(device.linked_at)),
            "display_name": device.phone.name,
        }
        return Node("success", attrs)

    def activate(self, connection: Connection) -> None:
        """The client is ready: deliver what waits, once it is durable, and from now on at once."""
        self._core.store.on_commit(partial(self._activate, connection))

    def _activate(self, connection: Connection) -> None:
        device = connection.device
        if device is None or device.connection is not connection or connection.active or not connection.is_open:
            return
        waiting = [stanza for stanza in device.queue.values() if stanza.ready]
        connection.send(ib("offline_preview", count=len(waiting), message=len(waiting)))
        connection.active = True
        for stanza in waiting:
            stanza.skip_acks = 0  # those that an earlier connection owed do not come any more
            node = decode(stanza.data)
            node.attrs["offline"] = "0"
            connection.send_encoded(encode(node))
        connection.send(ib("offline", count=len(waiting)))
        self._core.phones.greet(device)

    def redeliver(self, device: Device) -> None:
        """Deliver the queue again to a connected client (after a silence)."""
        connection = device.connection
        if connection is not None and connection.active:
            for stanza in list(device.queue.values()):
                if stanza.ready:
                    connection.send_encoded(stanza.data)


def failure(code: str) -> Node:
    """The refusal of a login: 401 logged out, 403 banned, 405 client too old, 503 try again."""
    return Node("failure", {"reason": code, "location": "sim"})


def stream_error(code: str) -> Node:
    """The end of a stream: `replaced`, `device_removed`, or a number (515 reconnect, 503 try again)."""
    if code == "replaced":
        return Node("stream:error", {}, [Node("conflict", {"type": "replaced"})])
    if code == "device_removed":
        return Node("stream:error", {"code": "401"}, [Node("conflict", {"type": "device_removed"})])
    return Node("stream:error", {"code": code})
