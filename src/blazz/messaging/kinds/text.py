"""Text, with or without a quoted message."""

from __future__ import annotations

from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import ExtendedTextMessage, Message
from blazz.messaging.kinds.base import Decoded, Outgoing, quote_context, quoted_id


class Text:
    """`conversation` is plain text, `extendedTextMessage` text with a context."""

    name = "text"
    fields = ("conversation", "extendedTextMessage")
    media_class = None

    def decode(self, message: Message, field: str) -> Decoded:
        if field == "conversation":
            return Decoded("text", message.conversation)
        extended = message.extendedTextMessage
        return Decoded("text", extended.text, quoted_id=quoted_id(extended.contextInfo))

    def encode(self, outgoing: Outgoing) -> Message:
        if outgoing.quote is None:
            return Message(conversation=outgoing.body or "")
        extended = ExtendedTextMessage(text=outgoing.body or "", contextInfo=quote_context(outgoing.quote))
        return Message(extendedTextMessage=extended)
