"""Events that come now and then are confirmed only when they are stored, or could never be."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterable
from pathlib import Path

import pytest

from blazz._generated.engine import engine_pb2 as pb
from blazz.kit.errors import BlazzError
from blazz.sessions.desk import Desk
from blazz.sessions.registry import Session

pytestmark = pytest.mark.anyio
DATABASE_AWAY = BlazzError("database_unavailable", "The database does not answer.", 503)
NOT_ALLOWED = BlazzError("invalid", "This cannot be stored.", 422)


@pytest.mark.parametrize(
    ("outcome", "confirmed", "given_up"),
    [
        (True, True, False),
        (False, False, False),
        (DATABASE_AWAY, False, False),
        (OSError("disk"), False, False),
        (NOT_ALLOWED, True, True),
        (KeyError("damaged"), True, True),
    ],
    ids=["stored", "newer owner", "database away", "disk", "refused content", "damaged content"],
)
async def test_what_becomes_of_an_event(outcome: bool | Exception, confirmed: bool, given_up: bool) -> None:
    session = Session(uuid.uuid4(), uuid.uuid4(), 1, Path("store"), True, True)
    answers: asyncio.Queue[tuple[list[int], list[int]]] = asyncio.Queue()
    abandoned: list[Session] = []

    async def take(_session: Session, event: pb.Event) -> bool:
        if event.tag == 7 and isinstance(outcome, Exception):
            raise outcome
        return outcome is True or event.tag != 7

    def answer(stored: Iterable[int], refused: Iterable[int]) -> None:
        answers.put_nowait((list(stored), list(refused)))

    desk = Desk("test", 4, take, answer, abandoned.append)
    desk.start()
    await desk.put(session, pb.Event(tag=7, needs_ack=True))
    await desk.put(session, pb.Event(tag=8))
    await desk.put(session, pb.Event(tag=9, needs_ack=True))
    assert await answers.get() == (([7], []) if confirmed else ([], [7]))
    assert await answers.get() == ([9], []), "one event does not end the rest, and nobody waits for an answer to 8"
    assert abandoned == ([session] if given_up else [])
    await desk.stop()
    await desk.stop()
