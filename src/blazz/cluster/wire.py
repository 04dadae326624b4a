"""The bodies of internal calls, version 1. Fields may be added; what a reader does not know it ignores."""

from __future__ import annotations

import datetime as dt

from pydantic import BaseModel, ConfigDict, Field

from blazz.cluster.commands import ChatState, OnWhatsApp, PairingCode, QrView

PREFIX = "/internal/v1"
VERSION_HEADER = "X-Blazz-Internal-Version"
VERSION = "1"
PER_CALL = 100  # ids or phone numbers in one call, as the contract of commands says


class Body(BaseModel):
    """A body of either direction."""

    model_config = ConfigDict(frozen=True, extra="ignore", from_attributes=True)


class Command(Body):
    """What every command says. `epoch`: under which the caller believes the session to be owned."""

    epoch: int | None = None


class Connect(Command):
    """`SessionCommands.connect`."""

    use_qr: bool = True


class AskPairingCode(Command):
    """`SessionCommands.pairing_code`."""

    phone: str = Field(max_length=32)


class Typing(Command):
    """`SessionCommands.typing`."""

    address: str = Field(max_length=128)
    state: ChatState


class MarkRead(Command):
    """`SessionCommands.mark_read`."""

    address: str = Field(max_length=128)
    author: str = Field(max_length=128)
    wa_message_ids: list[str] = Field(max_length=PER_CALL)
    at: dt.datetime


class AskOnWhatsApp(Command):
    """`SessionCommands.on_whatsapp`."""

    phones: list[str] = Field(max_length=PER_CALL)


class Done(Body):
    """The answer to what has no result."""


class Code(Body):
    """The answer to `AskPairingCode`."""

    code: str
    expires_at: dt.datetime

    def view(self) -> PairingCode:
        return PairingCode(self.code, self.expires_at)


class Qr(Body):
    """A QR code."""

    code: str
    number: int
    expires_at: dt.datetime

    def view(self) -> QrView:
        return QrView(self.code, self.number, self.expires_at)


class ShownQr(Body):
    """The answer to the question for the QR code."""

    qr: Qr | None = None


class Registered(Body):
    """Whether one number is on WhatsApp."""

    phone: str
    registered: bool
    jid: str | None = None
    lid: str | None = None

    def view(self) -> OnWhatsApp:
        return OnWhatsApp(self.phone, self.registered, self.jid, self.lid)


class AllRegistered(Body):
    """The answer to `AskOnWhatsApp`."""

    results: list[Registered]
