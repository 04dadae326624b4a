"""A companion asks its phone for a file that the media host no longer has; the phone uploads it again, if it can."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from whatsim.server.entities import Device, Phone
from whatsim.server.stanzas import timestamp
from whatsim.wire.binary import Node
from whatsim.wire.curve import hkdf
from whatsim.wire.errors import WireError
from whatsim.wire.jid import LID_SERVER, parse_jid
from whatsim.wire.protobuf import Record, text, uint

if TYPE_CHECKING:
    from whatsim.server.core import Core

_INFO = b"WhatsApp Media Retry Notification"  # a constant of the protocol
_SUCCESS, _NOT_FOUND = 1, 2
_NOT_ON_PHONE = "2"  # error code where the phone cannot even encrypt its answer


@dataclass(slots=True)
class Request(Record):
    """What a companion asks, encrypted with the file's own key."""

    stanza_id: str | None = text(1)


@dataclass(slots=True)
class Answer(Record):
    """What the phone answers."""

    stanza_id: str | None = text(1)
    direct_path: str | None = text(2)
    result: int | None = uint(3)


def answer(core: Core, phone: Phone, device: Device, node: Node) -> None:
    """Answer a receipt of the type `server-error`. Raises WireError when it is malformed."""
    message_id = node.attr("id")
    place, sealed = node.child("rmr"), node.child("encrypt")
    if place is None or sealed is None:
        raise WireError("a request for a file names no message")
    attrs = {"from": phone.jid(LID_SERVER), "id": message_id, "type": "mediaretry", "t": timestamp()}
    media = _media_of(core, phone, message_id, place.attrs.get("participant"))
    if media is None:
        content = [Node("error", {"code": _NOT_ON_PHONE}), Node("rmr", place.attrs)]
        core.router.push(device, Node("notification", attrs, content))
        return
    box = AESGCM(hkdf(bytes.fromhex(media["key"]), None, _INFO, 32))
    try:
        asked = Request.decode(box.decrypt(sealed.data("enc_iv"), sealed.data("enc_p"), message_id.encode()))
    except InvalidTag:
        raise WireError("a request for a file does not open with the file's key") from None
    if asked.stanza_id != message_id:
        raise WireError("a request for a file names two messages")
    path = core.media_host.renew(media["path"])
    found = Answer(message_id, path, _SUCCESS if path is not None else _NOT_FOUND)
    iv = os.urandom(12)
    parts = [Node("enc_p", {}, box.encrypt(iv, found.encode(), message_id.encode())), Node("enc_iv", {}, iv)]
    core.router.push(device, Node("notification", attrs, [Node("encrypt", {}, parts), Node("rmr", place.attrs)]))


def _media_of(core: Core, phone: Phone, message_id: str, participant: str | None) -> dict[str, Any] | None:
    """Return what is kept of the file of a message with this id, in a group of the member that is named."""
    author = core.world.find(parse_jid(participant)) if participant else None
    for message in phone.all_with_id(message_id):
        if message.media is not None and (author is None or message.written_by == author.number):
            return message.media
    return None
