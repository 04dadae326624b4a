"""Encryption and authentication of synchronised settings (WhatsApp's "syncd").

Each setting is a record: an index (a JSON list) and a value, sealed together under keys that are derived from an
app-state key. A running hash over all records of a collection (LTHash: 64 sums of 16 bits) makes tampering visible.
"""

from __future__ import annotations

import hmac
import json
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

from whatsim.wire.curve import hkdf, hmac_sha256
from whatsim.wire.errors import WireError
from whatsim.wire.media import cbc_decrypt, cbc_encrypt
from whatsim.wire.records import Blob, SyncActionData, SyncMutation, SyncPatch, SyncRecord

SET, REMOVE = 0, 1
_MAC_SIZE = 32


class Keys(NamedTuple):
    """What an app-state key expands to."""

    index_mac: bytes
    value_encryption: bytes
    value_mac: bytes
    snapshot_mac: bytes
    patch_mac: bytes

    @classmethod
    def of(cls, secret: bytes) -> Self:
        """Derive from the shared secret."""
        expanded = hkdf(secret, None, b"WhatsApp Mutation Keys", 160)
        return cls(*(expanded[at : at + 32] for at in range(0, 160, 32)))


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting in the clear: what is set, the schema version of its kind, the serialised value."""

    index: tuple[str, ...]
    version: int
    value: bytes


class Collection:
    """A collection as a device that holds the keys sees it: version, running hash, values."""

    def __init__(self, name: str, keys: Keys, key_id: bytes) -> None:
        self.name = name
        self.version = 0
        self.settings: dict[tuple[str, ...], bytes] = {}
        self._keys = keys
        self._key_id = key_id
        self._sums = [0] * 64
        self._macs: dict[bytes, bytes] = {}

    def write(self, settings: Sequence[Setting]) -> SyncPatch:
        """Return the patch that sets these values on top of the present version; nothing has changed here yet."""
        mutations = [SyncMutation(SET, self._seal(setting)) for setting in settings]
        sums, _ = self._sums_after(mutations)
        snapshot_mac = self._snapshot_mac(sums, self.version + 1)
        patch_mac = self._patch_mac(snapshot_mac, mutations, self.version + 1)
        return SyncPatch(None, mutations, snapshot_mac, patch_mac, Blob(self._key_id), 0)

    def apply(self, patch: SyncPatch) -> list[Setting]:
        """Take in the next patch and return what it sets. Raises WireError, changing nothing, if it is forged."""
        if patch.key_id is None or patch.key_id.blob != self._key_id:
            raise WireError("the patch is sealed with another key")
        found = [(mutation, self._open(mutation)) for mutation in patch.mutations]
        sums, macs = self._sums_after(patch.mutations)
        version = self.version + 1
        if patch.snapshot_mac != self._snapshot_mac(sums, version):
            raise WireError("the patch does not lead to the collection that it claims")
        if patch.patch_mac != self._patch_mac(patch.snapshot_mac or b"", patch.mutations, version):
            raise WireError("the patch is not authentic")
        self._sums, self._macs, self.version = sums, macs, version
        for mutation, setting in found:
            if mutation.operation == REMOVE:
                self.settings.pop(setting.index, None)
            else:
                self.settings[setting.index] = setting.value
        return [setting for mutation, setting in found if mutation.operation != REMOVE]

    def _seal(self, setting: Setting) -> SyncRecord:
        index = json.dumps(setting.index, separators=(",", ":")).encode()
        plain = SyncActionData(index, setting.value, b"", setting.version).encode()
        iv = os.urandom(16)
        sealed = iv + cbc_encrypt(self._keys.value_encryption, iv, plain)
        mac = self._value_mac(SET, sealed)
        return SyncRecord(Blob(hmac_sha256(self._keys.index_mac, index)), Blob(sealed + mac), Blob(self._key_id))

    def _open(self, mutation: SyncMutation) -> Setting:
        index_mac, blob = _parts(mutation)
        sealed, mac = blob[:-_MAC_SIZE], blob[-_MAC_SIZE:]
        if not hmac.compare_digest(self._value_mac(mutation.operation or SET, sealed), mac):
            raise WireError("a setting is not authentic")
        data = SyncActionData.decode(cbc_decrypt(self._keys.value_encryption, sealed[:16], sealed[16:]))
        index = data.index or b""
        if not hmac.compare_digest(hmac_sha256(self._keys.index_mac, index), index_mac):
            raise WireError("a setting stands under another index")
        try:
            names = json.loads(index)
        except ValueError as error:
            raise WireError("an index is no JSON") from error
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise WireError("an index is no list of texts")
        return Setting(tuple(names), data.version or 0, data.value or b"")

    def _sums_after(self, mutations: Sequence[SyncMutation]) -> tuple[list[int], dict[bytes, bytes]]:
        sums, macs = list(self._sums), dict(self._macs)
        for mutation in mutations:
            index_mac, blob = _parts(mutation)
            old = macs.pop(index_mac, None)
            if old is not None:
                _add(sums, old, -1)
            if mutation.operation != REMOVE:
                macs[index_mac] = blob[-_MAC_SIZE:]
                _add(sums, macs[index_mac], 1)
        return sums, macs

    def _value_mac(self, operation: int, sealed: bytes) -> bytes:
        # The first byte stands for the operation: 1 sets, 2 removes.
        length = struct.pack(">Q", len(self._key_id) + 1)
        return hmac.digest(self._keys.value_mac, bytes((operation + 1,)) + self._key_id + sealed + length, "sha512")[
            :_MAC_SIZE
        ]

    def _snapshot_mac(self, sums: Sequence[int], version: int) -> bytes:
        text = struct.pack("<64H", *sums) + struct.pack(">Q", version) + self.name.encode()
        return hmac_sha256(self._keys.snapshot_mac, text)

    def _patch_mac(self, snapshot_mac: bytes, mutations: Sequence[SyncMutation], version: int) -> bytes:
        macs = b"".join(_parts(mutation)[1][-_MAC_SIZE:] for mutation in mutations)
        text = snapshot_mac + macs + struct.pack(">Q", version) + self.name.encode()
        return hmac_sha256(self._keys.patch_mac, text)


def _parts(mutation: SyncMutation) -> tuple[bytes, bytes]:
    """Return the authenticated index and the sealed value of a mutation."""
    record = mutation.record
    index = record.index.blob if record is not None and record.index is not None else None
    value = record.value.blob if record is not None and record.value is not None else None
    if not index or not value or len(value) < _MAC_SIZE + 32:
        raise WireError("a setting is incomplete")
    return index, value


def _add(sums: list[int], mac: bytes, sign: int) -> None:
    for at, summand in enumerate(struct.unpack("<64H", hkdf(mac, None, b"WhatsApp Patch Integrity", 128))):
        sums[at] = (sums[at] + sign * summand) & 0xFFFF
