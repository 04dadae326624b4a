"""App state: whatsmeow checks every MAC and the running hash of what our phones write."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop.wirecheck import LibraryError, Wirecheck, b64
from whatsim.phones.app_state import AppState, state_key_id, state_secret
from whatsim.phones.settings import CRITICAL_BLOCK, PhoneSettings
from whatsim.server.entities import Phone
from whatsim.server.store import Store

pytestmark = [pytest.mark.anyio, pytest.mark.engine]


async def test_the_push_name_that_a_phone_writes_is_read_by_the_library(library: Wirecheck, tmp_path: Path) -> None:
    phone = Phone(1, "628110000001", "Toko Senja", "100000000000001", bytes(range(32)), 1)
    store = Store(tmp_path / "state.db")
    try:
        state = AppState(store)
        PhoneSettings(None, state).ensure_push_name(phone)  # type: ignore[arg-type]  # it has no devices to tell
        (patch,) = state.patches(phone, CRITICAL_BLOCK, 0)
    finally:
        await store.close()
    asked = {
        "name": CRITICAL_BLOCK,
        "keyid": b64(state_key_id(phone)),
        "key": b64(state_secret(phone)),
        "patches": [b64(patch)],
    }
    read = library.ask("app_state.decode", asked)
    (mutation,) = read["mutations"]
    assert (read["version"], mutation["Operation"], mutation["Index"]) == (1, "SET", ["setting_pushName"])
    assert mutation["Action"]["pushNameSetting"] == {"name": "Toko Senja"}
    with pytest.raises(LibraryError):
        library.ask("app_state.decode", {**asked, "patches": [b64(patch[:40] + bytes((patch[40] ^ 1,)) + patch[41:])]})
