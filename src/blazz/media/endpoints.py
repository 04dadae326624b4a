"""Endpoints of media: upload, facts, content, thumbnail, short-lived addresses."""

from __future__ import annotations

import uuid
from typing import Annotated, cast

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from blazz.identity.caller import Caller
from blazz.identity.dependencies import get_caller_of_element, needs
from blazz.kit.db import Database, Workspace
from blazz.kit.errors import BlazzError, conflict, not_found
from blazz.kit.http import DatabaseDep, MediaStoreDep, SecretBoxDep, SettingsDep, problems
from blazz.kit.time import utc_now
from blazz.media import links, service
from blazz.media.multipart import IncomingFile
from blazz.media.schemas import Media, MediaUrl
from blazz.media.service import Task
from blazz.media.serving import serve
from blazz.media.store import MediaStore, thumbnail_key

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
FormParam = Annotated[Task | None, Query(description="What was made of it for this way of sending, if that is there.")]
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
    media_id: uuid.UUID,
    request: Request,
    caller: ReaderDep,
    database: DatabaseDep,
    store: MediaStoreDep,
    form: FormParam = None,
) -> Response:
    """409 `media_pending` while it is being fetched, 410 `media_failed` when it never came."""
    return await _content(request, database, store, caller.scope, media_id, form)


async def _content(
    request: Request, database: Database, store: MediaStore, scope: Workspace, media_id: uuid.UUID, form: Task | None
) -> Response:
    row = await database.read(scope, service.get, media_id)
    if row["status"] in ("pending", "remote"):
        raise conflict("media_pending", "The file is still being fetched.")
    if row["status"] != "completed":
        raise BlazzError("media_failed", row["failure"] or "The file could not be fetched.", 410)
    made = await database.read(scope, service.made_of, media_id, form) if form is not None else None
    found, etag = (row, row["sha256"]) if made is None else (made, f"{row['sha256']}-{form}")
    return await serve(
        request,
        store,
        found["path"],
        size=found["size"],
        etag=etag,
        mime_type=found["mime_type"],
        filename=row["filename"],
    )


@router.post(
    "/media/{media_id}/fetch",
    status_code=202,
    summary="Have a file fetched that is on WhatsApp's media host only",
    responses=problems(401, 403, 404, 422),
)
async def fetch_media(media_id: uuid.UUID, caller: WriterDep, database: DatabaseDep) -> Media:
    """For files of imported history (`remote`). `media.updated` tells when it is here; otherwise nothing happens."""
    await database.write(caller.scope, service.want, media_id)
    return Media.model_validate(dict(await database.read(caller.scope, service.get, media_id)))


@router.get("/media/{media_id}/url", summary="A short-lived address of a file", responses=problems(401, 403, 404, 422))
async def get_media_url(
    media_id: uuid.UUID,
    request: Request,
    caller: ReaderDep,
    database: DatabaseDep,
    settings: SettingsDep,
    box: SecretBoxDep,
    form: FormParam = None,
) -> MediaUrl:
    """Whoever has the address may read the file for ten minutes without signing in; for players and other programs."""
    await database.read(caller.scope, service.get, media_id)
    end = (utc_now() + links.LIFETIME).replace(microsecond=0)
    token = links.sign(box, links.Grant(caller.scope.id, media_id, form or ""), end)
    base = settings.public_url or str(request.base_url)
    return MediaUrl(url=f"{base.rstrip('/')}/api/v1/files/{token}", expires_at=end)


@router.get(
    "/files/{token}",
    summary="A file by its short-lived address, or a range of it",
    response_class=Response,
    responses={
        200: {"content": {"*/*": _BYTES}},
        206: {"description": "The range asked for", "content": {"*/*": _BYTES}},
        304: {"description": "Unchanged"},
        **problems(404, 409, 410, 416, 422),
    },
)
async def get_file(
    token: Annotated[str, Path(min_length=1, max_length=512)],
    request: Request,
    database: DatabaseDep,
    store: MediaStoreDep,
    box: SecretBoxDep,
) -> Response:
    """410 `link_expired` after its end."""
    grant = links.verify(box, token, utc_now())
    return await _content(
        request, database, store, Workspace(grant.workspace_id), grant.media_id, cast(Task | None, grant.task or None)
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
