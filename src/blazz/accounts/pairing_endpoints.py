"""Endpoints of linking with a passkey, and of what a number does with calls."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from pydantic import Field, StringConstraints

from blazz.accounts import call_settings, passkeys
from blazz.accounts.call_settings import CallSettings
from blazz.accounts.schemas import Calls
from blazz.cluster.pairing_commands import PasskeyStep
from blazz.identity.caller import Caller
from blazz.identity.dependencies import needs
from blazz.kit.http import CommandsDep, DatabaseDep, Model, RequestModel, problems

router = APIRouter(tags=["accounts"])
WriterDep = Annotated[Caller, Depends(needs("accounts:write"))]
_NO_STORE = {"Cache-Control": "no-store"}


class Passkey(Model):
    """What WhatsApp waits for before it links the number."""

    step: PasskeyStep = Field(
        description="`challenge`: an authenticator's answer to `options`; `answered`: WhatsApp looks at it; `confirm`: "
        "that the phone shows `code`, too."
    )
    options: dict[str, Any] = Field(
        description="PublicKeyCredentialRequestOptionsJSON of WebAuthn. Its `rpId` is WhatsApp's, so that a browser "
        "answers it on WhatsApp's own pages only."
    )
    code: str | None = Field(description="`XXXX-XXXX`, at the step `confirm`.")
    expires_at: dt.datetime


class PasskeyAnswer(RequestModel):
    """The authenticator's answer, as `PublicKeyCredential.toJSON()` gives it."""

    credential: passkeys.Credential


class CallsPut(RequestModel):
    """What the number shall do with calls."""

    reject: bool = Field(description="Decline direct calls as soon as they ring.")
    reply: Annotated[str, StringConstraints(strip_whitespace=True, max_length=1024)] | None = Field(
        None, description="A text for whose call was declined, at most once an hour for each caller."
    )


@router.get(
    "/accounts/{account_id}/passkey",
    summary="The passkey that WhatsApp asks for",
    responses=problems(401, 403, 404, 409, 422),
)
async def get_passkey(
    account_id: uuid.UUID, caller: WriterDep, database: DatabaseDep, commands: CommandsDep, response: Response
) -> Passkey:
    """404 `no_passkey` when WhatsApp asks for none at this moment. Follow the event `session.passkey`."""
    view = await passkeys.shown(database, commands, caller.scope, account_id)
    response.headers.update(_NO_STORE)
    return Passkey(step=view.step, options=view.options, code=view.code, expires_at=view.expires_at)


@router.post(
    "/accounts/{account_id}/passkey",
    status_code=204,
    summary="Answer with a passkey",
    responses=problems(401, 403, 404, 409, 422, 503),
)
async def answer_passkey(
    account_id: uuid.UUID, body: PasskeyAnswer, caller: WriterDep, database: DatabaseDep, commands: CommandsDep
) -> None:
    await passkeys.answer(database, commands, caller.scope, account_id, body.credential)


@router.post(
    "/accounts/{account_id}/passkey/confirm",
    status_code=204,
    summary="Confirm that the phone shows the same code",
    responses=problems(401, 403, 404, 409, 422, 503),
)
async def confirm_passkey(
    account_id: uuid.UUID, caller: WriterDep, database: DatabaseDep, commands: CommandsDep
) -> None:
    await passkeys.confirm(database, commands, caller.scope, account_id)


@router.put(
    "/accounts/{account_id}/calls",
    summary="Set what a number does with calls",
    responses=problems(401, 403, 404, 422),
)
async def put_calls(account_id: uuid.UUID, body: CallsPut, caller: WriterDep, database: DatabaseDep) -> Calls:
    settings = CallSettings(body.reject, body.reply or None)
    await database.write(caller.scope, call_settings.change, account_id, settings)
    return Calls(reject=settings.reject, reply=settings.reply)
