"""Signed calls between our own processes: who calls, whom, what, when and once; the answers are signed too."""

from blazz.kit.signing.calls import Call, Receiver, SignedCall, sign_call
from blazz.kit.signing.client import SignedAuth
from blazz.kit.signing.keys import InternalKeys, internal_keys
from blazz.kit.signing.nonces import NonceMemory
from blazz.kit.signing.server import SignedCalls
from blazz.kit.signing.verifier import Verifier

__all__ = [
    "Call",
    "InternalKeys",
    "NonceMemory",
    "Receiver",
    "SignedAuth",
    "SignedCall",
    "SignedCalls",
    "Verifier",
    "internal_keys",
    "sign_call",
]
