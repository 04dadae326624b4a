"""Phones' Signal sessions with companions, loaded when needed and written when changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from whatsim.server.entities import Device, Phone
from whatsim.server.store import Row
from whatsim.wire.e2e import pad, unpad
from whatsim.wire.signal import Bundle, CipherType, NoSession, SessionRecord

if TYPE_CHECKING:
    from whatsim.server.core import Core

_Key = tuple[int, int, int]


@dataclass(slots=True)
class _Entry:
    key: _Key
    record: SessionRecord

    def row(self) -> Row:
        return (*self.key, self.record.dump())


class Sessions:
    """Keyed by phone, and by the other side's phone and device number."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._store = core.store
        self._entries: dict[_Key, _Entry] = {}

    def encrypt(self, phone: Phone, device: Device, plain: bytes) -> tuple[CipherType, bytes]:
        """Encrypt for a companion, beginning a session when there is none."""
        entry = self._find(_key(phone, device))
        if entry is None:
            entry = self.restart(phone, device, self.take_bundle(device))
        sealed = entry.record.encrypt(phone.identity, pad(plain))
        self._core.tap.content(f"{device.phone.number}:{device.device}", "<", plain)
        self._store.put("sessions", entry.key, entry)
        return sealed

    def decrypt(self, phone: Phone, device: Device, kind: str, data: bytes) -> bytes:
        """Return the plaintext from a companion. Raises DecryptError or WireError; nothing has changed then."""
        key = _key(phone, device)
        entry = self._find(key)
        if kind == "pkmsg":
            if entry is None:
                entry = _Entry(key, SessionRecord(device.identity))
            plain = entry.record.decrypt_first(phone.identity, data)
            self._entries[key] = entry
        elif entry is None:
            raise NoSession("no session with the sender")
        else:
            plain = entry.record.decrypt(phone.identity, data)
        self._store.put("sessions", key, entry)
        content = unpad(plain)
        self._core.tap.content(f"{device.phone.number}:{device.device}", ">", content)
        return content

    def restart(self, phone: Phone, device: Device, bundle: Bundle) -> _Entry:
        """Begin a new session with a companion; the former one still decrypts."""
        key = _key(phone, device)
        entry = self._find(key)
        if entry is None:
            entry = self._entries[key] = _Entry(key, SessionRecord(device.identity))
        entry.record.begin(phone.identity, bundle)
        self._store.put("sessions", key, entry)
        return entry

    def forget(self, phone: Phone, device: Device) -> None:
        """Drop a session, so that the next message cannot be read (to try out how clients recover)."""
        key = _key(phone, device)
        self._find(key)
        self._entries.pop(key, None)
        self._store.delete("sessions", key)

    def forget_all(self, phone: Phone) -> None:
        """Drop all of a phone's sessions: it has new keys."""
        rows = self._store.read("SELECT peer, device FROM sessions WHERE phone = ?", phone.id)
        keys = {(phone.id, peer, device) for peer, device in rows}
        for key in keys | {key for key in self._entries if key[0] == phone.id}:
            self._entries.pop(key, None)
            self._store.delete("sessions", key)

    def take_bundle(self, device: Device) -> Bundle:
        """Return a companion's keys, using up a one-time key."""
        number, key = self._core.world.take_prekey(device) or (None, None)
        self._core.router.prekey_taken(device)
        return Bundle(device.registration_id, device.identity, device.signed_key, number, key)

    def _find(self, key: _Key) -> _Entry | None:
        entry = self._entries.get(key)
        if entry is None:
            rows = self._store.read("SELECT record FROM sessions WHERE phone = ? AND peer = ? AND device = ?", *key)
            if rows:
                entry = self._entries[key] = _Entry(key, SessionRecord.load(rows[0][0]))
        return entry


def _key(phone: Phone, device: Device) -> _Key:
    return phone.id, device.phone.id, device.device
