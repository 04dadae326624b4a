"""The linked-device protocol as a provider: sending through the engine host, and the words of its refusals."""

from __future__ import annotations

from blazz.engine_client import EngineClient, EngineError, EngineGone, NotConnected, NotRunning, Refused, UnknownOutcome
from blazz.engine_client.client import SessionRef
from blazz.kit.time import from_unix_ms
from blazz.providers.base import NotSent, Outcome, Rejected, Restricted, Sent, Unknown

# Numbers that WhatsApp puts into its refusals of a message, in words for the person who wrote it.
_REFUSALS = {
    400: "WhatsApp could not read the message.",
    401: "WhatsApp does not let this number send.",
    403: "WhatsApp does not allow this message.",
    404: "The recipient is not on WhatsApp.",
    406: "WhatsApp does not accept this message.",
    420: "The recipient cannot be reached.",
    475: "WhatsApp refused the message's privacy token.",
    479: "WhatsApp refused the message's content.",
}
# These say nothing of the message: too many in a short time, and a new chat while none may be started.
_OF_THE_SENDER = frozenset({429, 463})
# The host could not even start: nothing left it.
_NOTHING_LEFT = frozenset({"store_failure", "closing", "cancelled"})


class WhatsAppWeb:
    """One session of the engine host as a provider."""

    def __init__(self, client: EngineClient, ref: SessionRef) -> None:
        self._client = client
        self._ref = ref

    async def send(self, recipient: str, message_id: str, payload: bytes) -> Outcome:
        """Send under the caller's id and wait for the server's answer. Never raises for a failed send."""
        try:
            reply = await self._client.send(self._ref, recipient, message_id, payload)
        except EngineError as error:
            return outcome(error)
        return Sent(from_unix_ms(reply.server_timestamp_ms))


def outcome(error: EngineError) -> Outcome:
    """Return what a failed call to the engine host means for a message."""
    if isinstance(error, (UnknownOutcome, EngineGone)):
        return Unknown(error.detail)
    if isinstance(error, Refused) and error.code in _OF_THE_SENDER:
        return Restricted(error.code)
    if isinstance(error, Refused):
        words = _REFUSALS.get(error.code, "WhatsApp refused the message.")
        return Rejected(f"refused_{error.code}" if error.code else "refused", f"{words} ({error.code})")
    if isinstance(error, (NotConnected, NotRunning)) or error.word in _NOTHING_LEFT:
        return NotSent(error.word)
    if error.word == "not_on_whatsapp":
        return Rejected("recipient_not_on_whatsapp", "This number is not on WhatsApp.")
    if error.word in ("not_linked", "stale_epoch"):
        return NotSent(error.word)
    if "is being sent" in error.detail:
        return Unknown("the previous attempt has not ended")
    return Rejected("not_sendable", f"The message cannot be sent: {error.detail or error.word}"[:255])
