"""The caller's end: signs what httpx sends, and believes only answers that are signed for this call."""

from __future__ import annotations

import json
from collections.abc import Generator

import httpx

from blazz.kit.errors import BlazzError
from blazz.kit.signing.calls import Call, Receiver, answered_by, sign_call
from blazz.kit.signing.keys import InternalKeys


class SignedAuth(httpx.Auth):
    """For one call to one receiver. `answered_by` tells afterwards who answered.

    Raises BlazzError `answer_not_signed` (503) when the answer is not that of a process with our key.
    """

    requires_request_body = True
    requires_response_body = True

    def __init__(self, keys: InternalKeys, receiver: Receiver) -> None:
        self._keys = keys
        self._receiver = receiver
        self.answered_by: Receiver | None = None

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """httpx's own interface."""
        path, _, query = request.url.raw_path.partition(b"?")
        signed = sign_call(self._keys, Call(request.method, path, query, request.content), self._receiver)
        request.headers.update(signed.headers)
        response = yield request
        self.answered_by = answered_by(
            self._keys, signed.signature, response.headers, response.status_code, response.content
        )
        if self.answered_by is None:
            place = f"{request.url.host}:{request.url.port}"
            raise BlazzError(
                "answer_not_signed",
                f"What answers at {place} does not hold this cluster's key{_said(response)}. "
                "Check BLAZZ_INTERNAL_KEY (or BLAZZ_SECRET_KEY) of all processes.",
                503,
            )


def _said(response: httpx.Response) -> str:
    """Return the cause that an unsigned answer claims: a help for the operator, nothing to decide by."""
    try:
        code = json.loads(response.content)["code"]
    except (ValueError, KeyError, TypeError):
        return ""
    return f" (it says {code})" if isinstance(code, str) and code.isidentifier() and len(code) < 64 else ""
