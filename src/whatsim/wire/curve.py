"""Curve25519 as the protocol uses it: key pairs, key agreement, HKDF, and signatures (XEdDSA) with agreement keys."""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import NamedTuple

import xeddsa.bindings as xeddsa
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from whatsim.wire.errors import WireError

# Public keys travel with a type byte in Signal messages and signatures: 5 means Curve25519.
KEY_TYPE = b"\x05"
KEY_SIZE = 32
SIGNATURE_SIZE = 64


class KeyPair(NamedTuple):
    """Raw 32-byte private and public keys."""

    private: bytes
    public: bytes


def key_pair(private: bytes | None = None) -> KeyPair:
    """Return the pair of `private`, or a new random one."""
    key = X25519PrivateKey.generate() if private is None else X25519PrivateKey.from_private_bytes(private)
    return KeyPair(key.private_bytes_raw(), key.public_key().public_bytes_raw())


def agree(private: bytes, public: bytes) -> bytes:
    """Return the 32-byte shared secret. Raises WireError for a public key of wrong size or small order."""
    try:
        return X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError as error:
        raise WireError("unusable public key") from error


def sign(private: bytes, message: bytes) -> bytes:
    """Sign with an agreement key (XEdDSA; the sign bit forced to zero is what clients verify)."""
    forced = xeddsa.priv_force_sign(private, set_sign_bit=False)
    return bytes(xeddsa.ed25519_priv_sign(forced, message, os.urandom(64)))


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Return whether `signature` is one by the agreement key `public`. Wrong sizes are simply not valid."""
    if len(public) != KEY_SIZE or len(signature) != SIGNATURE_SIZE:
        return False
    # Curve25519 signatures carry the Edwards sign bit in the top bit of their last byte.
    sign_bit = bool(signature[63] & 0x80)
    plain = signature[:63] + bytes((signature[63] & 0x7F,))
    try:
        edwards = bytes(xeddsa.curve25519_pub_to_ed25519_pub(public, sign_bit))
        Ed25519PublicKey.from_public_bytes(edwards).verify(plain, message)
    except (InvalidSignature, ValueError, xeddsa.XEdDSAException):
        return False
    return True


def hmac_sha256(key: bytes, data: bytes) -> bytes:
    """Return the 32-byte HMAC-SHA256."""
    return hmac.digest(key, data, "sha256")


def hkdf(secret: bytes, salt: bytes | None, info: bytes, size: int) -> bytes:
    """Return `size` bytes of HKDF-SHA256 (RFC 5869). No salt means 32 zero bytes."""
    pseudo_random_key = hmac.digest(salt or bytes(32), secret, "sha256")
    out = block = b""
    counter = 1
    while len(out) < size:
        block = hmac.digest(pseudo_random_key, block + info + bytes((counter,)), "sha256")
        out += block
        counter += 1
    return out[:size]


def derive_private(seed: bytes, purpose: str) -> bytes:
    """Return the private key that belongs to `purpose` under a phone's seed; the same inputs give the same key."""
    return hashlib.sha256(hmac.digest(seed, purpose.encode(), "sha256")).digest()
