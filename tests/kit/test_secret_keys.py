"""The secret key: one that seals, a second one that opens too, and files that a cut does not lose."""

from __future__ import annotations

import base64
import itertools
from pathlib import Path

import pytest

from blazz.kit import failpoints
from blazz.kit.crypto import SecretBox
from blazz.kit.errors import BlazzError
from blazz.kit.secret_keys import KEY_FILE, PREVIOUS_FILE, begin_change, end_change, key_digest, load_keys
from blazz.kit.settings import Settings
from blazz.kit.signing import internal_keys

OLD, NEW = b"o" * 32, b"n" * 32


def given(key: bytes) -> str:
    return base64.b64encode(key).decode()


def test_both_keys_open_and_the_present_one_seals() -> None:
    old, both, new = SecretBox(OLD), SecretBox(NEW, OLD), SecretBox(NEW)
    sealed = old.seal(b"value", "row 1")
    assert both.open(sealed, "row 1") == b"value"
    assert new.open(both.seal(b"value", "row 1"), "row 1") == b"value"
    anew = both.reseal(sealed, "row 1")
    assert anew is not None
    assert new.open(anew, "row 1") == b"value"
    assert both.reseal(anew, "row 1") is None, "it is already"
    for wrong in (sealed, b"", b"short"):
        with pytest.raises(BlazzError, match="secret_unreadable"):
            both.open(wrong, "row 2")


def test_keys_come_from_the_settings_or_from_files(tmp_path: Path) -> None:
    with pytest.raises(BlazzError, match="secret_key_needed"):
        load_keys(tmp_path, None, None, create=False)
    made = load_keys(tmp_path, None, None, create=True)
    assert load_keys(tmp_path, None, None, create=False) == made
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600
    keys = load_keys(tmp_path, given(NEW), given(OLD), create=False)
    assert (keys.current, keys.previous) == (NEW, OLD)
    assert load_keys(tmp_path, given(NEW), given(NEW), create=False).previous is None
    for wrong in ("###", given(b"short")):
        for both in ((wrong, None), (given(NEW), wrong)):
            with pytest.raises(BlazzError, match="secret_key_wrong"):
                load_keys(tmp_path, *both, create=False)
    assert "oooo" not in repr(keys)


def test_a_change_of_the_files_survives_a_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLAZZ_TEST_MODE", "1")
    first = load_keys(tmp_path, None, None, create=True)
    failpoints.arm("secret.previous_written", "panic")
    try:
        with pytest.raises(failpoints.FailpointPanic):
            begin_change(tmp_path)
    finally:
        failpoints.disarm("secret.previous_written")
    assert load_keys(tmp_path, None, None, create=False) == first, "nothing has changed yet"
    changed = begin_change(tmp_path)
    assert changed.previous == first.current
    assert changed.current != first.current
    assert begin_change(tmp_path) == changed, "the same change goes on"
    assert load_keys(tmp_path, None, None, create=False) == changed
    end_change(tmp_path)
    end_change(tmp_path)
    assert not (tmp_path / PREVIOUS_FILE).exists()
    assert load_keys(tmp_path, None, None, create=False).current == changed.current


def test_internal_calls_are_accepted_through_all_rounds_of_a_change() -> None:
    """One process after the other is restarted, so processes of neighbouring rounds call each other."""
    settings = Settings()
    rounds = [(OLD, None), (OLD, NEW), (NEW, OLD), (NEW, None)]
    keys = [internal_keys(settings, *one) for one in rounds]
    for one, other in itertools.pairwise(keys):
        assert other.accepts(b"call", one.sign(b"call"))
        assert one.accepts(b"call", other.sign(b"call"))
    assert not keys[-1].accepts(b"call", keys[0].sign(b"call"))


def test_a_digest_tells_nothing_but_equality() -> None:
    assert key_digest(OLD) == key_digest(OLD) != key_digest(NEW)
    assert given(OLD)[:8] not in key_digest(OLD)
