"""The API as a client behind a load balancer sees it: any gateway answers, one that is away is passed over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import httpx

from tests.support.cluster.role import Role

_ANSWER_S = 35.0  # commands to sessions take up to 30 s
_RETRY_S = 0.2


class Gateways:
    """Sends each request to the next gateway in turn; `last` is the one that answered."""

    def __init__(self, roles: Sequence[Role]) -> None:
        self._roles = roles
        self._turn = 0
        self.last: Role | None = None
        self._http = httpx.AsyncClient(timeout=_ANSWER_S, trust_env=False)

    async def close(self) -> None:
        """End all connections."""
        await self._http.aclose()

    async def request(
        self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None, at: Role | None = None
    ) -> httpx.Response:
        """Ask a gateway (`at`, or whoever is next and takes connections). Raises ConnectionError when none does."""
        for role in [at] if at is not None else self._in_turn():
            try:
                answer = await self._http.request(
                    method, f"{role.ready['url']}/api/v1{path}", json=body, headers=headers
                )
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
            except httpx.TransportError as error:  # the outcome is unknown
                raise ConnectionError(f"{role.name}: {error!r}") from error
            finally:
                self._http.cookies.clear()  # who asks is said in each request
            self.last = role
            return answer
        raise ConnectionError("no gateway takes connections")

    async def json(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """Ask and return the document. Raises AssertionError with the answer when it is a failure."""
        answer = await self.request(method, path, body, **options)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    async def insist(self, method: str, path: str, body: Any = None, *, within_s: float = 60.0, **options: Any) -> Any:
        """Ask again until it is done, as a careful client does: after lost connections, 5xx, 429 and 409.

        What must not be done twice carries an `Idempotency-Key` among the headers.
        """
        deadline = time.monotonic() + within_s
        while True:
            try:
                answer = await self.request(method, path, body, **options)
            except ConnectionError as error:
                said = str(error)
            else:
                if answer.is_success:
                    return answer.json() if answer.content else None
                said = f"{answer.status_code} {answer.text}"
                assert answer.status_code in (409, 429) or answer.status_code >= 500, f"{method} {path}: {said}"
            assert time.monotonic() < deadline, f"{method} {path}, not within {within_s:.0f} s: {said}"
            await asyncio.sleep(_RETRY_S)

    def _in_turn(self) -> list[Role]:
        running = [role for role in self._roles if role.running]
        self._turn += 1
        start = self._turn % len(running) if running else 0
        return running[start:] + running[:start]
