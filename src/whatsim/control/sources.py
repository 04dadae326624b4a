"""Reading bytes out of request bodies."""

from __future__ import annotations

import base64
import binascii

from whatsim.control.errors import invalid


def decode(text: str, field: str) -> bytes:
    """Return the bytes of base64. Raises ControlError `invalid_base64` naming the field."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise invalid(field, "This is not base64.", "invalid_base64") from None
