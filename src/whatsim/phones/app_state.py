"""The patches and snapshots of phones' synchronised settings, as the server keeps them: sealed.

Only a phone and its companions can read them; the phone's own view is in `settings`.
"""

from __future__ import annotations

from whatsim.server.entities import Phone, now
from whatsim.server.store import Store
from whatsim.wire.curve import derive_private
from whatsim.wire.e2e import (
    TYPE_KEY_SHARE,
    AppStateKey,
    AppStateKeyData,
    AppStateKeyShare,
    KeyFingerprint,
    Message,
    ProtocolMessage,
)
from whatsim.wire.records import Blob, SyncPatch, SyncRecord, SyncSnapshot, SyncVersion
from whatsim.wire.syncd import REMOVE


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
        """Add a device's patch and return the version that it leads to."""
        patches = self._collection(phone, collection)
        version = len(patches) + 1
        # Clients leave the version out; a field that is appended to a serialised message counts as part of it.
        patch += SyncPatch(version=SyncVersion(version)).encode()
        patches.append(patch)
        self._store.put("app_state", (phone.id, collection, version), (phone.id, collection, version, patch))
        return version

    def snapshot(self, phone: Phone, collection: str) -> bytes | None:
        """Return all records of a collection, serialised; None while it is empty.

        The server cannot read them: it folds the patches by their authenticated indexes, and the last patch's
        snapshot MAC is the snapshot's own.
        """
        patches = [SyncPatch.decode(patch) for patch in self._collection(phone, collection)]
        if not patches:
            return None
        records: dict[bytes, SyncRecord] = {}
        for patch in patches:
            for mutation in patch.mutations:
                record = mutation.record
                if record is None or record.index is None or record.index.blob is None:
                    continue
                records.pop(record.index.blob, None)
                if mutation.operation != REMOVE:
                    records[record.index.blob] = record
        last = patches[-1]
        version = SyncVersion(len(patches))
        return SyncSnapshot(version, list(records.values()), last.snapshot_mac, last.key_id).encode()

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
    data = AppStateKeyData(state_secret(phone), fingerprint, int(now() * 1000))
    share = AppStateKeyShare([AppStateKey(Blob(state_key_id(phone)), data)])
    return Message(protocol=ProtocolMessage(type=TYPE_KEY_SHARE, key_share=share))


def state_key_id(phone: Phone) -> bytes:
    """Return the id of the phone's app-state key: two bytes of the device that made it, four of its epoch."""
    return b"\0\0" + derive_private(phone.seed, "app state key id")[:4]


def state_secret(phone: Phone) -> bytes:
    """Return the phone's app-state key."""
    return derive_private(phone.seed, "app state key")
