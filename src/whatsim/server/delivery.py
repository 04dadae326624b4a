"""The last step of a message to a device, where it can be lost, held back, broken or doubled."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from whatsim.server.entities import Device, QueuedStanza
from whatsim.wire.binary import Node, decode, encode

if TYPE_CHECKING:
    from whatsim.server.core import Core

# How long messages that are to change places wait for each other when the fault does not say.
HOLD_S = 2.0
# This far from its end a ciphertext is authenticated in every kind of message; the first of a session ends with up to
# eight bytes that are not.
_AUTHENTICATED = 16

_Held = list[tuple[Device, QueuedStanza]]


class Delivery:
    """Sends queued stanzas to connected devices, through the faults that concern them."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._held: dict[str, _Held] = {}

    def deliver(self, device: Device, stanza: QueuedStanza, *, is_message: bool) -> None:
        """Send a durable stanza to its device if that is connected; otherwise it waits in the queue.

        Faults of messages leave other stanzas alone (`is_message` False).
        """
        stanza.ready = True
        if is_message and self._core.faults.any and self._is_disturbed(device, stanza):
            return
        self._send(device, stanza)

    def release(self, fault_id: str) -> None:
        """Deliver what a `reorder` fault holds back, the newest first."""
        for device, stanza in reversed(self._held.pop(fault_id, [])):
            self._send(device, stanza)

    def _is_disturbed(self, device: Device, stanza: QueuedStanza) -> bool:
        """Whether a fault has taken care of the message."""
        faults = self._core.faults
        if not _is_reachable(device, stanza):
            return False
        if faults.hit("lose_messages", device) is not None:
            return True
        order = faults.hit("reorder", device)
        if order is not None:
            held = self._held.setdefault(order.id, [])
            held.append((device, stanza))
            if order.remaining == 0:
                self.release(order.id)
            elif len(held) == 1:
                hold_s = HOLD_S if order.spec.seconds is None else order.spec.seconds
                order.timer = asyncio.get_running_loop().call_later(hold_s, self._expire, order.id)
            return True
        if faults.hit("corrupt", device) is not None:
            self._send(device, stanza, _broken(stanza.data))
            return True
        if faults.hit("duplicate", device) is not None:
            self._core.counters.duplicates += 1
            self._send(device, stanza)
        return False

    def _expire(self, fault_id: str) -> None:
        self._core.faults.remove(fault_id)
        self.release(fault_id)

    def _send(self, device: Device, stanza: QueuedStanza, data: bytes | None = None) -> None:
        connection = device.connection
        if connection is not None and _is_reachable(device, stanza):
            connection.send_encoded(stanza.data if data is None else data)


def _is_reachable(device: Device, stanza: QueuedStanza) -> bool:
    connection = device.connection
    return connection is not None and connection.active and device.queue.get(stanza.key) is stanza


def _broken(data: bytes) -> bytes:
    """Return an encoded message whose ciphertexts are each changed in one byte."""
    node = decode(data)
    for enc in node.children:
        if enc.tag == "enc" and enc.content:
            _break(enc)
    return encode(node)


def _break(enc: Node) -> None:
    sealed = bytearray(enc.data())
    sealed[-min(_AUTHENTICATED, len(sealed))] ^= 1
    enc.content = bytes(sealed)
