"""The keys of internal calls: one that signs, and while keys are changed a second one that is accepted too.

To change keys without a refused call: give every process the new key as `internal_key_previous`, then as
`internal_key` with the old one as `internal_key_previous`, then take the old one away.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from blazz.kit.crypto import KEY_BYTES, decode_key
from blazz.kit.settings import Settings

_PURPOSE = b"blazz internal calls 1"


@dataclass(frozen=True, slots=True)
class InternalKeys:
    """`current` signs; both are accepted."""

    current: bytes = field(repr=False)
    previous: bytes | None = field(default=None, repr=False)

    def sign(self, content: bytes) -> str:
        """Return the HMAC-SHA256 (RFC 2104) of `content` under the current key, as hexadecimal digits."""
        return hmac.digest(self.current, content, "sha256").hex()

    def accepts(self, content: bytes, signature: str) -> bool:
        """Tell whether one of the keys made `signature`; the time taken does not depend on its digits."""
        given = signature.encode("ascii", "replace")
        right = False
        for key in (self.current, self.previous):
            if key is not None:
                right |= hmac.compare_digest(hmac.digest(key, content, "sha256").hex().encode(), given)
        return right


def internal_keys(settings: Settings, secret_key: bytes, previous_secret: bytes | None = None) -> InternalKeys:
    """Return the keys that the settings name, else those derived (HKDF, RFC 5869) from the installation's secret keys.

    Raises BlazzError `internal_key_wrong` with a sentence for the operator.
    """
    current = _decoded("BLAZZ_INTERNAL_KEY", settings.internal_key)
    previous = _decoded("BLAZZ_INTERNAL_KEY_PREVIOUS", settings.internal_key_previous)
    if current is None:
        current = _derived(secret_key)
        if previous is None and previous_secret is not None:
            previous = _derived(previous_secret)
    return InternalKeys(current, previous)


def _derived(secret_key: bytes) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=_PURPOSE).derive(secret_key)


def _decoded(name: str, text: str | None) -> bytes | None:
    return decode_key(text, name, "internal_key_wrong") if text else None
