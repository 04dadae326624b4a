"""The web application's files: index.html for every page of it, assets kept by browsers for ever."""

from __future__ import annotations

import mimetypes
import re
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.types import Receive, Scope, Send

_HERE = Path(__file__).parent
_HASHED = re.compile(r"-[A-Za-z0-9_-]{8,}\.\w+$")  # Vite puts a hash of the content into the names of assets
_NOT_BUILT = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Blazz</title>
<body style="font-family: system-ui; margin: 4rem auto; max-width: 40rem; line-height: 1.5">
<h1>Blazz is running</h1><p>The web application is not built. Run <code>make setup</code> and load this page again.
The API is described at <a href="/api/docs">/api/docs</a>.</p>
"""


def find_site() -> Path | None:
    """Return the directory of the built web application: packaged first, then the source tree's."""
    for directory in (_HERE / "static", _HERE.parents[2] / "web" / "dist"):
        if (directory / "index.html").is_file():
            return directory
    return None


class Site:
    """An ASGI application for every address that no route knows."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory.resolve() if directory is not None else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _is_api(scope["path"]) or scope["method"] not in ("GET", "HEAD"):
            raise HTTPException(404)
        await self._answer(scope["path"])(scope, receive, send)

    def _answer(self, path: str) -> Response:
        if self._directory is None:
            return HTMLResponse(_NOT_BUILT, headers={"Cache-Control": "no-store"})
        file = self._file(path)
        if file is None:
            if Path(path).suffix:
                raise HTTPException(404)  # a missing asset must not look like a page
            file = self._directory / "index.html"
        kept = path.startswith("/assets/") and _HASHED.search(file.name)
        cache = "public, max-age=31536000, immutable" if kept else "no-cache"
        if file.name == "index.html":
            cache = "no-store"
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        return FileResponse(file, media_type=kind, headers={"Cache-Control": cache})

    def _file(self, path: str) -> Path | None:
        assert self._directory is not None
        try:
            file = (self._directory / path.lstrip("/")).resolve()
            return file if file.is_relative_to(self._directory) and file.is_file() else None
        except (OSError, ValueError):
            return None


def _is_api(path: str) -> bool:
    return path == "/api" or path.startswith("/api/")
