"""The installation's secret key, and while it is changed a second one: from the settings, or from private files.

The files: `secret.key`, made at the first start, and `secret.key.previous` beside it as long as a change is under way.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from blazz.kit import failpoints
from blazz.kit.crypto import KEY_BYTES, SecretBox, decode_key
from blazz.kit.errors import BlazzError
from blazz.kit.files import read_private, sync_directory, write_private

KEY_FILE = "secret.key"
PREVIOUS_FILE = "secret.key.previous"
_WRONG = "secret_key_wrong"
_PURPOSE = b"blazz: which key this database was made with"


@dataclass(frozen=True, slots=True)
class SecretKeys:
    """`current` seals; what either of them sealed can be opened."""

    current: bytes = field(repr=False)
    previous: bytes | None = field(default=None, repr=False)

    def box(self) -> SecretBox:
        """Return what seals and opens values."""
        return SecretBox(self.current, self.previous)


def load_keys(directory: Path, given: str | None, given_previous: str | None, *, create: bool) -> SecretKeys:
    """Return the keys that the settings give (base64), else those of the files in `directory`.

    Without either a key file is made with mode 0600, or with `create` unset BlazzError `secret_key_needed` raised.
    Raises BlazzError `secret_key_wrong`, `secret_file_exposed`.
    """
    if given:
        current, previous = decode_key(given, "BLAZZ_SECRET_KEY", _WRONG), _given_previous(given_previous)
    else:
        current = _current_in(directory, create=create)
        previous = _given_previous(given_previous) or _read(directory / PREVIOUS_FILE)
    return SecretKeys(current, None if previous == current else previous)


def begin_change(directory: Path) -> SecretKeys:
    """Make a new key file and keep the old one beside it. Goes on with a change that was cut off at any point."""
    keys = load_keys(directory, None, None, create=False)
    if keys.previous is not None:
        return keys
    new = secrets.token_bytes(KEY_BYTES)
    write_private(directory / PREVIOUS_FILE, base64.b64encode(keys.current))
    failpoints.reach("secret.previous_written")
    write_private(directory / KEY_FILE, base64.b64encode(new))
    return SecretKeys(new, keys.current)


def end_change(directory: Path) -> None:
    """Remove the old key file. Idempotent."""
    (directory / PREVIOUS_FILE).unlink(missing_ok=True)
    sync_directory(directory)


def key_digest(key: bytes) -> str:
    """Return what may be stored of a key: whether another is the same can be told by it, and nothing else."""
    return hmac.digest(key, _PURPOSE, "sha256").hex()[:32]


def _current_in(directory: Path, *, create: bool) -> bytes:
    path = directory / KEY_FILE
    key = _read(path)
    if key is None and not create:
        raise BlazzError(
            "secret_key_needed",
            "All roles need the same secret key. Set BLAZZ_SECRET_KEY (32 bytes in base64; make one with: "
            f"openssl rand -base64 32), or put the key file of the installation at {path}.",
        )
    if key is None:
        key = secrets.token_bytes(KEY_BYTES)
        write_private(path, base64.b64encode(key))
    return key


def _given_previous(text: str | None) -> bytes | None:
    return decode_key(text, "BLAZZ_SECRET_KEY_PREVIOUS", _WRONG) if text else None


def _read(path: Path) -> bytes | None:
    if not path.exists():
        return None
    return decode_key(read_private(path).decode("ascii", "replace").strip(), str(path), _WRONG)
