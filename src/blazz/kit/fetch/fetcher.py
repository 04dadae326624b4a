"""GET of a URL that a stranger gave: guarded at every redirect, bounded in size and time, never decompressed."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from email.message import Message
from functools import cache
from urllib.parse import unquote

import httpcore
import httpx

from blazz.kit.errors import BlazzError, invalid
from blazz.kit.fetch.addresses import Guard
from blazz.kit.fetch.connect import Forbidden, GuardedBackend

MAX_URL = 2048  # characters
_REDIRECTS = 5
_REDIRECT_STATUS = frozenset({301, 302, 303, 307, 308})
_TRY_AGAIN_STATUS = frozenset({408, 425, 429})
_CONNECT_S = 10.0
_SILENCE_S = 20.0  # between two reads
_AGENT = b"Blazz (link fetcher)"


@dataclass(frozen=True, slots=True)
class Limits:
    """`total_s` bounds the whole fetch with its redirects, `max_bytes` the body. `accept` is sent as such."""

    max_bytes: int
    total_s: float
    accept: str = "*/*"
    cut: bool = False  # end the body quietly at max_bytes, instead of refusing it


@dataclass(frozen=True, slots=True)
class Response:
    """An answer whose body is still to be read. `url` is where the redirects ended, `mime_type` what the host says."""

    url: str
    mime_type: str | None
    filename: str | None
    _content: AsyncIterator[bytes]

    async def content(self) -> AsyncIterator[bytes]:
        """Yield the body. Raises BlazzError `url_too_large` (422), `url_unreachable`, `url_timeout` (503)."""
        async for chunk in self._content:
            yield chunk


class Fetcher:
    """Fetches one URL after the other; every connection is new, so none is reused behind another host's back."""

    def __init__(self, guard: Guard | None = None, ssl_context: ssl.SSLContext | None = None) -> None:
        self._backend = GuardedBackend(guard or Guard())
        self._ssl_context = ssl_context or _trusting_public_authorities()

    @contextlib.asynccontextmanager
    async def get(self, url: str, limits: Limits) -> AsyncIterator[Response]:
        """Open a URL. What the block does with the body counts towards `limits.total_s`.

        Raises BlazzError. Final (422): `url_invalid`, `url_forbidden`, `url_refused`, `url_too_large`. Worth another
        try (503): `url_unreachable`, `url_timeout`.
        """
        try:
            async with asyncio.timeout(limits.total_s), contextlib.AsyncExitStack() as stack:
                yield await self._follow(stack, parse_url(url), limits)
        except (TimeoutError, httpcore.TimeoutException) as error:
            raise BlazzError("url_timeout", "The host did not send the file in time.", 503) from error
        except Forbidden as error:
            text = "This address is not on the public internet, or its port is none of the web's."
            raise invalid(text, code="url_forbidden") from error
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol, ssl.SSLError) as error:
            raise BlazzError("url_unreachable", "The host could not be reached, or broke off.", 503) from error

    async def _follow(self, stack: contextlib.AsyncExitStack, url: httpx.URL, limits: Limits) -> Response:
        for _ in range(_REDIRECTS + 1):
            async with contextlib.AsyncExitStack() as attempt:
                answer = await self._request(attempt, url, limits)
                if answer.status not in _REDIRECT_STATUS:
                    stack.push_async_exit(attempt.pop_all())
                    return _response(url, answer, limits)
                target = _header(answer, b"location")
            if target is None:
                raise _refused("The host redirects to nowhere.")
            url = _redirected(url, target)
        raise _refused(f"The host redirects more than {_REDIRECTS} times.")

    async def _request(self, stack: contextlib.AsyncExitStack, url: httpx.URL, limits: Limits) -> httpcore.Response:
        pool = await stack.enter_async_context(
            httpcore.AsyncConnectionPool(
                ssl_context=self._ssl_context, network_backend=self._backend, max_connections=1, keepalive_expiry=0
            )
        )
        request = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path or b"/")
        headers = [
            (b"Host", url.netloc),
            (b"User-Agent", _AGENT),
            (b"Accept", limits.accept.encode("ascii")),
            (b"Accept-Encoding", b"identity"),
        ]
        times = {"connect": _CONNECT_S, "read": _SILENCE_S, "write": _SILENCE_S, "pool": _CONNECT_S}
        return await stack.enter_async_context(
            pool.stream("GET", request, headers=headers, extensions={"timeout": times})
        )


