"""Messages as a customer's phone writes them, with a crypto code of its own."""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import Message, PollVoteMessage, ReactionMessage

GROUP = "120363000000000001@g.us"


def text(body: str, secret: bytes | None = None) -> bytes:
    message = Message(conversation=body)
    if secret:
        message.messageContextInfo.messageSecret = secret
    return message.SerializeToString()


def reaction(target: str, emoji: str, **key: Any) -> bytes:
    message = Message()
    _key(message.reactionMessage.key, target, **key)
    message.reactionMessage.text = emoji
    return message.SerializeToString()


def edit(target: str, new: str | Message, **key: Any) -> bytes:
    message = Message()
    part = message.editedMessage.message.protocolMessage
    _key(part.key, target, **{"from_me": True, **key})
    part.type = part.MESSAGE_EDIT
    part.editedMessage.CopyFrom(Message(conversation=new) if isinstance(new, str) else new)
    return message.SerializeToString()


def sealed_edit(target: str, body: str, secret: bytes, author: str, **key: Any) -> bytes:
    inner = Message()
    inner.protocolMessage.type = inner.protocolMessage.MESSAGE_EDIT
    inner.protocolMessage.editedMessage.conversation = body
    message = Message()
    part = message.secretEncryptedMessage
    _key(part.targetMessageKey, target, **{"from_me": True, **key})
    part.secretEncType = part.MESSAGE_EDIT
    part.encPayload, part.encIV = seal(secret, "Message Edit", target, author, author, inner.SerializeToString())
    return message.SerializeToString()


def sealed_reaction(target: str, emoji: str, secret: bytes, author: str, changer: str, **key: Any) -> bytes:
    message = Message()
    part = message.encReactionMessage
    _key(part.targetMessageKey, target, **key)
    plain = ReactionMessage(text=emoji).SerializeToString()
    part.encPayload, part.encIV = seal(secret, "Enc Reaction", target, author, changer, plain)
    return message.SerializeToString()


def revoke(target: str, **key: Any) -> bytes:
    message = Message()
    _key(message.protocolMessage.key, target, **{"from_me": True, **key})
    message.protocolMessage.type = message.protocolMessage.REVOKE
    return message.SerializeToString()


def pin(target: str, seconds: int | None, **key: Any) -> bytes:
    message = Message()
    part = message.pinInChatMessage
    _key(part.key, target, **key)
    part.type = part.PIN_FOR_ALL if seconds else part.UNPIN_FOR_ALL
    if seconds:
        message.messageContextInfo.messageAddOnDurationInSecs = seconds
    return message.SerializeToString()


def poll(
    question: str, options: list[str], secret: bytes, selectable: int = 1, field: str = "pollCreationMessage"
) -> bytes:
    message = Message()
    part = getattr(message, field)
    if field == "pollCreationMessageV4":
        part = part.message.pollCreationMessage
    part.name, part.selectableOptionsCount = question, selectable
    for option in options:
        part.options.add(optionName=option)
    message.messageContextInfo.messageSecret = secret
    return message.SerializeToString()


def vote(target: str, options: list[str], secret: bytes, author: str, voter: str, **key: Any) -> bytes:
    message = Message()
    part = message.pollUpdateMessage
    _key(part.pollCreationMessageKey, target, **key)
    plain = PollVoteMessage(selectedOptions=[hashlib.sha256(name.encode()).digest() for name in options])
    sealed = seal(secret, "Poll Vote", target, author, voter, plain.SerializeToString(), f"{target}\0{voter}".encode())
    part.vote.encPayload, part.vote.encIV = sealed
    return message.SerializeToString()


def seal(
    secret: bytes, use: str, target: str, author: str, changer: str, plain: bytes, additional: bytes | None = None
) -> tuple[bytes, bytes]:
    """HKDF by hand, so that an error of ours is not made twice."""
    extracted = hmac.digest(bytes(32), secret, "sha256")
    key = hmac.digest(extracted, f"{target}{author}{changer}{use}".encode() + b"\x01", "sha256")
    iv = os.urandom(12)
    return AESGCM(key).encrypt(iv, plain, additional), iv


def _key(
    key: Any, target: str, *, from_me: bool = False, chat: str = "628119999999@s.whatsapp.net", author: str = ""
) -> None:
    key.ID, key.fromMe, key.remoteJID = target, from_me, chat
    if author:
        key.participant = author
