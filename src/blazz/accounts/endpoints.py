"""Endpoints of accounts: the numbers of a workspace, linking them, ending their sessions."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from sqlalchemy import RowMapping

from blazz.accounts import linking, service
from blazz.accounts.schemas import Account, AccountCreate, AccountPatch, PairingCodeAnswer, PairingCodeRequest, Qr
from blazz.accounts.views import account_view, qr_png, qr_text, qr_view
from blazz.cluster.reading import SessionPlace, places
from blazz.identity.caller import Caller
from blazz.identity.dependencies import needs
from blazz.kit.db import Database, Tx
from blazz.kit.http import (
    CommandsDep,
    CursorParam,
    DatabaseDep,
    LimitParam,
    NetworkDep,
    NetworkInfo,
    Page,
    SettingsDep,
    decode_cursor,
    encode_cursor,
    problems,
)
from blazz.kit.settings import Settings
from blazz.kit.time import utc_now

router = APIRouter(tags=["accounts"])
ReaderDep = Annotated[Caller, Depends(needs("accounts:read"))]
WriterDep = Annotated[Caller, Depends(needs("accounts:write"))]
_NO_STORE = {"Cache-Control": "no-store"}


@router.get("/accounts", summary="Numbers of the workspace", responses=problems(401, 403, 422))
async def list_accounts(
    caller: ReaderDep, database: DatabaseDep, cursor: CursorParam = None, limit: LimitParam = 50
) -> Page[Account]:
    after = decode_cursor(cursor, dt.datetime, uuid.UUID) if cursor else None

    def work(tx: Tx) -> tuple[Sequence[RowMapping], dict[uuid.UUID, SessionPlace]]:
        found = service.page(tx, after, limit + 1)
        return found, places(tx, [row["id"] for row in found])

    rows, where = await database.read(caller.scope, work)
    now = utc_now()
    return Page(
        data=[account_view(row, where.get(row["id"]), now) for row in rows[:limit]],
        next_cursor=encode_cursor(rows[limit - 1]["created_at"], rows[limit - 1]["id"]) if len(rows) > limit else None,
    )


@router.post("/accounts", status_code=201, summary="Add a number", responses=problems(401, 403, 422))
async def create_account(body: AccountCreate, caller: WriterDep, database: DatabaseDep) -> Account:
    """The number is linked afterwards: connect it and scan the QR code, or ask for a pairing code."""
    return account_view(await database.write(caller.scope, service.create, body.name), None, utc_now())


@router.get("/accounts/{account_id}", summary="One number", responses=problems(401, 403, 404, 422))
async def get_account(account_id: uuid.UUID, caller: ReaderDep, database: DatabaseDep) -> Account:
    def work(tx: Tx) -> Account:
        found = service.get(tx, account_id)
        return account_view(found, places(tx, [account_id]).get(account_id), utc_now(), statistics=True)

    return await database.read(caller.scope, work)


@router.patch(
    "/accounts/{account_id}", summary="Rename a number or make it primary", responses=problems(401, 403, 404, 409, 422)
)
async def patch_account(account_id: uuid.UUID, body: AccountPatch, caller: WriterDep, database: DatabaseDep) -> Account:
    changed = await database.write(caller.scope, service.rename, account_id, name=body.name, primary=body.is_primary)
    return await _shown(database, caller, changed)


@router.delete(
    "/accounts/{account_id}", status_code=204, summary="Remove a number", responses=problems(401, 403, 404, 422)
)
async def delete_account(
    account_id: uuid.UUID, caller: WriterDep, database: DatabaseDep, commands: CommandsDep
) -> None:
    """Ends its session and its pairing. Its conversations stay stored."""
    await linking.delete(database, commands, caller.scope, account_id)


@router.post(
    "/accounts/{account_id}/connect",
    status_code=202,
    summary="Start a number's session",
    responses=problems(401, 403, 404, 409, 422, 429, 503),
)
async def connect_account(
    account_id: uuid.UUID,
    caller: WriterDep,
    database: DatabaseDep,
    commands: CommandsDep,
    settings: SettingsDep,
    network: NetworkDep,
) -> Account:
    """A number that is not linked begins to show QR codes, six in all."""
    row = await linking.connect(
        database,
        commands,
        caller.scope,
        account_id,
        settings=settings,
        max_qr_starts=_max_qr_starts(settings, network),
    )
    return await _shown(database, caller, row)


@router.post(
    "/accounts/{account_id}/disconnect",
    status_code=202,
    summary="End a number's session, keep its pairing",
    responses=problems(401, 403, 404, 422, 503),
)
async def disconnect_account(
    account_id: uuid.UUID, caller: WriterDep, database: DatabaseDep, commands: CommandsDep
) -> Account:
    return await _shown(database, caller, await linking.disconnect(database, commands, caller.scope, account_id))


@router.post(
    "/accounts/{account_id}/logout",
    status_code=202,
    summary="Remove a number's pairing",
    responses=problems(401, 403, 404, 409, 422, 503),
)
async def logout_account(
    account_id: uuid.UUID, caller: WriterDep, database: DatabaseDep, commands: CommandsDep
) -> Account:
    """The history stays; the number can be linked again."""
    return await _shown(database, caller, await linking.log_out(database, commands, caller.scope, account_id))


@router.post(
    "/accounts/{account_id}/pairing-code",
    summary="Link by a code typed on the phone",
    responses=problems(401, 403, 404, 409, 422, 429, 503),
)
async def create_pairing_code(
    account_id: uuid.UUID,
    body: PairingCodeRequest,
    caller: WriterDep,
    database: DatabaseDep,
    commands: CommandsDep,
    settings: SettingsDep,
    network: NetworkDep,
    response: Response,
) -> PairingCodeAnswer:
    code = await linking.pairing_code(
        database,
        commands,
        caller.scope,
        account_id,
        body.phone,
        settings=settings,
        max_qr_starts=_max_qr_starts(settings, network),
    )
    response.headers.update(_NO_STORE)
    return PairingCodeAnswer(code=code.code, expires_at=code.expires_at)


@router.get("/accounts/{account_id}/qr", summary="The QR code shown now", responses=problems(401, 403, 404, 422))
async def get_qr(
    account_id: uuid.UUID, caller: WriterDep, database: DatabaseDep, commands: CommandsDep, response: Response
) -> Qr:
    """404 `no_qr` when none is shown at this moment. Follow the event `session.qr` for the next one."""
    shown = await linking.shown_qr(database, commands, caller.scope, account_id)
    response.headers.update(_NO_STORE)
    return qr_view(shown)


@router.get(
    "/accounts/{account_id}/qr.png",
    summary="The QR code shown now, as a picture",
    response_class=Response,
    responses={200: {"content": {"image/png": {}}}, **problems(401, 403, 404, 422)},
)
async def get_qr_png(
    account_id: uuid.UUID, caller: WriterDep, database: DatabaseDep, commands: CommandsDep
) -> Response:
    shown = await linking.shown_qr(database, commands, caller.scope, account_id)
    return Response(qr_png(shown), headers=_NO_STORE, media_type="image/png")


@router.get(
    "/accounts/{account_id}/qr.txt",
    summary="The QR code shown now, for a terminal",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}}, **problems(401, 403, 404, 422)},
)
async def get_qr_text(
    account_id: uuid.UUID, caller: WriterDep, database: DatabaseDep, commands: CommandsDep
) -> Response:
    shown = await linking.shown_qr(database, commands, caller.scope, account_id)
    return Response(qr_text(shown), headers=_NO_STORE, media_type="text/plain")


async def _shown(database: Database, caller: Caller, row: RowMapping) -> Account:
    """An account that was just changed, with where its session is now."""
    where = await database.read(caller.scope, places, [row["id"]])
    return account_view(row, where.get(row["id"]), utc_now())


def _max_qr_starts(settings: Settings, network: NetworkInfo) -> int | None:
    return None if network.simulated else settings.max_qr_starts_per_hour
