"""The receiver's end: middleware that lets only signed calls in, and signs what is answered."""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from blazz.kit.errors import BlazzError, unavailable
from blazz.kit.http.problems import problem_response
from blazz.kit.signing.calls import SIGNATURE, Call, sign_answer
from blazz.kit.signing.verifier import Verifier

MAX_BODY_BYTES = 256 * 1024
_BODY_S = 10.0
_ANSWER_S = 29.5  # the contract of commands promises 30 s


class SignedCalls:
    """Wraps an application. Paths in `open_paths` need no signature. Bodies of both directions are held in memory."""

    def __init__(self, app: ASGIApp, *, verifier: Verifier, open_paths: frozenset[str]) -> None:
        self._app = app
        self._verifier = verifier
        self._open = open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or (scope["type"] == "http" and scope["path"] in self._open):
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            raise RuntimeError("only HTTP is spoken here")
        answer = _Answer()
        try:
            await self._handle(scope, receive, answer)
        except BlazzError as error:
            await problem_response(HTTPConnection(scope), error)(scope, receive, answer)
        # bound to the signature that was given, right or wrong: an answer fits no other call
        signature = Headers(scope=scope).get(SIGNATURE, "")
        if signature:
            keys, receiver = self._verifier.keys, self._verifier.receiver
            answer.add(sign_answer(keys, signature, receiver, answer.status, bytes(answer.body)))
        await answer.send(send)

    async def _handle(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        try:
            async with asyncio.timeout(_BODY_S):
                body = await _read(scope, receive)
        except TimeoutError:
            raise BlazzError("request_timeout", "The body did not arrive in time.", 408) from None
        path, query = scope.get("raw_path") or scope["path"].encode(), scope["query_string"]
        self._verifier.check(Call(scope["method"], path, query, body), Headers(scope=scope))
        given = False

        async def replay() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        try:
            async with asyncio.timeout(_ANSWER_S):
                await self._app(scope, replay, answer)
        except TimeoutError:
            raise unavailable("instance_busy", "The instance did not finish this in time.") from None


class _Answer:
    """Gathers an answer, so that it can be signed whole."""

    def __init__(self) -> None:
        self._start: Message = {"type": "http.response.start", "status": 500, "headers": []}
        self.body = bytearray()

    @property
    def status(self) -> int:
        return int(self._start["status"])

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            self.body.clear()
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")

    def add(self, headers: dict[str, str]) -> None:
        MutableHeaders(scope=self._start).update(headers)

    async def send(self, send: Send) -> None:
        await send(self._start)
        await send({"type": "http.response.body", "body": bytes(self.body)})


async def _read(scope: Scope, receive: Receive) -> bytes:
    declared = Headers(scope=scope).get("content-length", "0")
    if declared.isdigit() and int(declared[:20]) > MAX_BODY_BYTES:
        raise _too_large()
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise BlazzError("request_cut_off", "The caller went away.", 400)
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            raise _too_large()
        if not message.get("more_body", False):
            return bytes(body)


def _too_large() -> BlazzError:
    return BlazzError("body_too_large", "The body is larger than this address accepts.", 413)
