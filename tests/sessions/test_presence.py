"""How long a number shows as online: while it is watched, on the present connection, and where it may."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest

from blazz.engine_client import EngineError
from blazz.sessions.presence import PresenceKeeper
from blazz.sessions.registry import Session
from tests.support.waiting import eventually

pytestmark = pytest.mark.anyio
ADDRESS, OTHER = "100000000000101@lid", "100000000000102@lid"


class Engine:
    """The engine host, as far as presence is concerned."""

    def __init__(self) -> None:
        self.said: list[Any] = []
        self.refuses = False

    async def presence(self, ref: object, *, available: bool) -> None:
        if self.refuses:
            raise EngineError("no_push_name", "not yet")
        self.said.append(available)

    async def subscribe_presence(self, ref: object, address: str) -> None:
        self.said.append(address)


class Setting:
    """A database that knows one thing: whether the number may show."""

    wanted = "available_while_inbox_is_open"

    async def read(self, *_: object) -> str:
        return self.wanted


@pytest.fixture
def session() -> Session:
    made = Session(uuid.UUID(int=1), uuid.UUID(int=2), 1, Path("store.1.db"), linked=True)
    made.connected = True
    return made


def keeper(engine: Engine, setting: Setting, watched_s: float = 60.0) -> PresenceKeeper:
    return PresenceKeeper(setting, lambda: engine, watched_s=watched_s)  # type: ignore[arg-type, return-value]


async def test_who_is_watched_shows_once_and_asks_once_about_each_person(session: Session) -> None:
    engine, setting = Engine(), Setting()
    presence = keeper(engine, setting)
    for address in (ADDRESS, ADDRESS, OTHER, ADDRESS):
        await presence.watch(session, address)
    assert engine.said == [True, ADDRESS, OTHER]
    presence.connected(session)
    await presence.watch(session, ADDRESS)
    assert engine.said[3:] == [True, ADDRESS], "a new connection knows nothing of the former one's"
    await presence.stop()


async def test_nobody_looks_any_more_and_the_number_hides(session: Session) -> None:
    engine = Engine()
    presence = keeper(engine, Setting(), watched_s=0.05)
    await presence.watch(session, ADDRESS)
    assert presence.shows(session.account_id)
    await eventually(lambda: engine.said[-1] is False, what="hidden")
    assert not presence.shows(session.account_id)
    await presence.stop()


async def test_a_number_that_is_to_hide_never_shows_and_hides_at_once_when_that_is_chosen(session: Session) -> None:
    engine, setting = Engine(), Setting()
    presence = keeper(engine, setting)
    setting.wanted = "hidden"
    await presence.watch(session, ADDRESS)
    assert engine.said == []
    setting.wanted = "available_while_inbox_is_open"
    await presence.watch(session, ADDRESS)
    setting.wanted = "hidden"
    await presence.watch(session, ADDRESS)
    await eventually(lambda: engine.said[-1] is False, what="hidden")
    await presence.stop()


async def test_what_whatsapp_refuses_is_tried_again_with_the_next_look(session: Session) -> None:
    engine = Engine()
    presence = keeper(engine, Setting())
    engine.refuses = True
    await presence.watch(session, ADDRESS)
    assert not presence.shows(session.account_id)
    engine.refuses = False
    await presence.watch(session, ADDRESS)
    assert engine.said == [True, ADDRESS]
    session.connected = False
    await presence.watch(session, OTHER)
    assert OTHER not in engine.said
    await presence.stop()
