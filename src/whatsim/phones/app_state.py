"""A phone's synchronised settings, of which the phone itself writes one: the push name.

Every setting is encrypted and authenticated with keys derived from an app-state key that the phone shares with its
companions; a running hash over all settings (LTHash: 64 sums of 16 bits) makes tampering visible.
"""

from __future__ import annotations

import hmac
import json
import os
import struct
from typing import NamedTuple

from whatsim.server.entities import Phone, now
from whatsim.server.store import Store
from whatsim.wire.curve import derive_private, hkdf, hmac_sha256
from whatsim.wire.e2e import (
    TYPE_KEY_SHARE,
    AppStateKey,
    AppStateKeyData,
    AppStateKeyShare,
    KeyFingerprint,
    Message,
    ProtocolMessage,
)
from whatsim.wire.media import cbc_encrypt
from whatsim.wire.records import (
    Blob,
    PushNameSetting,
    SyncActionData,
    SyncActionValue,
    SyncMutation,
    SyncPatch,
    SyncRecord,
    SyncVersion,
)

PUSH_NAME_COLLECTION = "critical_block"
_PUSH_NAME_INDEX = ["setting_pushName"]
# The schema version that clients of today write for this setting.
_PUSH_NAME_VERSION = 1


class _Keys(NamedTuple):
    index_mac: bytes
    value_encryption: bytes
    value_mac: bytes
    snapshot_mac: bytes
    patch_mac: bytes


class AppState:
    """Patches by phone and collection, each leading to the next version (from 1)."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._cache: dict[tuple[int, str], list[bytes]] = {}

    def version(self, phone: Phone, collection: str) -> int:
        """Return the collection's present version; 0 while it is empty."""
        return len(self._collection(phone, collection))

    def patches(self, phone: Phone, collection: str, above: int) -> list[bytes]:
        """Return the patches that lead on from a version."""
        return self._collection(phone, collection)[above:]

    def append(self, phone: Phone, collection: str, patch: bytes) -> int:
        """Add a client's patch and return the version that it leads to."""
        patches = self._collection(phone, collection)
        version = len(patches) + 1
        # Clients leave the version out; a field that is appended to a serialised message counts as part of it.
        patch += SyncPatch(version=SyncVersion(version)).encode()
        patches.append(patch)
        self._store.put("app_state", (phone.id, collection, version), (phone.id, collection, version, patch))
        return version

    def ensure_push_name(self, phone: Phone) -> None:
        """Write the phone's name as its push name once; clients refuse to send presence without one."""
        if self.version(phone, PUSH_NAME_COLLECTION) == 0:
            self.append(phone, PUSH_NAME_COLLECTION, _push_name_patch(phone))

    def _collection(self, phone: Phone, collection: str) -> list[bytes]:
        key = (phone.id, collection)
        patches = self._cache.get(key)
        if patches is None:
            rows = self._store.read(
                "SELECT patch FROM app_state WHERE phone = ? AND collection = ? ORDER BY version", *key
            )
            patches = self._cache[key] = [row[0] for row in rows]
        return patches


def key_share(phone: Phone) -> Message:
    """Return the message with which a phone gives its app-state key to a companion."""
    indexes = [0, *(device.key_index for device in phone.devices.values())]
    fingerprint = KeyFingerprint(phone.raw_id, phone.next_key_index - 1, indexes)
    data = AppStateKeyData(_secret(phone), fingerprint, int(now() * 1000))
    share = AppStateKeyShare([AppStateKey(Blob(_key_id(phone)), data)])
    return Message(protocol=ProtocolMessage(type=TYPE_KEY_SHARE, key_share=share))


def _key_id(phone: Phone) -> bytes:
    # Two bytes of the device that made the key, four of its epoch.
    return b"\0\0" + derive_private(phone.seed, "app state key id")[:4]


def _secret(phone: Phone) -> bytes:
    return derive_private(phone.seed, "app state key")


def _push_name_patch(phone: Phone) -> bytes:
    expanded = hkdf(_secret(phone), None, b"WhatsApp Mutation Keys", 160)
    keys = _Keys(*(expanded[at : at + 32] for at in range(0, 160, 32)))
    key_id = _key_id(phone)
    index = json.dumps(_PUSH_NAME_INDEX, separators=(",", ":")).encode()
    value = SyncActionValue(int(now() * 1000), PushNameSetting(phone.name))
    plain = SyncActionData(index, value, b"", _PUSH_NAME_VERSION).encode()
    iv = os.urandom(16)
    sealed = iv + cbc_encrypt(keys.value_encryption, iv, plain)
    value_mac = _value_mac(keys.value_mac, key_id, sealed)
    record = SyncRecord(Blob(hmac_sha256(keys.index_mac, index)), Blob(sealed + value_mac), Blob(key_id))
    name = PUSH_NAME_COLLECTION.encode()
    version = struct.pack(">Q", 1)
    snapshot_mac = hmac_sha256(keys.snapshot_mac, _lt_hash([value_mac]) + version + name)
    patch_mac = hmac_sha256(keys.patch_mac, snapshot_mac + value_mac + version + name)
    mutation = SyncMutation(0, record)
    return SyncPatch(None, [mutation], snapshot_mac, patch_mac, Blob(key_id), 0).encode()


def _value_mac(key: bytes, key_id: bytes, sealed: bytes) -> bytes:
    # The first byte stands for the operation: 1 sets, 2 removes.
    length = struct.pack(">Q", len(key_id) + 1)
    return hmac.digest(key, b"\x01" + key_id + sealed + length, "sha512")[:32]


def _lt_hash(value_macs: list[bytes]) -> bytes:
    sums = [0] * 64
    for mac in value_macs:
        summand = struct.unpack("<64H", hkdf(mac, None, b"WhatsApp Patch Integrity", 128))
        sums = [(a + b) & 0xFFFF for a, b in zip(sums, summand, strict=True)]
    return struct.pack("<64H", *sums)
