"""What can go wrong in a call to the engine host, told apart by what the caller must do next."""

from __future__ import annotations

import re

import grpc

_WORD = re.compile(r"^([a-z_]+): ?(.*)$", re.DOTALL)


class EngineError(Exception):
    """A call failed. `word` is the stable reason, `detail` is for people and logs; neither holds message content."""

    def __init__(self, word: str, detail: str) -> None:
        super().__init__(f"{word}: {detail}" if detail else word)
        self.word = word
        self.detail = detail


class EngineGone(EngineError):
    """The engine host does not answer: it ended, or its socket broke. Whether the call had an effect is not known."""


class NotConnected(EngineError):
    """The session has no connection and nothing left the host: repeat later, nothing is lost."""


class UnknownOutcome(EngineError):
    """Bytes may have left the host. Only the same message id may be sent again."""


class Refused(EngineError):
    """WhatsApp refused. `code` is its number, 0 where it gave none."""

    def __init__(self, word: str, detail: str) -> None:
        super().__init__(word, detail)
        digits = re.match(r"\s*(\d+)", detail)
        self.code = int(digits.group(1)) if digits else 0


class StaleEpoch(EngineError):
    """Another owner with a higher epoch has the session."""


class NotRunning(EngineError):
    """The session is not started in this engine host."""


class NotLinked(EngineError):
    """The session has no pairing."""


class StoreMissing(EngineError):
    """A pairing was expected and the store holds none."""


_BY_WORD: dict[str, type[EngineError]] = {
    "not_connected": NotConnected,
    "closing": NotConnected,
    "unknown_outcome": UnknownOutcome,
    "refused": Refused,
    "stale_epoch": StaleEpoch,
    "not_running": NotRunning,
    "not_linked": NotLinked,
    "store_missing": StoreMissing,
}
_LOST = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED})


def classify(error: grpc.aio.AioRpcError) -> EngineError:
    """Return the error that a caller can act on."""
    detail = error.details() or ""
    match = _WORD.match(detail)
    if match is not None and match.group(1) in _BY_WORD:
        return _BY_WORD[match.group(1)](match.group(1), match.group(2)[:500])
    if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return UnknownOutcome("deadline", "the engine host did not answer in time")
    if error.code() in _LOST:
        return EngineGone("engine_gone", detail[:200])
    if match is not None:
        return EngineError(match.group(1), match.group(2)[:500])
    return EngineError(error.code().name.lower(), detail[:500])
