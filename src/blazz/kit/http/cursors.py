"""Cursors: where the next page starts, opaque to the caller."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import json
import uuid
from typing import Any, TypeVar, overload

from blazz.kit.errors import BlazzError, FieldError, invalid

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")

_MAX_INTEGER = 2**63 - 1  # what a BIGINT column can be compared with
_MAX_LENGTH = 512


def encode_cursor(*values: object) -> str:
    """Return the sort key of a page's last row as text. Values: str, int, bool, None, UUID or aware datetime."""
    plain = [value.isoformat() if isinstance(value, dt.datetime) else value for value in values]
    text = json.dumps(plain, default=str, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@overload
def decode_cursor(text: str, /) -> tuple[Any, ...]: ...
@overload
def decode_cursor(text: str, one: type[A], /) -> tuple[A]: ...
@overload
def decode_cursor(text: str, one: type[A], two: type[B], /) -> tuple[A, B]: ...
@overload
def decode_cursor(text: str, one: type[A], two: type[B], three: type[C], /) -> tuple[A, B, C]: ...
def decode_cursor(text: str, /, *types: type[Any]) -> tuple[Any, ...]:
    """Return the values of `encode_cursor`, as `types` where given. Raises BlazzError `invalid_cursor` (422)."""
    if len(text) > _MAX_LENGTH:
        raise _wrong()
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        values = json.loads(raw)
        if not isinstance(values, list):
            raise _wrong()
        if not types:
            return tuple(values)
        if len(types) != len(values):
            raise _wrong()
        return tuple(_typed(value, wanted) for value, wanted in zip(values, types, strict=True))
    except (ValueError, TypeError, RecursionError, OverflowError, binascii.Error):
        raise _wrong() from None


def _typed(value: object, wanted: type[Any]) -> object:
    if wanted is dt.datetime and isinstance(value, str):
        moment = dt.datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise ValueError
        return moment.astimezone(dt.UTC)
    if wanted is uuid.UUID and isinstance(value, str):
        return uuid.UUID(value)
    if wanted is int and isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _MAX_INTEGER:
        return value
    if wanted in (str, bool) and type(value) is wanted:
        return value
    raise ValueError


def _wrong() -> BlazzError:
    return invalid(
        "This cursor was not given by this list; start from the first page.",
        code="invalid_cursor",
        errors=[FieldError("cursor", "Not a cursor of this list.", "invalid_cursor")],
    )
