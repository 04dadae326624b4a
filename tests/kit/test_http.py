"""Cursors and the idempotency of repeated requests."""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blazz.kit.db import Database, Tx, Workspace
from blazz.kit.errors import BlazzError
from blazz.kit.http import RequestModel, decode_cursor, encode_cursor, idempotency
from blazz.kit.http.idempotency import IdempotentRequest, idempotent, recall, remember
from blazz.kit.ids import uuid7
from blazz.kit.time import utc_now
from tests.support.databases import open_database
from tests.support.rows import make_workspaces

pytestmark = pytest.mark.every_database


@given(st.tuples(st.datetimes(timezones=st.just(dt.UTC)), st.uuids(), st.integers(-(2**63) + 1, 2**63 - 1)))
def test_cursor_gives_back_what_was_put_in(values: tuple[dt.datetime, uuid.UUID, int]) -> None:
    assert decode_cursor(encode_cursor(*values), dt.datetime, uuid.UUID, int) == values


@given(st.text(max_size=600) | st.binary(max_size=60).map(lambda raw: raw.hex()))
def test_a_made_up_cursor_is_refused(text: str) -> None:
    with pytest.raises(BlazzError) as caught:
        decode_cursor(text, dt.datetime, uuid.UUID)
    assert caught.value.code == "invalid_cursor"


class Body(RequestModel):
    """A request."""

    text: str
    extra: str | None = None


@pytest.fixture
async def database(database_url: str, anyio_backend: str) -> AsyncIterator[Database]:
    async with open_database(database_url) as opened:
        yield opened


def request(text: str = "hello", key: str = "k1") -> IdempotentRequest:
    made = idempotent("messages.send", key, Body(text=text))
    assert made is not None
    return made


async def do(database: Database, place: uuid.UUID, wanted: IdempotentRequest) -> tuple[Any, bool]:
    """Do something once; returns (answer, whether it was done now)."""

    def work(tx: Tx) -> tuple[Any, bool]:
        known = recall(tx, wanted)
        if known is not None:
            return known.answer, False
        answer = {"id": str(uuid7())}
        remember(tx, wanted, 202, answer)
        return answer, True

    return await database.write(Workspace(place), work)


@pytest.mark.anyio
async def test_equal_requests_at_the_same_time_are_done_once(database: Database) -> None:
    (place,) = await make_workspaces(database, 1)
    outcomes = await asyncio.gather(*(do(database, place, request()) for _ in range(20)))
    assert len({outcome[0]["id"] for outcome in outcomes}) == 1
    assert sum(done for _, done in outcomes) == 1


@pytest.mark.anyio
async def test_key_with_another_body_is_refused_but_other_places_are_free(database: Database) -> None:
    one, other = await make_workspaces(database, 2)
    await do(database, one, request())
    with pytest.raises(BlazzError) as caught:
        await do(database, one, request("something else"))
    assert (caught.value.code, caught.value.status) == ("idempotency_key_reused", 422)
    assert (await do(database, other, request("something else")))[1] is True
    assert (await do(database, one, request("something else", "k2")))[1] is True


@pytest.mark.anyio
async def test_keys_are_kept_a_day(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    (place,) = await make_workspaces(database, 1)
    first, _ = await do(database, place, request())
    monkeypatch.setattr(idempotency, "utc_now", lambda: utc_now() + dt.timedelta(hours=23))
    assert await do(database, place, request()) == (first, False)
    monkeypatch.setattr(idempotency, "utc_now", lambda: utc_now() + dt.timedelta(hours=25))
    assert (await do(database, place, request("other")))[1] is True
    monkeypatch.setattr(idempotency, "utc_now", lambda: utc_now() + dt.timedelta(hours=50))
    assert await idempotency.prune(database) == 1
