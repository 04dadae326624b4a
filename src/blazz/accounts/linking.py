"""Connecting, disconnecting and linking: what is written here, together with what its instance must do."""

from __future__ import annotations

import uuid

from sqlalchemy import RowMapping

from blazz.accounts import service
from blazz.cluster import service as cluster
from blazz.cluster.commands import PairingCode, QrView, SessionCommands
from blazz.kit.db import Database, Workspace
from blazz.kit.errors import BlazzError, conflict
from blazz.kit.phones import parse_phone
from blazz.kit.settings import Settings
from blazz.workspaces import service as workspaces

_NOT_RUNNING = "session_not_running"


async def connect(
    database: Database,
    commands: SessionCommands,
    scope: Workspace,
    account_id: uuid.UUID,
    *,
    settings: Settings,
    max_qr_starts: int | None,
) -> RowMapping:
    """Start the session where there is room; returns the account.

    Raises BlazzError `not_found`, `too_many_qr_starts` (429), `no_capacity`, `n_minus_one` (409), `no_instance` (503)
    or what the command raises; the wish is stored before the command, so an instance that comes back fulfils it.
    """
    await _wish(database, scope, account_id, settings, max_qr_starts)
    await commands.connect(account_id)
    return await database.read(scope, service.get, account_id)


async def disconnect(
    database: Database, commands: SessionCommands, scope: Workspace, account_id: uuid.UUID
) -> RowMapping:
    """End the session and keep its pairing; returns the account. One that does not run is no error."""
    await database.write(scope, service.want_disconnected, account_id)
    try:
        await commands.disconnect(account_id)
    except BlazzError as error:
        if error.code != _NOT_RUNNING:
            raise
    return await database.read(scope, service.get, account_id)


async def log_out(database: Database, commands: SessionCommands, scope: Workspace, account_id: uuid.UUID) -> RowMapping:
    """Remove the pairing, at WhatsApp too where it can be reached; returns the account."""
    await database.read(scope, service.get, account_id)
    detail = "Logged out here."
    try:
        await commands.log_out(account_id)
    except BlazzError as error:
        if error.code != _NOT_RUNNING:
            raise
        detail = "Logged out here. It was not connected, so remove the device on the phone too."
    await database.write(scope, service.logged_out, account_id, detail)
    return await database.read(scope, service.get, account_id)


async def delete(database: Database, commands: SessionCommands, scope: Workspace, account_id: uuid.UUID) -> None:
    """Remove an account; its session is ended and its pairing removed as far as can be."""
    row = await database.read(scope, service.get, account_id)
    try:
        if row["jid"] is not None:
            await commands.log_out(account_id)
        else:
            await commands.disconnect(account_id)
    except BlazzError:
        pass  # deleting must work without an instance; the number's owner can remove the device on the phone
    await database.write(scope, service.delete, account_id)


async def pairing_code(
    database: Database,
    commands: SessionCommands,
    scope: Workspace,
    account_id: uuid.UUID,
    phone: str,
    *,
    settings: Settings,
    max_qr_starts: int | None,
) -> PairingCode:
    """Return a code for `phone` (as typed). Raises like `connect`, `already_linked` (409) and `invalid_phone` (422)."""
    row = await database.read(scope, service.get, account_id)
    if row["jid"] is not None:
        raise conflict("already_linked", "This number is linked already. Log it out first.")
    normal = parse_phone(phone, await database.read(scope, workspaces.default_country, scope.id))
    await _wish(database, scope, account_id, settings, max_qr_starts)
    return await commands.pairing_code(account_id, normal)


async def shown_qr(database: Database, commands: SessionCommands, scope: Workspace, account_id: uuid.UUID) -> QrView:
    """Return the code shown now. Raises BlazzError `not_found`, or `no_qr` (404) when none is shown."""
    await database.read(scope, service.get, account_id)
    shown = await commands.qr(account_id)
    if shown is None:
        raise BlazzError("no_qr", "No code is shown for this number now. Connect it to get one.", 404)
    return shown


async def _wish(
    database: Database, scope: Workspace, account_id: uuid.UUID, settings: Settings, max_qr_starts: int | None
) -> None:
    # an unknown account, and linking tried too often, are told before a lack of room
    await database.read(scope, service.check_qr_starts, account_id, max_qr_starts)
    await cluster.place(database, settings, scope.id, account_id)
    await database.write(scope, service.connecting, account_id, max_qr_starts=max_qr_starts)
