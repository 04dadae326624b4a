"""Connections for the fetcher: a host is looked up and checked once, and that very address is connected to."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Any

import httpcore

from blazz.kit.fetch.addresses import Guard

_TRIED = 3  # addresses of one host


class Forbidden(Exception):
    """The host is not one that may be reached."""


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Opens TCP connections to checked addresses. TLS still verifies the host's name, which httpcore remembers."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._plain = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore's
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect. Raises Forbidden, or httpcore's ConnectError and ConnectTimeout."""
        if self._guard.ports is not None and port not in self._guard.ports:
            raise Forbidden
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._guard.addresses(host, port)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout("the name server did not answer in time") from error
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError("the host has no address") from error
        if not addresses:
            raise Forbidden
        *others, last = addresses[:_TRIED]
        for address in others:
            with contextlib.suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                return await self._plain.connect_tcp(address, port, timeout, None, socket_options)
        return await self._plain.connect_tcp(last, port, timeout, None, socket_options)

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore's
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Never: no URL names a socket file."""
        raise Forbidden
