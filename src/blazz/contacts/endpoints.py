"""Endpoints of contacts."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from blazz.cluster.commands import SessionCommands
from blazz.contacts import profiles, service
from blazz.contacts.schemas import Contact, ContactCreate, ContactPatch, HistoryEntry
from blazz.identity.caller import Caller
from blazz.identity.dependencies import get_caller_of_element, needs
from blazz.kit.db import Database, Tx
from blazz.kit.errors import not_found
from blazz.kit.http import (
    CommandsDep,
    CursorParam,
    DatabaseDep,
    LimitParam,
    MediaStoreDep,
    Page,
    decode_cursor,
    encode_cursor,
    problems,
)
from blazz.media import service as media
from blazz.media.serving import serve

router = APIRouter(tags=["contacts"])
ReaderDep = Annotated[Caller, Depends(needs("contacts:read"))]
WriterDep = Annotated[Caller, Depends(needs("contacts:write"))]
SearchParam = Annotated[
    str | None, Query(max_length=128, description="Part of a name or number, in upper or lower case.")
]
NumberParam = Annotated[
    uuid.UUID | None, Query(alias="account_id", description="On which of your numbers; the primary one by default.")
]
_BYTES = {"schema": {"type": "string", "format": "binary"}}


async def get_element_reader(caller: Annotated[Caller, Depends(get_caller_of_element)]) -> Caller:
    """Return the caller, who may read contacts."""
    caller.require("contacts:read")
    return caller


@router.get("/contacts", summary="Contacts, newest first", responses=problems(401, 403, 422))
async def list_contacts(
    caller: ReaderDep,
    database: DatabaseDep,
    search: SearchParam = None,
    cursor: CursorParam = None,
    limit: LimitParam = 50,
) -> Page[Contact]:
    before = decode_cursor(cursor, dt.datetime, uuid.UUID) if cursor else None
    found = await database.read(caller.scope, service.page, search, before, limit + 1)
    last = found[limit - 1] if len(found) > limit else None
    return Page(
        data=[Contact.model_validate(item) for item in found[:limit]],
        next_cursor=encode_cursor(last.created_at, last.id) if last else None,
    )


@router.post("/contacts", status_code=201, summary="Add a contact", responses=problems(401, 403, 409, 422))
async def create_contact(body: ContactCreate, caller: WriterDep, database: DatabaseDep) -> Contact:
    """409 `contact_exists` names the contact that has this number already."""
    return Contact.model_validate(await database.write(caller.scope, service.create, body.phone, body.name))


@router.get("/contacts/{contact_id}", summary="One contact", responses=problems(401, 403, 404, 422))
async def get_contact(contact_id: uuid.UUID, caller: ReaderDep, database: DatabaseDep) -> Contact:
    return Contact.model_validate(await database.read(caller.scope, service.get, contact_id))


@router.patch(
    "/contacts/{contact_id}",
    summary="Change what the team knows of a contact",
    responses=problems(401, 403, 404, 409, 422),
)
async def patch_contact(contact_id: uuid.UUID, body: ContactPatch, caller: WriterDep, database: DatabaseDep) -> Contact:
    """409 `contact_exists` when somebody else has that username or id."""
    wanted = body.model_dump(include=body.model_fields_set)
    if not wanted:
        return Contact.model_validate(await database.read(caller.scope, service.get, contact_id))
    changed = await database.write(caller.scope, service.change, contact_id, wanted, caller.user_id)
    return Contact.model_validate(changed)


@router.delete(
    "/contacts/{contact_id}",
    status_code=204,
    summary="Remove a contact with its chats",
    responses=problems(401, 403, 404, 422),
)
async def delete_contact(contact_id: uuid.UUID, caller: WriterDep, database: DatabaseDep) -> None:
    await database.write(caller.scope, service.delete, contact_id)


@router.get(
    "/contacts/{contact_id}/history",
    summary="What was learned about who a contact is, newest first",
    responses=problems(401, 403, 404, 422),
)
async def list_contact_history(
    contact_id: uuid.UUID,
    caller: ReaderDep,
    database: DatabaseDep,
    cursor: CursorParam = None,
    limit: LimitParam = 50,
) -> Page[HistoryEntry]:
    """Merges, addresses learned or changed, security codes, blocks: what, when and why."""
    before = decode_cursor(cursor, dt.datetime, uuid.UUID) if cursor else None
    found = await database.read(caller.scope, service.history_page, contact_id, before, limit + 1)
    last = found[limit - 1] if len(found) > limit else None
    return Page(
        data=[HistoryEntry.model_validate(item) for item in found[:limit]],
        next_cursor=encode_cursor(last.created_at, last.id) if last else None,
    )


@router.get(
    "/contacts/{contact_id}/picture",
    summary="The profile picture",
    response_class=Response,
    responses={
        200: {"content": {"image/*": _BYTES}},
        304: {"description": "Unchanged"},
        **problems(401, 403, 404, 422),
    },
)
async def get_contact_picture(
    contact_id: uuid.UUID,
    request: Request,
    caller: Annotated[Caller, Depends(get_element_reader)],
    database: DatabaseDep,
    store: MediaStoreDep,
) -> Response:
    """404 when the person has none, or does not show it."""
    contact = await database.read(caller.scope, service.get, contact_id)
    if contact.picture_id is None:
        raise not_found("picture")
    row = await database.read(caller.scope, media.get, contact.picture_id)
    return await serve(
        request,
        store,
        row["path"],
        size=row["size"],
        etag=row["sha256"],
        mime_type=row["mime_type"],
        filename=None,
    )


@router.post(
    "/contacts/{contact_id}/refresh",
    summary="Ask WhatsApp about a contact",
    responses=problems(401, 403, 404, 409, 422, 503),
)
async def refresh_contact(
    contact_id: uuid.UUID, caller: WriterDep, database: DatabaseDep, commands: CommandsDep, number: NumberParam = None
) -> Contact:
    """Looks up about text, picture, names and business profile, as far as the person shows them to the number."""
    account_id = await database.read(caller.scope, profiles.number_for, contact_id, number)
    await commands.refresh_contact(account_id, contact_id)
    return Contact.model_validate(await database.read(caller.scope, service.get, contact_id))


@router.post(
    "/contacts/{contact_id}/block", summary="Block a contact", responses=problems(401, 403, 404, 409, 422, 503)
)
async def block_contact(
    contact_id: uuid.UUID, caller: WriterDep, database: DatabaseDep, commands: CommandsDep, number: NumberParam = None
) -> Contact:
    """The person cannot write to or call the number any more. It is done on WhatsApp, or not at all."""
    return await _set_blocked(contact_id, caller, database, commands, number, blocked=True)


@router.post(
    "/contacts/{contact_id}/unblock", summary="Unblock a contact", responses=problems(401, 403, 404, 409, 422, 503)
)
async def unblock_contact(
    contact_id: uuid.UUID, caller: WriterDep, database: DatabaseDep, commands: CommandsDep, number: NumberParam = None
) -> Contact:
    return await _set_blocked(contact_id, caller, database, commands, number, blocked=False)


async def _set_blocked(
    contact_id: uuid.UUID,
    caller: Caller,
    database: Database,
    commands: SessionCommands,
    number: uuid.UUID | None,
    *,
    blocked: bool,
) -> Contact:
    account_id = await database.read(caller.scope, profiles.number_for, contact_id, number)
    subject = await database.read(caller.scope, profiles.subject, contact_id)
    await commands.set_blocked(account_id, subject.address, blocked=blocked)

    def store(tx: Tx) -> service.Contact:
        changed = ([contact_id], []) if blocked else ([], [contact_id])
        profiles.change_blocks(tx, account_id, *changed, user_id=caller.user_id)
        return service.get(tx, contact_id)

    return Contact.model_validate(await database.write(caller.scope, store))