@cache
def _trusting_public_authorities() -> ssl.SSLContext:
    return httpx.create_ssl_context()


def parse_url(text: str) -> httpx.URL:
    """Return a web address. Raises BlazzError `url_invalid` (422)."""
    try:
        url = httpx.URL(text.strip())
        url.host.encode("idna")
    except (httpx.InvalidURL, UnicodeError, TypeError):
        raise _invalid("This is no web address.") from None
    if len(text) > MAX_URL:
        raise _invalid(f"A web address has at most {MAX_URL} characters.")
    if url.scheme not in ("http", "https") or not url.host or "%" in url.host or not 0 < (url.port or 443) < 65536:
        raise _invalid("A web address begins with https:// or http:// and names a host.")
    if url.userinfo:
        raise _invalid("A web address must not hold a user name or password.")
    return url.copy_with(fragment=None)


def _redirected(url: httpx.URL, target: str) -> httpx.URL:
    try:
        found = parse_url(str(url.join(target)))
    except httpx.InvalidURL:
        raise _refused("The host redirects to something that is no web address.") from None
    if url.scheme == "https" and found.scheme != "https":
        raise _refused("The host redirects to an address without encryption.")
    return found


def _response(url: httpx.URL, answer: httpcore.Response, limits: Limits) -> Response:
    if answer.status in _TRY_AGAIN_STATUS or answer.status >= 500:
        raise BlazzError("url_unreachable", f"The host answered with the status {answer.status}.", 503)
    if answer.status != 200:
        raise _refused(f"The host answered with the status {answer.status}.")
    encoding = (_header(answer, b"content-encoding") or "identity").strip().lower()
    if encoding != "identity":
        raise _refused("The host compresses although it was asked not to.")
    length = _header(answer, b"content-length")
    if length is not None and length.isdecimal() and int(length) > limits.max_bytes and not limits.cut:
        raise _too_large(limits.max_bytes)
    mime_type = (_header(answer, b"content-type") or "").strip().lower() or None
    return Response(str(url), mime_type, _filename(url, answer), _bounded(answer, limits))


async def _bounded(answer: httpcore.Response, limits: Limits) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in answer.aiter_stream():
        size += len(chunk)
        if size > limits.max_bytes:
            if not limits.cut:
                raise _too_large(limits.max_bytes)
            yield chunk[: len(chunk) - (size - limits.max_bytes)]
            return
        yield chunk


def _header(answer: httpcore.Response, name: bytes) -> str | None:
    return next((value.decode("latin-1") for key, value in answer.headers if key.lower() == name), None)


def _filename(url: httpx.URL, answer: httpcore.Response) -> str | None:
    """Return the name that the host gives, else the last part of the path; without any path, at most 255 characters."""
    header = Message()
    header["Content-Disposition"] = _header(answer, b"content-disposition") or ""
    name = header.get_filename() or unquote(url.path.rpartition("/")[2])
    shown = "".join(character for character in name.replace("\\", "/").rpartition("/")[2] if character.isprintable())
    return shown.strip()[:255] or None


def _invalid(detail: str) -> BlazzError:
    return invalid(detail, code="url_invalid")


def _refused(detail: str) -> BlazzError:
    return invalid(detail, code="url_refused")


def _too_large(max_bytes: int) -> BlazzError:
    return invalid(
        f"The file behind this address is larger than {max_bytes // (1024 * 1024)} MB.", code="url_too_large"
    )
