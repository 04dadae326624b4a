"""Calls to the internal port of an instance: connections, time-outs, and what a failure says about the outcome."""

from __future__ import annotations

import asyncio
import ssl
from collections import OrderedDict
from typing import TypeVar

import httpx
import structlog
from pydantic import BaseModel, ValidationError

from blazz.cluster.wire import VERSION, VERSION_HEADER, Body
from blazz.kit import metrics
from blazz.kit.errors import BlazzError, FieldError, unavailable
from blazz.kit.signing import Answer, InternalKeys, Receiver, call_signed

_log = structlog.get_logger(__name__)
_A = TypeVar("_A", bound=BaseModel)
_CONNECT_S = 2.0  # within one network; an address that swallows packets is given up after this
_POOL_S = 5.0  # all connections to one instance are busy for this long
_POOLS = 64  # addresses; instances that are gone leave theirs behind
_IDLE_S = 30.0  # shorter than the receiver keeps an idle connection
_LIMITS = httpx.Limits(max_connections=32, max_keepalive_connections=16, keepalive_expiry=_IDLE_S)  # per instance
_CALLS = metrics.counter("internal_calls", "Calls to instances.", ("outcome",))

# The receiver judges the signature before anything else, so these say that nothing was carried out.
_NOT_TAKEN = frozenset({"not_owner", "wrong_receiver"})
_SIGNATURE_CAUSES = frozenset({"signature_missing", "signature_wrong", "signature_expired", "nonce_reused"})


class NothingDone(BlazzError):
    """The call was not carried out for certain: not connected, or refused by an instance that is not the right one."""


class InternalClient:
    """Signed calls to instances. One for a process; `close` it."""

    def __init__(self, keys: InternalKeys, *, tls: ssl.SSLContext | None = None, connect_s: float = _CONNECT_S) -> None:
        self._keys = keys
        self._tls = tls or ssl.create_default_context()
        self._timeout = httpx.Timeout(None, connect=connect_s, pool=_POOL_S)  # the rest is bounded call by call
        self._pools: OrderedDict[str, httpx.AsyncClient] = OrderedDict()

    async def close(self) -> None:
        """End all connections."""
        pools, self._pools = list(self._pools.values()), OrderedDict()
        for pool in pools:
            await pool.aclose()

    async def _pool(self, url: str) -> httpx.AsyncClient:
        """Return the connections to one instance: httpx looks through all connections of a pool at every call."""
        pool = self._pools.get(url)
        if pool is None:
            pool = self._pools[url] = httpx.AsyncClient(
                verify=self._tls,
                limits=_LIMITS,
                timeout=self._timeout,
                trust_env=False,
                headers={"Accept-Encoding": "identity", VERSION_HEADER: VERSION},
            )
            if len(self._pools) > _POOLS:
                _, oldest = self._pools.popitem(last=False)
                await oldest.aclose()
        else:
            self._pools.move_to_end(url)
        return pool

    async def call(
        self, url: str, receiver: Receiver, path: str, body: Body, answer: type[_A], *, within_s: float
    ) -> _A:
        """Post `body` to `path` of the instance at `url` and return what it answers.

        Raises NothingDone; BlazzError `owner_unreachable` (503) when the outcome is unknown; what the instance answers.
        """
        try:
            async with asyncio.timeout(within_s):
                said = await self._send(url, receiver, path, body)
        except TimeoutError:
            _CALLS.labels("unanswered").inc()
            raise _unanswered(receiver, f"did not answer within {within_s:.0f} s") from None
        try:
            return self._content(said, receiver, answer)
        except BlazzError as error:
            _CALLS.labels("not_taken" if isinstance(error, NothingDone) else "failed").inc()
            raise

    async def _send(self, url: str, receiver: Receiver, path: str, body: Body) -> Answer:
        try:
            http = await self._pool(url)
            request = http.build_request(
                "POST",
                url.rstrip("/") + path,
                content=body.model_dump_json().encode(),
                headers={"Content-Type": "application/json", **_request_id()},
            )
            return await call_signed(http, self._keys, receiver, request)
        except httpx.PoolTimeout:
            _CALLS.labels("busy").inc()
            raise NothingDone(
                "owner_unreachable", f"Instance {receiver.id} has too many commands under way. Try again.", 503
            ) from None
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            _CALLS.labels("not_connected").inc()
            _log.info("instance not reached", instance=receiver.id, url=url, error=str(error) or type(error).__name__)
            raise NothingDone(
                "owner_unreachable",
                f"Instance {receiver.id} cannot be reached. If it is gone, its numbers move to another instance within "
                "seconds; try again then.",
                503,
                headers={"Retry-After": "2"},
            ) from None
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            raise NothingDone(
                "owner_unreachable",
                f"Instance {receiver.id} has no address for commands of other processes (BLAZZ_INTERNAL_URL).",
                503,
            ) from None
        except httpx.TransportError as error:
            _CALLS.labels("unanswered").inc()
            raise _unanswered(receiver, f"did not answer ({type(error).__name__})") from None
        except BlazzError as error:
            _CALLS.labels("not_signed").inc()
            _log.error("answer not believed", instance=receiver.id, url=url, code=error.code, detail=error.detail)
            raise

    def _content(self, said: Answer, receiver: Receiver, answer: type[_A]) -> _A:
        if said.status >= 400:
            raise _problem(said)
        if said.by != receiver:
            raise _unanswered(receiver, f"was answered for by {said.by.id}, generation {said.by.generation}")
        try:
            content = answer.model_validate(said.content)
        except ValidationError:
            raise _unanswered(receiver, "answered what this version does not understand") from None
        _CALLS.labels("ok").inc()
        return content


def _problem(said: Answer) -> BlazzError:
    """Return the failure that an instance answered, fit for the caller of the public API."""
    document = said.content if isinstance(said.content, dict) else {}
    code = str(document.get("code", "internal_error"))
    detail = str(document.get("detail", "The instance failed without saying why."))
    if code in _NOT_TAKEN:
        return NothingDone(code, detail, 503)
    if code in _SIGNATURE_CAUSES:
        # our own trouble: the caller's credentials are in order
        _log.error("an instance refuses our calls", instance=said.by.id, cause=code, detail=detail)
        return unavailable(code, f"Instance {said.by.id} refuses this gateway's calls: {detail}")
    errors = [
        FieldError(str(item.get("field", "")), str(item.get("message", "")), str(item.get("code", "invalid")))
        for item in document.get("errors") or []
        if isinstance(item, dict)
    ]
    headers = {} if said.retry_after is None else {"Retry-After": said.retry_after}
    return BlazzError(code, detail, said.status, errors, headers)


def _unanswered(receiver: Receiver, how: str) -> BlazzError:
    return unavailable(
        "owner_unreachable",
        f"Instance {receiver.id} {how}. Whether it did this is not known; look at the number in a few seconds.",
    )


def _request_id() -> dict[str, str]:
    """The id of the request that a person made, so that both processes' logs can be read together."""
    given = structlog.contextvars.get_contextvars().get("request_id")
    return {"X-Request-Id": given} if isinstance(given, str) else {}
