"""Sealed settings: what one device writes another reads, and nothing forged or missing passes."""

from __future__ import annotations

import pytest

from whatsim.wire.errors import WireError
from whatsim.wire.records import Blob, SyncMutation, SyncPatch
from whatsim.wire.syncd import REMOVE, Collection, Keys, Setting

KEYS, KEY_ID = Keys.of(bytes(range(32))), b"\0\0key1"


def collection(name: str = "regular_low") -> Collection:
    return Collection(name, KEYS, KEY_ID)


def patch(writer: Collection, *settings: Setting) -> SyncPatch:
    """Write settings and take them in at the writer's; returns the patch as it travels."""
    made = SyncPatch.decode(writer.write(settings).encode())
    writer.apply(made)
    return made


def archive(chat: str, value: bytes) -> Setting:
    return Setting(("archive", chat), 3, value)


def test_settings_are_read_as_they_were_written_and_later_ones_replace_earlier() -> None:
    writer, reader = collection(), collection()
    for settings in ([archive("1@lid", b"\x08\x01"), archive("2@lid", b"\x08\x01")], [archive("1@lid", b"\x08\x02")]):
        assert reader.apply(patch(writer, *settings)) == settings
    assert reader.settings == {("archive", "1@lid"): b"\x08\x02", ("archive", "2@lid"): b"\x08\x01"}
    assert (reader.version, writer.version) == (2, 2)


def test_a_removed_setting_is_gone() -> None:
    writer, reader = collection(), collection()
    first = patch(writer, archive("1@lid", b"\x08\x01"), archive("2@lid", b"\x08\x01"))
    reader.apply(first)
    removing = reader.write([archive("1@lid", b"")])
    removing.mutations[0].operation = REMOVE
    with pytest.raises(WireError, match="not authentic"):
        reader.apply(SyncPatch.decode(removing.encode()))
    assert len(reader.settings) == 2


@pytest.mark.parametrize("forge", ["patch_mac", "snapshot_mac", "value", "index", "key", "empty"])
def test_a_forged_patch_changes_nothing(forge: str) -> None:
    writer, reader = collection(), collection()
    good = patch(writer, archive("1@lid", b"\x08\x01"))
    bad = SyncPatch.decode(good.encode())
    record = bad.mutations[0].record
    assert record is not None
    match forge:
        case "patch_mac":
            bad.patch_mac = bytes(32)
        case "snapshot_mac":
            bad.snapshot_mac = bytes(32)
        case "value":
            assert record.value is not None
            assert record.value.blob is not None
            record.value = Blob(record.value.blob[:-1] + bytes((record.value.blob[-1] ^ 1,)))
        case "index":
            record.index = Blob(bytes(32))
        case "key":
            bad.key_id = Blob(b"other")
        case "empty":
            bad.mutations = [SyncMutation(0, None)]
    with pytest.raises(WireError):
        reader.apply(bad)
    assert (reader.version, reader.settings) == (0, {})
    reader.apply(good)


def test_a_patch_of_another_collection_or_out_of_order_is_refused() -> None:
    writer, reader = collection(), collection()
    first, second = patch(writer, archive("1@lid", b"\x08\x01")), patch(writer, archive("2@lid", b"\x08\x01"))
    with pytest.raises(WireError):
        reader.apply(second)
    with pytest.raises(WireError):
        collection("regular_high").apply(first)
