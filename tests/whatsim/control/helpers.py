"""What the control API's tests share: waiting on a condition, creating phones, a small picture."""

from __future__ import annotations

import io
import time
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import httpx
from PIL import Image


async def until(condition: Callable[[], Awaitable[Any]], seconds: float = 10.0) -> Any:
    """Return the condition's first true value; fails when there is none within `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = await condition()
        if value:
            return value
        await anyio.sleep(0.02)
    raise AssertionError(f"not reached within {seconds} s")


async def new_phone(client: httpx.AsyncClient, name: str) -> str:
    """Create a phone and return its number."""
    answer = await client.post("/phones", json={"name": name})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["number"])


async def shown(client: httpx.AsyncClient, number: str) -> list[dict[str, Any]]:
    """Return everything that a phone shows."""
    answer = await client.get(f"/phones/{number}/messages")
    assert answer.status_code == 200, answer.text
    data: list[dict[str, Any]] = answer.json()["data"]
    return data


def picture() -> bytes:
    """Return a small PNG."""
    buffer = io.BytesIO()
    Image.new("RGB", (48, 32), (16, 185, 129)).save(buffer, "PNG")
    return buffer.getvalue()


def assert_problem(answer: httpx.Response, status: int, code: str) -> None:
    """The answer is a problem document with this status and code."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["code"] == code
    assert body["status"] == status
    assert body["detail"]
