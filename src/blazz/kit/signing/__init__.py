"""Signed calls between our own processes: who calls, whom, what, when and once; the answers are signed too."""

from blazz.kit.signing.calls import Call, Receiver, SignedCall, sign_call
from blazz.kit.signing.client import Answer, call_signed
from blazz.kit.signing.keys import InternalKeys, internal_keys
from blazz.kit.signing.nonces import NonceMemory
from blazz.kit.signing.server import SignedCalls
from blazz.kit.signing.tls import caller_tls, uses_tls
from blazz.kit.signing.verifier import Verifier

__all__ = [
    "Answer",
    "Call",
    "InternalKeys",
    "NonceMemory",
    "Receiver",
    "SignedCall",
    "SignedCalls",
    "Verifier",
    "call_signed",
    "caller_tls",
    "internal_keys",
    "sign_call",
    "uses_tls",
]
