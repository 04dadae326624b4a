"""Middleware that bounds the size of request bodies, declared or streamed."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

JSON_MAX_BYTES = 1024 * 1024
_MULTIPART_ALLOWANCE = 64 * 1024  # boundaries and part headers around a file


class BodyTooLarge(HTTPException):
    """413. An HTTPException, so that body parsers let it pass."""

    def __init__(self) -> None:
        super().__init__(413)


class BodyLimit:
    """Refuses bodies above 1 MiB, or above `upload_max_bytes` for multipart uploads to `upload_paths`."""

    def __init__(self, app: ASGIApp, *, upload_max_bytes: int, upload_paths: frozenset[str]) -> None:
        self._app = app
        self._upload_max = upload_max_bytes + _MULTIPART_ALLOWANCE
        self._upload_paths = upload_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._upload_max if scope["path"] in self._upload_paths else JSON_MAX_BYTES
        declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        too_large = declared.isdigit() and int(declared[:20]) > limit
        seen = 0

        async def bounded() -> Message:
            nonlocal seen
            if too_large:
                raise BodyTooLarge
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > limit:
                raise BodyTooLarge
            return message

        await self._app(scope, bounded, send)
