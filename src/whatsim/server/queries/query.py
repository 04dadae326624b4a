"""One query and the ways to answer it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from whatsim.server.entities import Device
from whatsim.wire.binary import Node
from whatsim.wire.errors import WireError
from whatsim.wire.jid import SERVER_JID

if TYPE_CHECKING:
    from whatsim.server.connection import Connection
    from whatsim.server.core import Core


class Query:
    """A client's `iq`. A handler answers it once and returns True, or returns False for what it does not know."""

    __slots__ = ("child", "connection", "core", "kind", "namespace", "node")

    def __init__(self, core: Core, connection: Connection, node: Node) -> None:
        self.core = core
        self.connection = connection
        self.node = node
        self.kind = node.attrs.get("type", "")
        self.namespace = node.attrs.get("xmlns", "")
        self.child = node.children[0] if node.children else Node("")

    @property
    def device(self) -> Device:
        """The device that asks; only for queries after login."""
        if self.connection.device is None:
            raise WireError("query before login")
        return self.connection.device

    def result(self, children: list[Node] | None = None) -> None:
        """Answer at once."""
        self.connection.send(self._answer("result", children))

    def durable_result(self, children: list[Node] | None = None) -> None:
        """Answer once everything changed so far is durable."""
        self.core.store.on_commit(partial(self.connection.send, self._answer("result", children)))

    def error(self, code: str, text: str) -> None:
        """Refuse."""
        self.connection.send(self._answer("error", [Node("error", {"code": code, "text": text})]))

    def _answer(self, kind: str, children: list[Node] | None) -> Node:
        attrs = {"from": SERVER_JID, "type": kind, "id": self.node.attrs.get("id", "")}
        return Node("iq", attrs, children)


Handler = Callable[[Query], bool]
