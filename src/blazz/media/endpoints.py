"""Endpoints of media: upload, facts, content, thumbnail."""

from __future__ import annotations

import uuid
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from blazz.identity.caller import Caller
from blazz.identity.dependencies import get_caller_of_element, needs
from blazz.kit.errors import BlazzError, conflict, not_found
from blazz.kit.http import DatabaseDep, MediaStoreDep, SettingsDep, problems
from blazz.media import service
from blazz.media.multipart import IncomingFile
from blazz.media.schemas import Media
from blazz.media.serving import serve
from blazz.media.store import thumbnail_key

router = APIRouter(tags=["media"])
WriterDep = Annotated[Caller, Depends(needs("media:write"))]
_UPLOAD = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            }
        },
    }
}
_BYTES = {"schema": {"type": "string", "format": "binary"}}


async def get_reader(caller: Annotated[Caller, Depends(get_caller_of_element)]) -> Caller:
    """Return the caller, who may read media."""
    caller.require("media:read")
    return caller


ReaderDep = Annotated[Caller, Depends(get_reader)]


@router.post(
    "/media",
    status_code=201,
    summary="Upload a file",
    responses=problems(400, 401, 403, 413, 415, 422, 503),
    openapi_extra=_UPLOAD,
)
async def upload_media(
    request: Request, caller: WriterDep, database: DatabaseDep, store: MediaStoreDep, settings: SettingsDep
) -> Media:
    """Multipart, one part `file`. The type is decided by the content; equal files of equal name are stored once."""
    incoming = await IncomingFile.open(request)
    row = await service.upload(
        database, store, settings, caller.scope, incoming.content(), incoming.filename, incoming.content_type
    )
    return Media.model_validate(dict(row))


@router.get("/media/{media_id}", summary="Facts of a file", responses=problems(401, 403, 404, 422))
async def get_media(media_id: uuid.UUID, caller: ReaderDep, database: DatabaseDep) -> Media:
    return Media.model_validate(dict(await database.read(caller.scope, service.get, media_id)))


@router.get(
    "/media/{media_id}/content",
    summary="The file itself, or a range of it",
    response_class=Response,
    responses={
        200: {"content": {"*/*": _BYTES}},
        206: {"description": "The range asked for", "content": {"*/*": _BYTES}},
        304: {"description": "Unchanged"},
        **problems(401, 403, 404, 409, 410, 416, 422),
    },
)
async def get_media_content(
    media_id: uuid.UUID, request: Request, caller: ReaderDep, database: DatabaseDep, store: MediaStoreDep
) -> Response:
    """409 `media_pending` while it is being fetched, 410 `media_failed` when it never came."""
    row = await database.read(caller.scope, service.get, media_id)
    if row["status"] == "pending":
        raise conflict("media_pending", "The file is still being fetched from WhatsApp.")
    if row["status"] != "completed":
        raise BlazzError("media_failed", row["failure"] or "The file could not be fetched.", 410)
    return await serve(
        request,
        store,
        row["path"],
        size=row["size"],
        etag=row["sha256"],
        mime_type=row["mime_type"],
        filename=row["filename"],
    )


@router.get(
    "/media/{media_id}/thumbnail",
    summary="A small picture of the file (WebP, 150 pixels at most)",
    response_class=Response,
    responses={
        200: {"content": {"image/webp": _BYTES}},
        304: {"description": "Unchanged"},
        **problems(401, 403, 404, 410, 422),
    },
)
async def get_media_thumbnail(
    media_id: uuid.UUID, request: Request, caller: ReaderDep, database: DatabaseDep, store: MediaStoreDep
) -> Response:
    """404 when the file has none: it is no picture, or is not here."""
    row = await database.read(caller.scope, service.get, media_id)
    if row["status"] != "completed" or row["thumbnail"] is None:
        raise not_found("thumbnail")
    key = thumbnail_key(row["path"])
    size = await store.size(key)
    if size is None:
        raise not_found("thumbnail")
    return await serve(
        request, store, key, size=size, etag=row["sha256"] + "-150", mime_type="image/webp", filename=None
    )
