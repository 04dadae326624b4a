"""The nonces that a receiver has accepted. Bounded; what it can no longer know, it refuses.

A nonce is kept longer than its call could be repeated: forgetting is remembered as a time, and calls from before it
are refused even when our wall clock has been set back into their window.
"""

from __future__ import annotations

from typing import Literal

from blazz.kit.signing.calls import WINDOW_MS

Verdict = Literal["fresh", "reused", "full", "forgotten"]

LIMIT = 100_000  # 166 calls a second for the 600 s that a nonce can be valid; about 10 MB when full
_KEPT_MS = 2 * 3600 * 1000  # so a clock that is put right by an hour refuses nothing
_BUCKET_MS = 10_000


class NonceMemory:
    """Not shared between receivers, and not kept over a restart: the generation, which is signed, has changed then."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        # a repeated call names the same time, so it falls into the same bucket
        self._buckets: dict[int, set[bytes]] = {}
        self._count = 0
        self._forgotten_before_ms = 0

    def __len__(self) -> int:
        return self._count

    def use(self, nonce: str, time_ms: int, now_ms: int) -> Verdict:
        """Remember the nonce of a call signed at `time_ms`; only `fresh` may be carried out.

        `full`: no room without forgetting a nonce that is still valid. `forgotten`: from before what is known.
        """
        if time_ms < self._forgotten_before_ms:
            return "forgotten"
        raw, bucket = bytes.fromhex(nonce), time_ms // _BUCKET_MS
        known = self._buckets.get(bucket)
        if known is not None and raw in known:
            return "reused"
        self._forget(now_ms - _KEPT_MS)
        if self._count >= self._limit and not self._forget_oldest(now_ms - WINDOW_MS):
            return "full"
        self._buckets.setdefault(bucket, set()).add(raw)
        self._count += 1
        return "fresh"

    def _forget(self, before_ms: int) -> None:
        """Forget the buckets that end before a time. They are looked at in the order in which they were made."""
        while self._buckets:
            oldest = next(iter(self._buckets))
            if (oldest + 1) * _BUCKET_MS > before_ms:
                return
            self._drop(oldest)

    def _forget_oldest(self, before_ms: int) -> bool:
        """Forget the oldest bucket if it ends before a time; tell whether there is room now."""
        oldest = min(self._buckets)
        if (oldest + 1) * _BUCKET_MS > before_ms:
            return False
        self._drop(oldest)
        return True

    def _drop(self, bucket: int) -> None:
        self._count -= len(self._buckets.pop(bucket))
        self._forgotten_before_ms = max(self._forgotten_before_ms, (bucket + 1) * _BUCKET_MS)
