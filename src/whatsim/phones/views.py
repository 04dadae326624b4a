"""Turns the network's own objects into the values that its owner sees."""

from __future__ import annotations

import datetime
from typing import cast

from whatsim.model import DeviceView, MediaView, MessageView, PhoneView, ReceiptState, ReceiptView
from whatsim.server.entities import Device, Message, Phone


def phone_view(phone: Phone) -> PhoneView:
    """Return a phone with its linked devices."""
    last = phone.messages[-1] if phone.messages else None
    return PhoneView(
        number=phone.number,
        name=phone.name,
        lid=phone.lid,
        online=phone.online,
        behaviour=phone.behaviour,
        devices=tuple(device_view(device) for device in phone.devices.values()),
        unread=len(phone.unread),
        last_message=message_view(last) if last is not None else None,
    )


def device_view(device: Device) -> DeviceView:
    """Return a linked device."""
    return DeviceView(
        id=device.device,
        platform=device.platform,
        linked_at=_time(device.linked_at),
        connected=device.connection is not None,
        queued=len(device.queue),
    )


_RANK: dict[str, int] = {"sent": 0, "delivered": 1, "read": 2, "played": 3}


def message_view(message: Message) -> MessageView:
    """Return a message as its phone shows it."""
    number = message.phone.number
    media = message.media
    return MessageView(
        id=message.id,
        message_id=message.message_id,
        number=number,
        chat=message.chat,
        direction=message.direction,
        from_number=number if message.outgoing else message.author or message.chat,
        to_number=message.chat if message.outgoing else number,
        type=message.type,
        body=message.body,
        timestamp=_time(message.timestamp),
        deliveries=message.deliveries,
        decrypt_failures=message.failures,
        retry_requests=message.retries,
        receipts=tuple(
            ReceiptView(cast(ReceiptState, state), _time(at))
            for state, at in sorted(message.receipts.items(), key=lambda item: item[1])
        ),
        read=message.is_read,
        media=None
        if media is None
        else MediaView(
            media["mimetype"], media.get("size"), media.get("width"), media.get("height"), media.get("filename")
        ),
        quoted_id=message.quoted_id,
        undecryptable=message.undecryptable,
        by_device=message.by_device,
        details=message.extra.get("details", {}),
        target_id=message.extra.get("target"),
        reactions=message.extra.get("reactions", {}),
        votes=message.extra.get("votes", {}),
        edited=message.extra.get("edited", False),
        deleted=message.extra.get("deleted", False),
        pinned=message.extra.get("pinned", False),
        reached={reader: max(states, key=_RANK.__getitem__) for reader, states in message.reached.items()},
    )


def _time(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)
