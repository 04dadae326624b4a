"""Serving behind a load balancer: who asks is believed from those who are trusted, and from nobody else."""

from __future__ import annotations

import contextlib

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from blazz.cli.serving import HttpServer, listen, proxies_of, url_of
from blazz.kit.settings import Settings

pytestmark = pytest.mark.anyio


async def who(request: Request) -> PlainTextResponse:
    return PlainTextResponse(request.client.host if request.client else "nobody")


@pytest.mark.parametrize(
    ("settings", "seen"),
    [
        ({}, "127.0.0.1"),
        ({"public_url": "https://blazz.example.org"}, "192.0.2.7"),
        ({"public_url": "https://blazz.example.org", "trusted_proxies": "127.0.0.0/8"}, "192.0.2.7"),
        ({"public_url": "https://blazz.example.org", "trusted_proxies": "10.0.0.0/8"}, "127.0.0.1"),
    ],
)
async def test_only_trusted_proxies_say_who_asks(settings: dict[str, str], seen: str) -> None:
    trusted = proxies_of(Settings.model_validate(settings))
    with contextlib.closing(listen("127.0.0.1", 0)) as listener:
        server = HttpServer(Starlette(routes=[Route("/", who)]), listener, name="test", trusted_proxies=trusted)
        await server.start()
        try:
            async with httpx.AsyncClient(trust_env=False) as client:
                answer = await client.get(url_of(listener), headers={"X-Forwarded-For": "192.0.2.7"})
        finally:
            await server.stop()
    assert answer.text == seen
