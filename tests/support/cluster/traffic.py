"""Messages with unique serials in both directions, and the counting of what was lost, doubled or disordered.

A serial is `{direction} {number's phone} {customer} {count}`: direction and chat can be told from the body alone. We
count what phones show and what is stored, never ids.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import select

from blazz.kit.db import Platform, Tx
from blazz.kit.errors import BlazzError
from blazz.kit.time import utc_now
from blazz.messaging.tables import messages
from tests.support.product import text
from tests.support.waiting import eventually
from whatsim.model import MessageView

if TYPE_CHECKING:
    from tests.support.cluster.stand import ClusterStand, Number

Chat = tuple[str, str]
"""(phone of our number, phone of the customer)"""
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of all serials. `redeliveries`, `decrypt_failures` and `retries` are raw figures, no faults."""

    sent_in: int
    sent_out: int
    lost_in: tuple[str, ...]
    lost_out: tuple[str, ...]
    doubled_in: tuple[str, ...]
    doubled_out: tuple[str, ...]
    disordered: tuple[str, ...]
    failed: tuple[str, ...]
    older_connection_stanzas: int
    redeliveries: int
    decrypt_failures: int
    retries: int

    def expect_nothing_lost(self) -> None:
        """Each serial exactly once where it belongs, in order per chat, none from an older connection."""
        assert not self.lost_in, f"customers' messages lost: {self.lost_in[:20]} of {self.sent_in}"
        assert not self.lost_out, f"our messages lost: {self.lost_out[:20]} of {self.sent_out}"
        assert not self.doubled_in, f"stored twice: {self.doubled_in[:20]}"
        assert not self.doubled_out, f"shown twice: {self.doubled_out[:20]}"
        assert not self.disordered, f"out of order in {self.disordered[:20]}"
        assert not self.failed, f"our messages failed: {self.failed[:20]}"
        assert self.older_connection_stanzas == 0


@dataclass(slots=True)
class Traffic:
    """The messages of a stand. A message of ours counts once the API has accepted it (202)."""

    stand: ClusterStand
    inbound: dict[Chat, list[str]] = field(default_factory=lambda: defaultdict(list))
    outbound: dict[Chat, list[str]] = field(default_factory=lambda: defaultdict(list))
    began: dt.datetime = field(default_factory=utc_now)
    """Messages stored before are not ours."""
    _numbers: dict[Chat, Number] = field(default_factory=dict)
    _locks: dict[Chat, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))

    async def customer_writes(self, customer: str, number: Number, count: int = 1) -> None:
        """Send `count` texts from a customer's phone, one after the other."""
        chat = (number.phone, customer)
        self._numbers[chat] = number
        for _ in range(count):
            body = f"in {number.phone} {customer} {len(self.inbound[chat]):05d}"
            self.inbound[chat].append(body)
            await self.stand.network.send_message(customer, number.phone, text(body))

    async def we_write(self, number: Number, customer: str, count: int = 1, *, within_s: float = 60.0) -> None:
        """Send `count` texts to a customer through any gateway, one after the other, each until it is accepted.

        The serial is the idempotency key, so that a repetition after a lost answer is the same message.
        """
        chat = (number.phone, customer)
        self._numbers[chat] = number
        for _ in range(count):
            async with self._locks[chat]:
                body = f"out {number.phone} {customer} {len(self.outbound[chat]):05d}"
                content = {"account_id": number.account_id, "to": f"+{customer}", "type": "text"}
                headers = {**number.workspace.headers, "Idempotency-Key": body.replace(" ", "-")}
                await self.stand.api.insist(
                    "POST", "/messages", {**content, "text": {"body": body}}, headers=headers, within_s=within_s
                )
                self.outbound[chat].append(body)

    async def complete(self, *, within_s: float = 90.0) -> Counts:
        """Wait until every serial has arrived, send one more each way through every chat, and count.

        Whatever would have come twice has come before that last one. What is missing after `within_s` is counted.
        """
        if await self._arrived(within_s):
            for chat, number in self._numbers.items():
                if self.inbound.get(chat):
                    await self.customer_writes(chat[1], number)
                if self.outbound.get(chat):
                    await self.we_write(number, chat[1])
            await self._arrived(within_s)
        return await self.count()

    async def count(self) -> Counts:
        """Count what is there now."""
        stored, failed = await self._stored()
        shown = self._shown()
        sent_in = [body for bodies in self.inbound.values() for body in bodies]
        sent_out = [body for bodies in self.outbound.values() for body in bodies]
        seen_in = Counter(body for bodies in stored.values() for body in bodies)
        seen_out = Counter(view.body for views in shown.values() for view in views)
        in_order = [*stored.values(), *([view.body for view in views] for views in shown.values())]
        disordered = [
            f"{later} before {earlier}"
            for bodies in in_order
            for later, earlier in itertools.pairwise(bodies)
            if later > earlier
        ]
        stats = self.stand.network.stats()
        raw = [view for views in shown.values() for view in views]
        return Counts(
            sent_in=len(sent_in),
            sent_out=len(sent_out),
            lost_in=tuple(body for body in sent_in if not seen_in[body]),
            lost_out=tuple(body for body in sent_out if not seen_out[body]),
            doubled_in=tuple(body for body, times in seen_in.items() if times > 1),
            doubled_out=tuple(body for body, times in seen_out.items() if times > 1),
            disordered=tuple(disordered),
            failed=tuple(failed),
            older_connection_stanzas=stats.stanzas_from_older_connection,
            redeliveries=sum(view.deliveries - 1 for view in raw),
            decrypt_failures=stats.decrypt_failures,
            retries=stats.retry_requests,
        )

    async def _arrived(self, within_s: float) -> bool:
        async def all_there() -> bool:
            try:
                counts = await self.count()
            except BlazzError:  # the database is away at the moment
                return False
            return not counts.lost_in and not counts.lost_out

        try:
            await eventually(all_there, within_s=within_s, every_s=0.2)
        except AssertionError:
            return False
        return True

    async def _stored(self) -> tuple[dict[Chat, list[str]], list[str]]:
        """Return the customers' serials by chat in the order of the log, and those of ours that failed."""

        def read(tx: Tx) -> list[tuple[str, bool, str]]:
            statement = (
                select(messages.c.body, messages.c.from_me, messages.c.state)
                .where(messages.c.created_at >= self.began)
                .order_by(messages.c.workspace_id, messages.c.position)
            )
            return [(row["body"], row["from_me"], row["state"]) for row in tx.all(statement) if row["body"]]

        rows = await self.stand.database.read(Platform("test"), read)
        found: dict[Chat, list[str]] = defaultdict(list)
        for body, from_me, _ in rows:
            if not from_me and body.startswith("in "):
                found[_chat(body)].append(body)
        return found, [body for body, from_me, state in rows if from_me and state == "failed"]

    def _shown(self) -> dict[Chat, list[MessageView]]:
        """Return what customers' phones show of our serials, by chat, in the order of arrival."""
        found: dict[Chat, list[MessageView]] = defaultdict(list)
        for customer in {chat[1] for chat in self.outbound}:
            after = 0
            while page := self.stand.network.messages(customer, after=after, limit=_PAGE):
                after = page[-1].id
                for view in page:
                    if view.direction == "in" and view.body.startswith("out "):
                        found[_chat(view.body)].append(view)
        return found


def _chat(body: str) -> Chat:
    _, phone, customer, _ = body.split(" ")
    return phone, customer
