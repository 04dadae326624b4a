"""Linking with a passkey: what server and phone do together once a code was scanned and a passkey is demanded.

The client proves with the passkey who owns the number, and with its half of a commitment that it is the one that shows
the code; the phone shows the same code. Then the client hands over its keys, encrypted for the phone.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from whatsim.model import LinkRefused
from whatsim.server.authenticator import RP_ID, Authenticator, b64, check_assertion
from whatsim.server.entities import Phone
from whatsim.server.stanzas import notification
from whatsim.wire.binary import Node
from whatsim.wire.curve import KeyPair, agree, hkdf, key_pair
from whatsim.wire.errors import WireError
from whatsim.wire.jid import SERVER_JID
from whatsim.wire.records import (
    EncryptedPairing,
    EphemeralIdentity,
    PairingSecrets,
    PrimaryIdentity,
    Prologue,
)

if TYPE_CHECKING:
    from whatsim.server.connection import Connection
    from whatsim.server.core import Core

CEREMONY_S = 600.0
_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTVWXYZ"
_HANDOFF = b"shortcake-passkey-handoff-v1"
_PAIRING = b"Pairing Information Encryption Key"


@dataclass(slots=True)
class Ceremony:
    """One linking under way. `step`: demanded, proven, confirmed."""

    connection: Connection
    phone: Phone
    handoff: bytes
    challenge: bytes = field(default_factory=lambda: os.urandom(32))
    ref: str = field(default_factory=lambda: f"2@{os.urandom(18).hex()}")
    nonce: bytes = field(default_factory=lambda: os.urandom(32))
    step: str = "demanded"
    keys: KeyPair = field(default_factory=key_pair)
    companion: EphemeralIdentity | None = None
    identity: bytes = b""
    commitment: bytes = b""
    code: str | None = None
    refused: str | None = None


class Passkeys:
    """Which phones demand a passkey, and the ceremonies under way."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.required: set[str] = set()
        self._by_connection: dict[Connection, Ceremony] = {}
        self._authenticators: dict[int, Authenticator] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def authenticator(self, phone: Phone) -> Authenticator:
        """Return the phone's passkey."""
        return self._authenticators.setdefault(phone.id, Authenticator(phone.seed))

    def of_phone(self, phone: Phone) -> Ceremony | None:
        """Return the newest ceremony of a phone."""
        found = [one for one in self._by_connection.values() if one.phone is phone]
        return found[-1] if found else None

    def demand(self, connection: Connection, phone: Phone, adv: bytes) -> None:
        """Ask the client that shows the scanned code for the phone's passkey."""
        ceremony = Ceremony(connection, phone, hkdf(adv, None, _HANDOFF, 32))
        self._by_connection[connection] = ceremony
        connection.set_deadline(CEREMONY_S)
        child = Node("passkey_request_options", {}, self._options(ceremony))
        connection.send(notification("passkey_prologue_request", SERVER_JID, [child]))

    def forget(self, connection: Connection) -> None:
        """A connection has ended: what was proven on it is void."""
        self._by_connection.pop(connection, None)

    def _options(self, ceremony: Ceremony) -> bytes:
        credential = {
            "id": b64(self.authenticator(ceremony.phone).credential_id),
            "type": "public-key",
            "transports": ["internal", "hybrid"],
        }
        return json.dumps(
            {
                "challenge": b64(ceremony.challenge),
                "timeout": int(CEREMONY_S * 1000),
                "rpId": RP_ID,
                "allowCredentials": [credential],
                "userVerification": "required",
                "extensions": {},
            }
        ).encode()

    # --- the client's questions; each returns the answer's children and raises WireError for a refusal

    def answer(self, connection: Connection, node: Node) -> list[Node] | None:
        """Handle one step; None when it is none of a ceremony."""
        ceremony = self._by_connection.get(connection)
        if ceremony is None:
            return None
        match node.tag:
            case "ref":
                return [Node("ref", {}, ceremony.ref.encode())]
            case "passkey_request_options":
                return [Node("passkey_request_options", {}, self._options(ceremony))]
            case "passkey_prologue":
                self._prologue(ceremony, node)
            case "companion_nonce":
                self._nonce(ceremony, node.data())
            case "encrypted_pairing_request":
                self._finish(ceremony, node.data())
            case _:
                return None
        return []

    def _prologue(self, ceremony: Ceremony, node: Node) -> None:
        payload = node.data("prologue_payload")
        try:
            check_assertion(
                self.authenticator(ceremony.phone),
                node.data("credential_id"),
                node.data("webauthn_assertion"),
                ceremony.challenge,
            )
        except WireError as error:
            ceremony.refused = str(error)
            raise
        proof = node.child("pairing_handoff_proof")
        if proof is not None and not hmac.compare_digest(
            proof.data(), hmac.digest(ceremony.handoff, payload, "sha256")
        ):
            raise WireError("the hand-over is not proven")
        prologue = Prologue.decode(payload)
        companion = EphemeralIdentity.decode(prologue.identity or b"")
        if companion.ref != ceremony.ref or not companion.public or prologue.commitment is None:
            raise WireError("prologue of another linking")
        ceremony.companion, ceremony.identity = companion, prologue.identity or b""
        ceremony.commitment = prologue.commitment.hash or b""
        ceremony.step, ceremony.refused = "proven", None
        primary = PrimaryIdentity(ceremony.keys.public, ceremony.nonce).encode()
        child = Node("primary_ephemeral_identity", {}, primary)
        # After the answer to this step, which the client waits for.
        asyncio.get_running_loop().call_soon(
            ceremony.connection.send, notification("crsc_continuation", SERVER_JID, [child])
        )

    def _nonce(self, ceremony: Ceremony, nonce: bytes) -> None:
        if ceremony.step != "proven" or hashlib.sha256(ceremony.identity + nonce).digest() != ceremony.commitment:
            raise WireError("the nonce is not the one that was committed to")
        mask = hashlib.sha256(nonce + ceremony.keys.public).digest()
        ceremony.code = code_of(bytes(a ^ b for a, b in zip(ceremony.nonce[:5], mask[:5], strict=True)))
        ceremony.step = "confirmed"

    def _finish(self, ceremony: Ceremony, request: bytes) -> None:
        companion, connection = ceremony.companion, ceremony.connection
        if ceremony.step != "confirmed" or companion is None or companion.public is None:
            raise WireError("the codes have not been compared")
        shared = agree(ceremony.keys.private, companion.public)
        salt = f"Companion Pairing {companion.device_type or 0} with ref {companion.ref}".encode()
        sealed = EncryptedPairing.decode(request)
        try:
            key = hkdf(shared, salt, _PAIRING, 32)
            plain = AESGCM(key).decrypt(sealed.iv or b"", sealed.payload or b"", None)
        except (InvalidTag, ValueError) as error:
            raise WireError("the pairing request cannot be decrypted") from error
        secrets = PairingSecrets.decode(plain)
        registration = connection.registration
        if registration is None or secrets.noise != connection.static or secrets.identity != registration.identity:
            raise WireError("keys of another client")
        task = asyncio.get_running_loop().create_task(self._pair(ceremony, secrets.adv or b""))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _pair(self, ceremony: Ceremony, adv: bytes) -> None:
        try:
            await self._core.linking.pair(ceremony.connection, ceremony.phone, adv)
        except LinkRefused as refused:
            ceremony.refused = str(refused)
        finally:
            self.forget(ceremony.connection)


def code_of(five: bytes) -> str:
    """Return the eight characters `XXXX-XXXX` that stand for 40 bits."""
    number = int.from_bytes(five, "big")
    characters = "".join(_ALPHABET[number >> shift & 31] for shift in range(35, -1, -5))
    return f"{characters[:4]}-{characters[4:]}"
