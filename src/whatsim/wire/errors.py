"""The one error that malformed input from the other side raises."""

from __future__ import annotations


class WireError(Exception):
    """The bytes do not follow the protocol. The connection or message that they came with cannot be trusted further."""
