"""Encryption of media files: AES-256-CBC with a truncated HMAC, keys derived from a random media key."""

from __future__ import annotations

import hashlib
import hmac
import os
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from whatsim.wire.curve import hkdf, hmac_sha256
from whatsim.wire.errors import WireError

# The kind of a file is bound into its keys by this text (a constant of the protocol).
KEY_INFO = {
    "image": b"WhatsApp Image Keys",
    "sticker": b"WhatsApp Image Keys",
    "video": b"WhatsApp Video Keys",
    "audio": b"WhatsApp Audio Keys",
    "document": b"WhatsApp Document Keys",
    "link_picture": b"WhatsApp Link Thumbnail Keys",
    "history": b"WhatsApp History Keys",
    "app_state": b"WhatsApp App State Keys",
}
_MAC_SIZE = 10


@dataclass(frozen=True, slots=True)
class Sealed:
    """An encrypted file and what a message must say about it."""

    data: bytes
    media_key: bytes
    file_sha256: bytes
    file_enc_sha256: bytes


def cbc_encrypt(key: bytes, iv: bytes, plain: bytes) -> bytes:
    """AES-256-CBC with PKCS#7 padding."""
    fill = 16 - len(plain) % 16
    encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    return encryptor.update(plain + bytes((fill,)) * fill) + encryptor.finalize()


def cbc_decrypt(key: bytes, iv: bytes, sealed: bytes) -> bytes:
    """Undo `cbc_encrypt`. Raises WireError for wrong sizes or padding."""
    if not sealed or len(sealed) % 16:
        raise WireError("ciphertext is not a whole number of blocks")
    decryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    plain = decryptor.update(sealed) + decryptor.finalize()
    fill = plain[-1]
    if not 1 <= fill <= 16:
        raise WireError("ciphertext padding is malformed")
    return plain[:-fill]


def seal(plain: bytes, kind: str) -> Sealed:
    """Encrypt a file of the given kind (a key of KEY_INFO) under a new media key."""
    media_key = os.urandom(32)
    iv, cipher_key, mac_key = _keys(media_key, kind)
    body = cbc_encrypt(cipher_key, iv, plain)
    data = body + hmac_sha256(mac_key, iv + body)[:_MAC_SIZE]
    return Sealed(data, media_key, hashlib.sha256(plain).digest(), hashlib.sha256(data).digest())


def unseal(data: bytes, media_key: bytes, kind: str) -> bytes:
    """Return the plain file. Raises WireError when it is not authentic."""
    if len(data) <= _MAC_SIZE:
        raise WireError("media file is too short")
    iv, cipher_key, mac_key = _keys(media_key, kind)
    body, mac = data[:-_MAC_SIZE], data[-_MAC_SIZE:]
    if not hmac.compare_digest(hmac_sha256(mac_key, iv + body)[:_MAC_SIZE], mac):
        raise WireError("media file is not authentic")
    return cbc_decrypt(cipher_key, iv, body)


def _keys(media_key: bytes, kind: str) -> tuple[bytes, bytes, bytes]:
    expanded = hkdf(media_key, None, KEY_INFO[kind], 112)
    return expanded[:16], expanded[16:48], expanded[48:80]
