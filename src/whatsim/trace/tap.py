"""Where stanzas are seen on their way, by whoever watches; costs one look at an empty list when nobody does."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from whatsim.trace import render
from whatsim.wire.binary import Node, decode

log = logging.getLogger(__name__)

Way = Literal[">", "<"]
"""`>` from a client to the network, `<` from the network to a client."""


@dataclass(frozen=True, slots=True, eq=False)
class Watch:
    """Somebody who reads along. `deliver` takes an entry (one or more lines, without the last line end) and must not
    wait; an OSError of it ends the watch. With `number` only entries of that phone's devices come, with `contents` keys
    and bodies are shown."""

    deliver: Callable[[str], None]
    contents: bool = False
    number: str | None = None


class Tap:
    """Hands what passes to all present watches."""

    def __init__(self) -> None:
        self._watches: list[Watch] = []

    @property
    def watched(self) -> bool:
        """Whether anybody reads along."""
        return bool(self._watches)

    def add(self, watch: Watch) -> Callable[[], None]:
        """Begin to deliver to `watch`; returns what ends that."""
        self._watches.append(watch)

        def end() -> None:
            if watch in self._watches:
                self._watches.remove(watch)

        return end

    def stanza(self, who: str, way: Way, node: Node) -> None:
        """A stanza passes; `who` is the client's `number:device`, or how else it is called."""
        for watch in self._of(who):
            self._deliver(watch, _entry(who, way, render.stanza(node, contents=watch.contents)))

    def encoded(self, who: str, way: Way, data: bytes) -> None:
        """Like `stanza`, for one that is encoded already."""
        if self._of(who):
            self.stanza(who, way, decode(data))

    def content(self, who: str, way: Way, data: bytes) -> None:
        """A phone has encrypted (`<`) or decrypted (`>`) a message; shown only to watches of contents."""
        for watch in self._of(who):
            if watch.contents:
                self._deliver(watch, _entry(who, way, f"content {render.content(data)}"))

    def note(self, who: str, text: str) -> None:
        """Something happens to a connection."""
        for watch in self._of(who):
            self._deliver(watch, _entry(who, "-", text))

    def _deliver(self, watch: Watch, entry: str) -> None:
        try:
            watch.deliver(entry)
        except OSError as error:
            # A full disk ends the record, not the network.
            log.error("The trace has ended: %s", error)
            self._watches.remove(watch)

    def _of(self, who: str) -> list[Watch]:
        number = who.partition(":")[0]
        return [watch for watch in self._watches if watch.number in (None, number)]


def _entry(who: str, sign: str, text: str) -> str:
    time = dt.datetime.now(dt.UTC).strftime("%H:%M:%S.%f")[:-3]
    return f"{time} {who} {sign} {text}"
