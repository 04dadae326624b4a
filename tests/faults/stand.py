"""What every cut needs: a linked number in a child process, a customer, serials, and the counting of losses."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.child import Child
from tests.support.network import simulated_network
from tests.support.product import shown, text
from tests.support.waiting import eventually
from whatsim.network import Network


@dataclass(slots=True)
class Stand:
    """A conversation whose every message has a serial of its own."""

    network: Network
    child: Child
    account_id: str = ""
    phone: str = ""
    customer: str = ""
    inbound: list[str] = field(default_factory=list)
    outbound: list[str] = field(default_factory=list)

    async def link(self) -> None:
        """Link a number in the running child."""
        self.phone = self.phone or (await self.network.create_phone(name="Shop")).number
        self.customer = self.customer or (await self.network.create_phone(name="Budi")).number
        self.account_id = self.account_id or await self.child.ask("add_account")
        await self.child.ask("connect", self.account_id)
        code = await eventually(lambda: self.child.ask("qr", self.account_id), what="a QR code")
        await self.network.link_qr(self.phone, code)
        await self.connected()

    async def finish_linking(self) -> None:
        """Go on after a linking that was cut: it either comes back by itself or shows a code again."""

        async def known() -> bool:
            account = await self.child.ask("account", self.account_id)
            return account["status"] == "connected" or bool(await self.child.ask("qr", self.account_id))

        await eventually(known, within_s=30, what="connected, or a code")
        if (await self.child.ask("account", self.account_id))["status"] != "connected":
            await self.link()

    async def connected(self, *, within_s: float = 30.0) -> None:
        """Wait until the number is connected."""

        async def now() -> bool:
            return bool((await self.child.ask("account", self.account_id))["status"] == "connected")

        await eventually(now, within_s=within_s, what="connected")

    async def customer_writes(self, count: int = 1) -> None:
        """Send `count` texts from the customer, each with a new serial."""
        for _ in range(count):
            body = f"in-{len(self.inbound):04d}"
            self.inbound.append(body)
            await self.network.send_message(self.customer, self.phone, text(body))

    async def we_write(self, count: int = 1) -> None:
        """Queue `count` texts to the customer, each with a new serial."""
        for _ in range(count):
            body = f"out-{len(self.outbound):04d}"
            self.outbound.append(body)
            with contextlib.suppress(ConnectionError):
                await self.child.ask("send_text", self.account_id, self.customer, body)

    async def we_send_files(self, count: int = 1) -> None:
        """Queue `count` documents to the customer, each with a new serial as its caption."""
        for _ in range(count):
            caption = f"out-{len(self.outbound):04d}"
            self.outbound.append(caption)
            with contextlib.suppress(ConnectionError):
                await self.child.ask("send_file", self.account_id, self.customer, caption)

    async def forget_refused(self) -> None:
        """Leave out what the dead process could not take any more: it was never accepted."""
        accepted = {row["body"] for row in await self.child.ask("messages") if row["from_me"]}
        self.outbound = [body for body in self.outbound if body in accepted]

    async def all_is_well(self, *, within_s: float = 60.0) -> None:
        """Each inbound serial is stored once, each outbound serial is shown once, all in order, all acknowledged."""

        async def complete() -> bool:
            stored = Counter(row["body"] for row in await self.child.ask("messages") if not row["from_me"])
            seen = Counter(shown(self.network, self.customer))
            return set(self.inbound) <= set(stored) and set(self.outbound) <= set(seen)

        await eventually(complete, within_s=within_s, what="everything arrives")
        # one more message each way: whatever would have come twice has come by then
        await self.customer_writes()
        await self.we_write()
        await eventually(complete, within_s=within_s, what="the last messages arrive")

        async def settled() -> bool:
            states = [row["state"] for row in await self.child.ask("messages") if row["from_me"]]
            return not {"pending", "failed"} & set(states)

        await eventually(settled, within_s=within_s, what="every message is acknowledged")
        messages = await self.child.ask("messages")
        assert [row["body"] for row in messages if not row["from_me"]] == self.inbound
        assert shown(self.network, self.customer) == self.outbound
        assert self.network.stats().stanzas_from_older_connection == 0
        positions = [row[0] for row in await self.child.ask("events")]
        assert positions == list(range(1, len(positions) + 1))


@contextlib.asynccontextmanager
async def stand(directory: Path) -> AsyncIterator[Stand]:
    """A network and a child that is not started yet."""
    async with simulated_network(directory / "network") as network:
        child = Child(directory / "blazz", network)
        try:
            yield Stand(network, child)
        finally:
            await child.stop()
