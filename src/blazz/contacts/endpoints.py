"""Endpoints of contacts."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from blazz.contacts import service
from blazz.contacts.schemas import Contact, ContactCreate, ContactPatch
from blazz.identity.caller import Caller
from blazz.identity.dependencies import needs
from blazz.kit.http import CursorParam, DatabaseDep, LimitParam, Page, decode_cursor, encode_cursor, problems

router = APIRouter(tags=["contacts"])
ReaderDep = Annotated[Caller, Depends(needs("contacts:read"))]
WriterDep = Annotated[Caller, Depends(needs("contacts:write"))]
SearchParam = Annotated[
    str | None, Query(max_length=128, description="Part of a name or number, in upper or lower case.")
]


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


@router.patch("/contacts/{contact_id}", summary="Rename a contact", responses=problems(401, 403, 404, 422))
async def patch_contact(contact_id: uuid.UUID, body: ContactPatch, caller: WriterDep, database: DatabaseDep) -> Contact:
    if "name" not in body.model_fields_set:
        return Contact.model_validate(await database.read(caller.scope, service.get, contact_id))
    return Contact.model_validate(await database.write(caller.scope, service.rename, contact_id, body.name))


@router.delete(
    "/contacts/{contact_id}",
    status_code=204,
    summary="Remove a contact with its chats",
    responses=problems(401, 403, 404, 422),
)
async def delete_contact(contact_id: uuid.UUID, caller: WriterDep, database: DatabaseDep) -> None:
    await database.write(caller.scope, service.delete, contact_id)
