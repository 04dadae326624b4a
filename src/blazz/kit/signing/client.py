"""The caller's end: one signed HTTP call, whose answer is believed only if it is signed for this call."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import httpx

from blazz.kit.errors import BlazzError
from blazz.kit.signing.calls import Call, Receiver, answered_by, sign_call
from blazz.kit.signing.keys import InternalKeys

MAX_ANSWER_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What a process with our key answered, and which one it was: not necessarily the one that was meant."""

    status: int
    content: Any
    retry_after: str | None
    by: Receiver


async def call_signed(
    client: httpx.AsyncClient,
    keys: InternalKeys,
    receiver: Receiver,
    request: httpx.Request,
) -> Answer:
    """Sign `request` for `receiver` and send it.

    Raises BlazzError `answer_not_signed` (503) when what answers has not our key, and httpx's own errors; the caller
    bounds the time.
    """
    path, _, query = request.url.raw_path.partition(b"?")
    signed = sign_call(keys, Call(request.method, path, query, request.content), receiver)
    request.headers.update(signed.headers)
    response = await client.send(request, stream=True)
    try:
        body = bytearray()
        async for part in response.aiter_raw():
            body += part
            if len(body) > MAX_ANSWER_BYTES:
                raise _not_ours(request, "")
    finally:
        await response.aclose()
    content = bytes(body)
    by = answered_by(keys, signed.signature, response.headers, response.status_code, content)
    if by is None:
        raise _not_ours(request, _said(content))
    return Answer(response.status_code, _parsed(content), response.headers.get("Retry-After"), by)


def _not_ours(request: httpx.Request, said: str) -> BlazzError:
    return BlazzError(
        "answer_not_signed",
        f"What answers at {request.url.netloc.decode('ascii', 'replace')} does not hold this cluster's key{said}. "
        "Check BLAZZ_INTERNAL_KEY (or BLAZZ_SECRET_KEY) of all processes.",
        503,
    )


def _said(content: bytes) -> str:
    """Return the cause that an unsigned answer claims: a help for the operator, nothing to decide by."""
    document = _parsed(content)
    code = document.get("code") if isinstance(document, dict) else None
    return f" (it says {code})" if isinstance(code, str) and code.isidentifier() and len(code) < 64 else ""


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content) if content else None
    except ValueError:
        return None
