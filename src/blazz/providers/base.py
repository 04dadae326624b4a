"""What the outbox needs of a provider: one message out, with an outcome that says whether it may be repeated."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Sent:
    """The provider's server has the message since `at`."""

    at: dt.datetime


@dataclass(frozen=True, slots=True)
class NotSent:
    """Nothing left this machine: the attempt does not count."""

    detail: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """The message may be out. Only the same id may be sent again, before anything else of its chat."""

    detail: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """The provider refuses this message for good."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Restricted:
    """The provider refuses the sender, not the message: it may be sent later. `code` is the provider's number."""

    code: int


Outcome = Sent | NotSent | Unknown | Rejected | Restricted


class Provider(Protocol):
    """A way to carry serialised messages of one session."""

    async def send(self, recipient: str, message_id: str, payload: bytes) -> Outcome:
        """Send under the caller's id and wait for the server's answer. Never raises for a failed send."""
