"""A linked number in a workspace, and what WhatsApp would deliver to it."""

from __future__ import annotations

import datetime as dt
import itertools
import uuid
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select, update

from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import Message
from blazz.accounts.tables import accounts
from blazz.kit.db import Platform, Workspaces
from blazz.kit.time import utc_now
from blazz.messaging.inbound import InboundMessage, InboundReceipt, prepare, store_messages, store_receipts
from blazz.messaging.model import StoreResult
from blazz.messaging.tables import messages
from tests.support.app import Person

_numbers = itertools.count(628110000001)


@dataclass
class Stage:
    """One linked account of `owner`'s workspace."""

    owner: Person
    account_id: uuid.UUID
    phone: str = "+628119999999"
    serial: Any = field(default_factory=lambda: itertools.count(1))

    @classmethod
    async def build(cls, owner: Person, name: str = "Sales") -> Stage:
        """Create an account and mark it as linked and connected, as a session would."""
        made = await owner.post("/accounts", {"name": name})
        assert made.status_code == 201, made.text
        account_id = uuid.UUID(made.json()["id"])

        def link(tx: Any) -> None:
            tx.execute(
                update(accounts)
                .where(accounts.c.id == account_id)
                .values(
                    status="connected",
                    jid="628119999999:1@s.whatsapp.net",
                    phone="+628119999999",
                    is_primary=True,
                    status_expires_at=utc_now() + dt.timedelta(hours=1),
                )
            )

        await owner.running.database.write(Platform("test"), link)
        return cls(owner, account_id)

    def inbound(self, body: str, *, phone: str | None = "+628110000101", lid: str | None = None, **changes: Any) -> Any:
        """A text from a customer, known by number, LID or both; delivered in the LID mode when a LID is given."""
        author = f"{lid}@lid" if lid else f"{(phone or '').removeprefix('+')}@s.whatsapp.net"
        fields: dict[str, Any] = {
            "workspace_id": self.owner.workspace_id,
            "account_id": self.account_id,
            "wa_message_id": f"3A{next(self.serial):018X}",
            "from_me": False,
            "chat": author,
            "is_group": False,
            "author": author,
            "phone": phone,
            "lid": lid,
            "timestamp": utc_now(),
            "push_name": "Ayu",
            "raw": Message(conversation=body).SerializeToString(),
        }
        return InboundMessage(**{**fields, **changes})

    async def deliver(self, *batch: InboundMessage) -> StoreResult:
        """Store one batch."""
        scope = Workspaces.of([self.owner.workspace_id])
        database = self.owner.running.database
        return await database.write(scope, store_messages, prepare(batch), lambda value, context: value)

    async def receipt(self, wa_message_id: str, state: str, **changes: Any) -> None:
        """Store a receipt for one message."""
        fields: dict[str, Any] = {
            "workspace_id": self.owner.workspace_id,
            "account_id": self.account_id,
            "wa_message_ids": (wa_message_id,),
            "chat": "628110000101@s.whatsapp.net",
            "author": "628110000101@s.whatsapp.net",
            "state": state,
            "at": utc_now(),
        }
        scope = Workspaces.of([self.owner.workspace_id])
        await self.owner.running.database.write(scope, store_receipts, [InboundReceipt(**{**fields, **changes})])

    async def rows(self) -> list[dict[str, Any]]:
        """All messages of the account, in order."""

        def work(tx: Any) -> list[dict[str, Any]]:
            statement = select(messages).where(messages.c.account_id == self.account_id).order_by(messages.c.position)
            return [dict(row) for row in tx.all(statement)]

        return await self.owner.running.database.read(Platform("test"), work)

    async def send(self, **changes: Any) -> Any:
        """Send a text by the API and return the answer."""
        body = {"to": "+628110000101", "type": "text", "text": {"body": "Hello"}, **changes}
        return await self.owner.post("/messages", body)
