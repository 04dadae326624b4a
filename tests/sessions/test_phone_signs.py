"""A phone that is only idle is not taken for one that is away."""

from __future__ import annotations

import datetime as dt
import uuid
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from blazz._generated.engine import engine_pb2 as pb
from blazz.accounts import phone_silence
from blazz.accounts.tables import accounts
from blazz.engine_client import EngineClient
from blazz.kit.time import utc_now
from blazz.messaging import activity
from blazz.sessions.phone_signs import PhoneSigns
from blazz.sessions.registry import Registry
from tests.sessions.rooms import NO_DATABASE, running_session
from tests.support.network import simulated_network
from tests.support.product import Blazz, running
from tests.support.waiting import eventually

pytestmark = [pytest.mark.anyio]
_OURS, _THEIRS = "6281", "6282"


@pytest.mark.parametrize(
    ("event", "sign"),
    [
        (pb.Event(message=pb.Message(from_me=True, sender=f"{_OURS}@s.whatsapp.net")), True),
        (pb.Event(receipt=pb.Receipt(from_me=True, sender=f"{_OURS}:0@lid", type="sender")), True),
        (pb.Event(history_notice=pb.HistoryNotice()), True),
        (pb.Event(receipt=pb.Receipt(from_me=True, sender=f"{_OURS}:4@lid", type="sender")), False),
        (pb.Event(message=pb.Message(sender=f"{_THEIRS}@s.whatsapp.net")), False),
        (pb.Event(receipt=pb.Receipt(sender=f"{_THEIRS}@s.whatsapp.net")), False),
        (pb.Event(presence=pb.Presence()), False),
    ],
    ids=["writes", "confirms", "history", "another device of ours", "customer writes", "customer confirms", "presence"],
)
def test_what_is_a_sign_of_the_phone(event: pb.Event, sign: bool) -> None:
    registry = Registry()
    session = running_session(registry)
    signs = PhoneSigns(NO_DATABASE, registry, lambda: None)
    signs.note(session, event)
    assert (session.account_id in signs._seen) == sign


async def set_back(blazz: Blazz, account_id: uuid.UUID, days: int) -> dt.datetime:
    """Let the phone be seen for the last time `days` ago."""
    signs, then = blazz.instance.supervisor.phone_signs, utc_now() - dt.timedelta(days=days)
    await signs.write()
    times = {"linked_at": then, "phone_seen_at": then, "connected_at": then}
    statement = update(accounts).where(accounts.c.workspace_id == blazz.workspace_id, accounts.c.id == account_id)
    await blazz.database.write(blazz.scope, lambda tx: tx.execute(statement.values(**times)))
    return then


async def seen(blazz: Blazz, account_id: uuid.UUID) -> dt.datetime:
    await blazz.instance.supervisor.phone_signs.write()
    last = phone_silence.last_seen(await blazz.account(account_id))
    assert last is not None
    return last


@pytest.mark.engine
async def test_an_idle_number_is_asked_and_a_phone_that_answers_is_not_warned_of(tmp_path: Path) -> None:
    async with simulated_network(tmp_path / "network") as network, running(tmp_path / "blazz", network) as blazz:
        number = await blazz.link()
        # the phone's greeting after the login is a sign, too
        await eventually(lambda: number.account_id in blazz.instance.supervisor.phone_signs._seen, what="the greeting")
        fresh = await set_back(blazz, number.account_id, 7)
        signs = blazz.instance.supervisor.phone_signs
        await signs.ask()
        assert not signs._asked, "seen lately"
        then = await set_back(blazz, number.account_id, 11)
        assert then < fresh
        await signs.ask()

        async def heard() -> bool:
            return await seen(blazz, number.account_id) > then

        await eventually(heard, what="the phone's answer")
        await activity.refresh(blazz.database)
        assert not await blazz.events("account.phone_silent")


async def unanswered(*_args: Any, **_options: Any) -> pb.SendReply:
    return pb.SendReply()


@pytest.mark.engine
async def test_a_phone_that_does_not_answer_is_asked_once_a_day_and_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with simulated_network(tmp_path / "network") as network, running(tmp_path / "blazz", network) as blazz:
        number = await blazz.link()
        signs = blazz.instance.supervisor.phone_signs
        await eventually(lambda: number.account_id in signs._seen, what="the greeting")
        then = await set_back(blazz, number.account_id, 11)
        monkeypatch.setattr(EngineClient, "send", unanswered)
        await signs.ask()
        asked = dict(signs._asked)
        assert list(asked) == [number.account_id]
        await signs.ask()
        assert signs._asked == asked
        assert await seen(blazz, number.account_id) == then
        await activity.refresh(blazz.database)
        (event,) = await blazz.events("account.phone_silent")
        assert event["data"]["account_id"] == str(number.account_id)
