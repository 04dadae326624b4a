"""What Blazz does not show yet: stored raw, never dropped, and put into words where that is easy."""

from __future__ import annotations

from typing import Any

from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import Message
from blazz.kit.http import Model
from blazz.messaging.kinds.base import Decoded, Kind, Row

UNSUPPORTED = "unsupported"
_TEXT_MAX = 2048  # characters


class UnsupportedPart(Model):
    """Something that WhatsApp delivered and that Blazz does not show yet; nothing of it is dropped.

    `kind` is WhatsApp's name for it, `text` what could be read.
    """

    kind: str | None = None
    text: str | None = None


class Unsupported(Kind):
    """Every field of WhatsApp's message that no other kind reads; of a few of them, what they say in words."""

    name = UNSUPPORTED
    fields = ("groupInviteMessage", "eventMessage", "productMessage", "orderMessage", "albumMessage")
    view = UnsupportedPart

    def decode(self, message: Message, field: str) -> Decoded | None:
        if field == "albumMessage":
            return None  # announces how many pictures follow, each a message of its own
        lines = _LINES[field](getattr(message, field))
        text = "\n".join(line for line in lines if line)
        return Decoded(UNSUPPORTED, text[:_TEXT_MAX] or None, {"kind": field})

    def show(self, row: Row, file: Any) -> UnsupportedPart:
        return UnsupportedPart.model_construct(kind=row["content"].get("kind"), text=row["body"])


def _group_invite(part: Any) -> tuple[str, ...]:
    link = f"https://chat.whatsapp.com/{part.inviteCode}" if part.inviteCode else ""
    return part.groupName, part.caption, link


def _event(part: Any) -> tuple[str, ...]:
    return part.name, part.description, part.location.name, part.joinLink


def _product(part: Any) -> tuple[str, ...]:
    product = part.product
    price = f"{product.priceAmount1000 / 1000:.2f} {product.currencyCode}" if product.priceAmount1000 else ""
    return product.title, price, product.description, part.body, product.URL


def _order(part: Any) -> tuple[str, ...]:
    total = f"{part.totalAmount1000 / 1000:.2f} {part.totalCurrencyCode}" if part.totalAmount1000 else ""
    return part.orderTitle, part.message, total, part.orderID


_LINES = {
    "groupInviteMessage": _group_invite,
    "eventMessage": _event,
    "productMessage": _product,
    "orderMessage": _order,
}
