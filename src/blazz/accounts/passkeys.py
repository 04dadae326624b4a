"""Linking with a passkey: what is shown to the person who has it, and the answer of their authenticator."""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import uuid
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from blazz.accounts import service
from blazz.cluster.commands import SessionCommands
from blazz.cluster.pairing_commands import PasskeyView
from blazz.kit.db import Database, Workspace
from blazz.kit.errors import BlazzError, FieldError, invalid

Base64Url = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+={0,2}$", min_length=1, max_length=16_384)]


class _Part(BaseModel):
    # browsers add members of their own, which WhatsApp does not want
    model_config = ConfigDict(extra="ignore")


class AssertionResponse(_Part):
    """The signed part of an authenticator's answer; byte strings in base64url."""

    clientDataJSON: Base64Url  # noqa: N815 - the name of the standard
    authenticatorData: Base64Url  # noqa: N815
    signature: Base64Url
    userHandle: Base64Url | None = None  # noqa: N815


class Credential(_Part):
    """An authenticator's answer as `PublicKeyCredential.toJSON()` gives it (WebAuthn, AuthenticationResponseJSON)."""

    id: Base64Url
    rawId: Base64Url  # noqa: N815
    type: Annotated[str, Field(pattern="^public-key$")]
    response: AssertionResponse


async def shown(database: Database, commands: SessionCommands, scope: Workspace, account_id: uuid.UUID) -> PasskeyView:
    """Return what WhatsApp waits for. Raises BlazzError `not_found`, or `no_passkey` (404) for nothing."""
    await database.read(scope, service.get, account_id)
    view = await commands.passkey(account_id)
    if view is None:
        raise BlazzError("no_passkey", "WhatsApp does not ask for a passkey of this number now.", 404)
    return view


async def answer(
    database: Database, commands: SessionCommands, scope: Workspace, account_id: uuid.UUID, credential: Credential
) -> None:
    """Hand an answer to WhatsApp.

    Raises BlazzError as `shown`, `wrong_challenge` (422) for an answer to another question, `whatsapp_refused` (409).
    """
    view = await shown(database, commands, scope, account_id)
    _check_challenge(credential, view)
    text = credential.model_dump_json(exclude_none=True)
    await commands.answer_passkey(account_id, text)


async def confirm(database: Database, commands: SessionCommands, scope: Workspace, account_id: uuid.UUID) -> None:
    """Say that the phone shows the same code. Raises BlazzError as `shown`."""
    await shown(database, commands, scope, account_id)
    await commands.confirm_passkey(account_id)


def _check_challenge(credential: Credential, view: PasskeyView) -> None:
    client: Any = None
    with contextlib.suppress(ValueError):
        client = json.loads(_bytes(credential.response.clientDataJSON))
    wanted = str(view.options.get("challenge", ""))
    if not isinstance(client, dict) or client.get("type") != "webauthn.get":
        text = "This is not the answer of an authenticator to a sign-in."
        raise invalid(text, code="invalid_credential", errors=[FieldError("credential.response.clientDataJSON", text)])
    if str(client.get("challenge", "")).rstrip("=") != wanted.rstrip("="):
        text = "This answers another request. Copy the one that is shown now and try again."
        raise invalid(text, code="wrong_challenge", errors=[FieldError("credential.response.clientDataJSON", text)])


def _bytes(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4))
    except binascii.Error as error:
        raise ValueError("not base64url") from error
