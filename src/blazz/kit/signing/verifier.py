"""A receiver's judgement of calls: right signature, for this very process, in time, and never seen before."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from blazz.kit import metrics
from blazz.kit.errors import BlazzError
from blazz.kit.signing.calls import SIGNATURE, WINDOW_MS, Call, Receiver, SignedCall, is_signed
from blazz.kit.signing.keys import InternalKeys
from blazz.kit.signing.nonces import NonceMemory
from blazz.kit.time import wall_clock_ms

_log = structlog.get_logger(__name__)
_REFUSED = metrics.counter("internal_calls_refused", "Calls between processes that were refused.", ("cause",))
_SKEW = metrics.gauge(
    "internal_clock_skew_seconds", "How far the clock of the last caller refused for it was ahead of ours."
)


class Verifier:
    """Judges the calls to one receiver. Raises BlazzError with the cause as its code, and counts it.

    `signature_missing`, `signature_wrong`, `signature_expired`, `nonce_reused` (401), `wrong_receiver` (421),
    `nonce_memory_full` (503).
    """

    def __init__(self, keys: InternalKeys, receiver: Receiver, nonces: NonceMemory | None = None) -> None:
        self.keys = keys
        self.receiver = receiver
        self.last_skew_s: float | None = None
        """How far ahead of ours the clock of the last caller was whose call was refused for that."""
        self._nonces = NonceMemory() if nonces is None else nonces

    def check(self, call: Call, headers: Mapping[str, str]) -> SignedCall:
        """Return the signature of a call that may be carried out. `headers` are looked up in any case."""
        try:
            return self._check(call, headers)
        except BlazzError as refusal:
            _REFUSED.labels(refusal.code).inc()
            _log.warning("internal call refused", cause=refusal.code, path=call.path.decode("ascii", "replace")[:200])
            raise

    def _check(self, call: Call, headers: Mapping[str, str]) -> SignedCall:
        if not headers.get(SIGNATURE):
            raise BlazzError("signature_missing", "This port takes signed calls of this cluster only.", 401)
        signed = SignedCall.read(headers)
        if signed is None or not is_signed(self.keys, call, signed):
            raise BlazzError(
                "signature_wrong",
                "The signature does not fit this call. All processes of a cluster need the same BLAZZ_INTERNAL_KEY "
                "(or BLAZZ_SECRET_KEY).",
                401,
            )
        # from here on the caller is one of us
        if signed.receiver != self.receiver:
            raise self._wrong_receiver(signed.receiver)
        now_ms = wall_clock_ms()
        if abs(signed.time_ms - now_ms) > WINDOW_MS:
            raise self._expired((signed.time_ms - now_ms) / 1000)
        verdict = self._nonces.use(signed.nonce, signed.time_ms, now_ms)
        if verdict == "reused":
            raise BlazzError("nonce_reused", "This call was made before.", 401)
        if verdict == "full":
            raise BlazzError("nonce_memory_full", "Too many calls in the last ten minutes; try again later.", 503)
        if verdict == "forgotten":
            raise BlazzError(
                "signature_expired",
                "The clock of this instance was set back by hours. Restart it, or wait until the clock has caught up.",
                401,
            )
        return signed

    def _wrong_receiver(self, meant: Receiver) -> BlazzError:
        ours = self.receiver
        return BlazzError(
            "wrong_receiver",
            f"This call is for {meant.id}, generation {meant.generation}; here is {ours.id}, generation "
            f"{ours.generation}.",
            421,
            members={"instance": ours.id, "generation": ours.generation},
        )

    def _expired(self, skew_s: float) -> BlazzError:
        self.last_skew_s = skew_s
        _SKEW.set(skew_s)
        direction = "ahead of" if skew_s > 0 else "behind"
        return BlazzError(
            "signature_expired",
            f"The clock of the caller is {abs(skew_s):.0f} s {direction} the clock of {self.receiver.id}; "
            f"{WINDOW_MS // 1000} s are allowed. Set the clocks right (NTP).",
            401,
            members={"skew_s": round(skew_s, 1)},
        )
