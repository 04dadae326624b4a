"""The passkey of a simulated phone: a software authenticator (WebAuthn, ES256) and the check of what it signs."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from whatsim.wire.curve import derive_private
from whatsim.wire.errors import WireError

RP_ID = "whatsapp.com"
ORIGIN = "https://web.whatsapp.com"
_CURVE = ec.SECP256R1()
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of the curve's base point (FIPS 186-4)
_PRESENT, _VERIFIED = 0x01, 0x04


class Authenticator:
    """Holds one passkey, derived from a phone's seed."""

    def __init__(self, seed: bytes) -> None:
        number = int.from_bytes(derive_private(seed, "passkey"), "big") % (_ORDER - 1) + 1
        self._key = ec.derive_private_key(number, _CURVE)
        self.credential_id = derive_private(seed, "passkey id")[:16]
        self._counter = 0

    @property
    def public_key(self) -> ec.EllipticCurvePublicKey:
        """The key that the network knows of the passkey."""
        return self._key.public_key()

    def assertion(self, challenge: bytes, *, rp_id: str = RP_ID, origin: str = ORIGIN) -> dict[str, Any]:
        """Sign a challenge as a browser on `origin` would ask for it; returns an AuthenticationResponseJSON."""
        client = {"type": "webauthn.get", "challenge": b64(challenge), "origin": origin, "crossOrigin": False}
        client_data = json.dumps(client, separators=(",", ":")).encode()
        self._counter += 1
        data = (
            hashlib.sha256(rp_id.encode()).digest() + bytes((_PRESENT | _VERIFIED,)) + self._counter.to_bytes(4, "big")
        )
        signature = self._key.sign(data + hashlib.sha256(client_data).digest(), ec.ECDSA(SHA256()))
        return {
            "id": b64(self.credential_id),
            "rawId": b64(self.credential_id),
            "type": "public-key",
            "response": {
                "clientDataJSON": b64(client_data),
                "authenticatorData": b64(data),
                "signature": b64(signature),
                "userHandle": None,
            },
        }


def check_assertion(authenticator: Authenticator, credential_id: bytes, assertion: bytes, challenge: bytes) -> None:
    """Check an assertion as the real network would. Raises WireError with what is wrong."""
    try:
        answer = json.loads(assertion)
        parts = answer["response"]
        client_data, data = unb64(parts["clientDataJSON"]), unb64(parts["authenticatorData"])
        signature, raw_id = unb64(parts["signature"]), unb64(answer["rawId"])
        client = json.loads(client_data)
    except (ValueError, KeyError, TypeError) as error:
        raise WireError("the assertion cannot be read") from error
    if not raw_id == credential_id == authenticator.credential_id:
        raise WireError("another passkey")
    if client.get("type") != "webauthn.get" or client.get("origin") != ORIGIN:
        raise WireError("not asked for on the network's own page")
    if unb64(str(client.get("challenge", ""))) != challenge:
        raise WireError("another challenge")
    if len(data) < 37 or data[:32] != hashlib.sha256(RP_ID.encode()).digest():
        raise WireError("another relying party")
    if data[32] & (_PRESENT | _VERIFIED) != _PRESENT | _VERIFIED:
        raise WireError("nobody was there, or nobody was verified")
    try:
        signed = data + hashlib.sha256(client_data).digest()
        authenticator.public_key.verify(signature, signed, ec.ECDSA(SHA256()))
    except InvalidSignature as error:
        raise WireError("the signature is not the passkey's") from error


def b64(data: bytes) -> str:
    """Return base64url without padding, as WebAuthn writes bytes."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def unb64(text: str) -> bytes:
    """Undo `b64`. Raises ValueError."""
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise ValueError("not base64url") from error
