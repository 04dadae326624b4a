"""The one error that set-up shows to a person: what is wrong and what to do, without a traceback."""

from __future__ import annotations


class SetupError(Exception):
    """Set-up cannot go on. The message is one or more sentences a person can act on."""
