"""What all kinds share on the wire: what a message answers, whom it mentions, how it came here, how long it stays."""

from __future__ import annotations

import secrets
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import ContextInfo, Message

SECRET_BYTES = 32  # the length that WhatsApp's clients use for messageContextInfo.messageSecret
FREQUENTLY = 5  # from this score on clients say "forwarded many times"
_QUOTED_TEXT = 1024  # characters of a quoted text that travel with a reply

# Envelopes around the real message, by the field that holds it.
_WRAPPERS = (
    "ephemeralMessage",
    "viewOnceMessage",
    "viewOnceMessageV2",
    "viewOnceMessageV2Extension",
    "documentWithCaptionMessage",
    "editedMessage",
    "groupMentionedMessage",
    "botInvokeMessage",
    "botForwardedMessage",
    "lottieStickerMessage",
    "pollCreationMessageV4",
    "associatedChildMessage",
    "spoilerMessage",
)
_VIEW_ONCE = frozenset({"viewOnceMessage", "viewOnceMessageV2", "viewOnceMessageV2Extension"})
_DEPTH = 6
MAX_MENTIONS = 1024
MAX_EXPIRY_S = 366 * 86_400  # more than any client offers


@dataclass(frozen=True, slots=True)
class Quote:
    """The message that a reply answers."""

    wa_message_id: str
    author: str
    text: str


@dataclass(frozen=True, slots=True)
class Envelope:
    """What came around a message, or goes around it. `expires_s`: the chat's disappearing timer, in seconds."""

    quoted_id: str | None = None
    mentions: tuple[str, ...] = ()
    forwarded: int = 0
    view_once: bool = False
    expires_s: int = 0

    def stored(self) -> dict[str, Any]:
        """Return what the message's row keeps of it beyond the quoted id, under `context`; empty for most messages."""
        kept: dict[str, Any] = {}
        if self.mentions:
            kept["mentions"] = list(self.mentions)
        if self.forwarded:
            kept["forwarded"] = self.forwarded
        if self.view_once:
            kept["view_once"] = True
        if self.expires_s:
            kept["expires_s"] = self.expires_s
        return {"context": kept} if kept else {}

    @classmethod
    def of_content(cls, content: Mapping[str, Any]) -> Envelope:
        """Return what a row's content says."""
        kept = content.get("context") or {}
        return cls(
            mentions=tuple(kept.get("mentions", ())),
            forwarded=kept.get("forwarded", 0),
            view_once=kept.get("view_once", False),
            expires_s=kept.get("expires_s", 0),
        )


NO_ENVELOPE = Envelope()


def unwrap(message: Message) -> tuple[Message, bool]:
    """Return the innermost message of an envelope (at most six deep), and whether it may be seen only once.

    What accompanies the envelope (the message's secret, how long a pin holds) accompanies the innermost message.
    """
    once = False
    for _ in range(_DEPTH):
        if message.HasField("deviceSentMessage"):
            inner = message.deviceSentMessage.message
        else:
            wrapper = next((name for name in _WRAPPERS if message.HasField(name)), None)
            if wrapper is None:
                break
            once = once or wrapper in _VIEW_ONCE
            inner = getattr(message, wrapper).message
        if message.HasField("messageContextInfo") and not inner.HasField("messageContextInfo"):
            inner.messageContextInfo.CopyFrom(message.messageContextInfo)
        message = inner
    return message, once


def secret_of(message: Message) -> dict[str, str]:
    """Return the secret of an unwrapped message as its row's content keeps it, under `secret`; empty without one.

    Whoever changes the message later (a vote, an edit) encrypts the change with it.
    """
    secret = message.messageContextInfo.messageSecret
    return {"secret": b64encode(secret).decode()} if len(secret) == SECRET_BYTES else {}


def secret_bytes(content: Mapping[str, Any]) -> bytes | None:
    """Return the secret that a row's content keeps, None without one."""
    kept = content.get("secret")
    return b64decode(kept) if kept else None


def new_secret() -> dict[str, str]:
    """Return a secret for a message of ours, as its row's content keeps it."""
    return {"secret": b64encode(secrets.token_bytes(SECRET_BYTES)).decode()}


def read(message: Message, field: str, *, view_once: bool) -> Envelope:
    """Return the envelope of the message whose content is in `field`."""
    part = getattr(message, field)
    context = getattr(part, "contextInfo", None)
    once = view_once or bool(getattr(part, "viewOnce", False))
    if context is None:
        return Envelope(view_once=once)
    return Envelope(
        quoted_id=context.stanzaID or None,
        mentions=tuple(context.mentionedJID[:MAX_MENTIONS]),
        forwarded=max(context.forwardingScore, 1) if context.isForwarded else 0,
        view_once=once,
        expires_s=min(context.expiration, MAX_EXPIRY_S),
    )


def seal(message: Message, envelope: Envelope, quote: Quote | None, secret: bytes | None) -> bytes:
    """Put a message into its envelope, with its secret (32 bytes; None for a change, which has none), and serialise."""
    if quote is not None or envelope.mentions or envelope.forwarded or envelope.expires_s:
        _context_of(message).CopyFrom(_context(envelope, quote))
    if envelope.view_once:
        message = _once(message)
    if secret is not None:
        message.messageContextInfo.messageSecret = secret
    return message.SerializeToString()


def _once(message: Message) -> Message:
    part = _part(message)
    if hasattr(part, "viewOnce"):
        part.viewOnce = True
    if message.HasField("audioMessage"):
        return Message(viewOnceMessageV2Extension={"message": message})
    return Message(viewOnceMessageV2={"message": message})


def _part(message: Message) -> Any:
    return next(value for descriptor, value in message.ListFields() if descriptor.name != "messageContextInfo")


def _context_of(message: Message) -> ContextInfo:
    """Return the place for the context; plain text becomes the form that has one."""
    if message.HasField("conversation"):
        text = message.conversation
        message.ClearField("conversation")
        message.extendedTextMessage.text = text
    context: ContextInfo = _part(message).contextInfo
    return context


def _context(envelope: Envelope, quote: Quote | None) -> ContextInfo:
    context = ContextInfo()
    if quote is not None:
        context.stanzaID = quote.wa_message_id
        context.participant = quote.author
        context.quotedMessage.conversation = quote.text[:_QUOTED_TEXT]
    context.mentionedJID.extend(envelope.mentions)
    if envelope.forwarded:
        context.isForwarded = True
        context.forwardingScore = envelope.forwarded
    if envelope.expires_s:
        context.expiration = envelope.expires_s
    return context
