"""Answering with a file's content: one range, validators, and headers under which nothing in it can act."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from urllib.parse import quote

from fastapi import Response
from fastapi.responses import StreamingResponse
from starlette.requests import Request

from blazz.kit.errors import BlazzError
from blazz.media.store import MediaStore

# Shown in place; everything else is downloaded.
INLINE = frozenset(
    {
        "image/jpeg",
        "image/png",
        "image/gif",
        "image/webp",
        "video/mp4",
        "video/webm",
        "video/3gpp",
        "video/quicktime",
        "audio/mpeg",
        "audio/mp4",
        "audio/ogg",
        "audio/aac",
        "audio/amr",
        "audio/wav",
        "audio/webm",
        "audio/flac",
    }
)
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_SAFETY = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    # content never changes under its id; kept by the browser of this person only
    "Cache-Control": "private, max-age=3600",
    "Vary": "Authorization, Cookie",
}


async def serve(
    request: Request, store: MediaStore, key: str, *, size: int, etag: str, mime_type: str, filename: str | None
) -> Response:
    """Return the object under `key` (`size` bytes), or the range asked for, or 304.

    Raises BlazzError `range_not_satisfiable` (416), or `media_failed` (410) when the store has lost the file.
    """
    headers = {
        **_SAFETY,
        "ETag": f'"{etag}"',
        "Accept-Ranges": "bytes",
        "Content-Disposition": disposition(mime_type, filename),
    }
    if _matches(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    if await store.size(key) != size:
        raise BlazzError("media_failed", "The stored file is missing or damaged.", 410)
    wanted = _wanted(request, size, headers["ETag"])
    start, end = wanted or (0, size)
    headers["Content-Length"] = str(end - start)
    if wanted is not None:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    body: AsyncIterator[bytes] = store.get(key, start, end)
    return StreamingResponse(body, 206 if wanted else 200, headers, mime_type)


def disposition(mime_type: str, filename: str | None) -> str:
    """Return Content-Disposition: shown in place for listed types only; the name in both forms of RFC 6266."""
    kind = "inline" if mime_type.partition(";")[0] in INLINE else "attachment"
    if not filename:
        return kind
    plain = re.sub(r'[^\x20-\x7e]|["\\%]', "_", filename)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


def _matches(given: str | None, etag: str) -> bool:
    if given is None:
        return False
    return given.strip() == "*" or etag in (item.strip().removeprefix("W/") for item in given.split(","))


def _wanted(request: Request, size: int, etag: str) -> tuple[int, int] | None:
    """Return the range as start and exclusive end; None for the whole: no range, several, or of another version."""
    given = request.headers.get("range")
    condition = request.headers.get("if-range")
    if given is None or (condition is not None and condition.strip() != etag):
        return None
    found = _RANGE.fullmatch(given.strip())
    if found is None or found.group(0) == "bytes=-":
        return None
    first, last = found.groups()
    if not first:
        length = min(int(last), size)
        start, end = size - length, size
    else:
        start, end = int(first), min(int(last) + 1 if last else size, size)
        if last and int(last) < start:
            return None
    if start >= end:
        raise BlazzError(
            "range_not_satisfiable",
            f"The file has {size} bytes.",
            416,
            headers={"Content-Range": f"bytes */{size}"},
        )
    return start, end
