"""What is signed, and how it travels: the canonical form of a call and of its answer, and their headers.

A call's signature covers method, path, query, time, nonce, body, receiver and the receiver's generation. An answer's
covers the signature of its call, so it answers this call and no other, and who answered, status and body.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from blazz.kit.signing.keys import InternalKeys
from blazz.kit.time import wall_clock_ms

TIME = "X-Blazz-Time"
NONCE = "X-Blazz-Nonce"
RECEIVER = "X-Blazz-Receiver"
GENERATION = "X-Blazz-Generation"
SIGNATURE = "X-Blazz-Signature"

WINDOW_MS = 300_000  # how far the caller's clock may differ: the product's rule

_CALL = b"blazz-call-1"
_ANSWER = b"blazz-answer-1"
_NONCE_BYTES = 16
_NONCE = re.compile(r"[0-9a-f]{32}")
_NUMBER = re.compile(r"(0|[1-9][0-9]{0,17})")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Receiver:
    """Whom a call is for: a process, and which start of it."""

    id: str
    generation: int


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked: the bytes as they are sent. `path` is still encoded, `query` without its question mark."""

    method: str
    path: bytes
    query: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class SignedCall:
    """The signature of a call, with what it covers beside the call itself."""

    receiver: Receiver
    time_ms: int
    nonce: str
    signature: str

    @property
    def headers(self) -> dict[str, str]:
        """How it travels."""
        return {
            TIME: str(self.time_ms),
            NONCE: self.nonce,
            RECEIVER: self.receiver.id,
            GENERATION: str(self.receiver.generation),
            SIGNATURE: self.signature,
        }

    @classmethod
    def read(cls, headers: Mapping[str, str]) -> SignedCall | None:
        """Return what the headers (any case) say; None when one is missing or has not its one possible form."""
        time_ms, nonce = headers.get(TIME, ""), headers.get(NONCE, "")
        receiver = read_receiver(headers)
        signature = headers.get(SIGNATURE, "")
        if receiver is None or not (_NUMBER.fullmatch(time_ms) and _NONCE.fullmatch(nonce)):
            return None
        if not _DIGEST.fullmatch(signature):
            return None
        return cls(receiver, int(time_ms), nonce, signature)


def sign_call(keys: InternalKeys, call: Call, receiver: Receiver) -> SignedCall:
    """Sign `call` for `receiver`, now and with a fresh nonce."""
    time_ms, nonce = wall_clock_ms(), secrets.token_hex(_NONCE_BYTES)
    return SignedCall(receiver, time_ms, nonce, keys.sign(_call_content(call, receiver, time_ms, nonce)))


def is_signed(keys: InternalKeys, call: Call, signed: SignedCall) -> bool:
    """Tell whether the signature is that of `call` under one of the keys."""
    return keys.accepts(_call_content(call, signed.receiver, signed.time_ms, signed.nonce), signed.signature)


def sign_answer(
    keys: InternalKeys, call_signature: str, receiver: Receiver, status: int, body: bytes
) -> dict[str, str]:
    """Return the headers of an answer to the call with this signature."""
    content = _answer_content(call_signature, receiver, status, body)
    return {
        RECEIVER: receiver.id,
        GENERATION: str(receiver.generation),
        SIGNATURE: keys.sign(content),
    }


def answered_by(
    keys: InternalKeys, call_signature: str, headers: Mapping[str, str], status: int, body: bytes
) -> Receiver | None:
    """Return who signed this answer to the call with this signature; None when nobody who has our key did."""
    receiver = read_receiver(headers)
    if receiver is None:
        return None
    content = _answer_content(call_signature, receiver, status, body)
    return receiver if keys.accepts(content, headers.get(SIGNATURE, "")) else None


def read_receiver(headers: Mapping[str, str]) -> Receiver | None:
    """Return the receiver that headers name."""
    name, generation = headers.get(RECEIVER, ""), headers.get(GENERATION, "")
    if not (_NAME.fullmatch(name) and _NUMBER.fullmatch(generation)):
        return None
    return Receiver(name, int(generation))


def _call_content(call: Call, receiver: Receiver, time_ms: int, nonce: str) -> bytes:
    return _joined(
        _CALL,
        call.method.encode(),
        call.path,
        call.query,
        str(time_ms).encode(),
        nonce.encode(),
        hashlib.sha256(call.body).digest(),
        receiver.id.encode(),
        str(receiver.generation).encode(),
    )


def _answer_content(call_signature: str, receiver: Receiver, status: int, body: bytes) -> bytes:
    return _joined(
        _ANSWER,
        call_signature.encode(),
        receiver.id.encode(),
        str(receiver.generation).encode(),
        str(status).encode(),
        hashlib.sha256(body).digest(),
    )


def _joined(*parts: bytes) -> bytes:
    """Each part after its length: no two lists of parts give the same bytes."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)
