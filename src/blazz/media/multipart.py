"""Reading one file out of a multipart request while it arrives, without keeping it in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from blazz.kit.errors import BlazzError, FieldError, invalid

_FIELD = "file"
_MAX_HEADERS = 8
_MAX_PREAMBLE = 64 * 1024  # bytes of other fields and boundaries before the file begins


@dataclass(slots=True)
class _Parts:
    """What the parser has told so far."""

    header: bytes = b""
    value: bytes = b""
    headers: dict[bytes, bytes] = field(default_factory=dict)
    in_file: bool = False
    seen: bool = False
    finished: bool = False
    filename: str | None = None
    content_type: str | None = None
    chunks: list[bytes] = field(default_factory=list)

    def part_begin(self) -> None:
        self.headers.clear()

    def header_field(self, data: bytes, start: int, end: int) -> None:
        self.header += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self.value += data[start:end]

    def header_end(self) -> None:
        self.headers[self.header.lower()] = self.value
        self.header = self.value = b""

    def headers_finished(self) -> None:
        _, options = parse_options_header(self.headers.get(b"content-disposition"))
        if options.get(b"name") != _FIELD.encode() or b"filename" not in options:
            return
        if self.seen:
            raise invalid("Send one file at a time.", code="one_file_only")
        self.in_file = self.seen = True
        self.filename = _file_name(options[b"filename"])
        self.content_type = self.headers.get(b"content-type", b"").decode("latin-1") or None

    def part_data(self, data: bytes, start: int, end: int) -> None:
        if self.in_file:
            self.chunks.append(data[start:end])

    def part_end(self) -> None:
        self.in_file = False

    def end(self) -> None:
        self.finished = True


class IncomingFile:
    """The part `file` of a multipart request. `open` reads up to its headers; then iterate over `content`, once."""

    def __init__(self, request: Request) -> None:
        media_type, options = parse_options_header(request.headers.get("content-type"))
        boundary = options.get(b"boundary", b"")
        if media_type != b"multipart/form-data" or not 1 <= len(boundary) <= 200:
            raise BlazzError("unsupported_media_type", "Send the file as multipart/form-data.", 415)
        self._stream = request.stream()
        self._parts = _Parts()
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._parts.part_begin,
                "on_header_field": self._parts.header_field,
                "on_header_value": self._parts.header_value,
                "on_header_end": self._parts.header_end,
                "on_headers_finished": self._parts.headers_finished,
                "on_part_data": self._parts.part_data,
                "on_part_end": self._parts.part_end,
                "on_end": self._parts.end,
            },
            max_header_count=_MAX_HEADERS,
        )

    @classmethod
    async def open(cls, request: Request) -> IncomingFile:
        """Read until the file begins. Raises BlazzError 413, 415, 422, or 400 when the body is no valid multipart."""
        made = cls(request)
        read = 0
        while True:
            data = await made._feed()
            if made._parts.seen:
                return made
            if data is None:
                raise _no_file()
            read += data
            if read > _MAX_PREAMBLE:
                raise _no_file()

    @property
    def filename(self) -> str | None:
        """The file's name without any path."""
        return self._parts.filename

    @property
    def content_type(self) -> str | None:
        """What the sender says the file is."""
        return self._parts.content_type

    async def content(self) -> AsyncIterator[bytes]:
        """Yield the file's bytes. Raises BlazzError when the body is cut off, malformed or too large."""
        while True:
            while self._parts.chunks:
                chunks = self._parts.chunks[:]
                self._parts.chunks.clear()
                yield b"".join(chunks)
            if await self._feed() is None:
                break
        if not self._parts.finished:
            raise _malformed()

    async def _feed(self) -> int | None:
        try:
            data = await anext(self._stream)
            self._parser.write(data)
            return len(data)
        except StopAsyncIteration:
            return None
        except MultipartParseError:
            raise _malformed() from None
        except ClientDisconnect:
            raise BlazzError("client_gone", "The connection ended before the file was complete.", 400) from None
        except HTTPException as error:
            if error.status_code != 413:
                raise
            raise BlazzError("media_too_large", "The file is larger than may be uploaded here.", 413) from None


def _file_name(raw: bytes) -> str | None:
    text = raw.decode("utf-8", "replace").replace("\\", "/").rpartition("/")[2]
    shown = "".join(character for character in text if character.isprintable()).strip()
    return shown[:255] or None


def _malformed() -> BlazzError:
    return BlazzError("malformed_multipart", "The body is not complete multipart/form-data.", 400)


def _no_file() -> BlazzError:
    text = "Send the file as the part `file`, with a file name."
    return invalid(text, code="file_missing", errors=[FieldError(_FIELD, text, "missing")])
