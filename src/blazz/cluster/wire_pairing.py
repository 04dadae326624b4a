"""The bodies of internal calls about passkeys, version 1."""

from __future__ import annotations

import datetime as dt
from typing import Any

from pydantic import Field

from blazz.cluster.pairing_commands import PasskeyStep, PasskeyView
from blazz.cluster.wire import Body, Command

MAX_CREDENTIAL = 64 * 1024
"""Characters of an authenticator's answer; real ones have about a thousand."""


class AnswerPasskey(Command):
    """`PairingCommands.answer_passkey`."""

    credential: str = Field(max_length=MAX_CREDENTIAL)


class Passkey(Body):
    """What WhatsApp waits for."""

    step: PasskeyStep
    options: dict[str, Any]
    code: str | None = None
    expires_at: dt.datetime

    def view(self) -> PasskeyView:
        return PasskeyView(self.step, self.options, self.code, self.expires_at)


class ShownPasskey(Body):
    """The answer to the question for the passkey."""

    passkey: Passkey | None = None
