"""Channels: what they are called. Nobody keeps who follows one; whoever posts says it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from whatsim.server.entities import now

if TYPE_CHECKING:
    from whatsim.server.core import Core


class Channels:
    """The names of channels by address."""

    def __init__(self, core: Core) -> None:
        self._store = core.store
        self._names: dict[str, str] = dict(core.store.read("SELECT * FROM channels"))

    def rename(self, address: str, name: str) -> None:
        """Give a channel a name."""
        self._names[address] = name
        self._store.put("channels", address, (address, name))

    def answer(self, address: str) -> bytes:
        """Return what a client that asks for a channel is told, as JSON; null for one without a name."""
        name = self._names.get(address)
        return json.dumps({"data": {"xwa2_newsletter": None if name is None else _shown(address, name)}}).encode()


def _shown(address: str, name: str) -> dict[str, object]:
    stamp = str(int(now()))
    text = {"id": stamp, "update_time": f"{stamp}000000"}
    return {
        "id": address,
        "state": {"type": "ACTIVE"},
        "thread_metadata": {
            "creation_time": stamp,
            "invite": "",
            "name": {**text, "text": name},
            "description": {**text, "text": ""},
            "subscribers_count": "1",
            "verification": "UNVERIFIED",
        },
        "viewer_metadata": {"mute": "OFF", "role": "SUBSCRIBER"},
    }
