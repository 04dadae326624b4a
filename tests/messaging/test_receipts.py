"""Receipts in any order: the state of a message only ever rises."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blazz.kit.db import Workspaces
from blazz.kit.time import utc_now
from blazz.messaging import outbox
from blazz.messaging.model import STATE_ORDER
from blazz.messaging.outbox import SendResult
from tests.messaging.stage import Stage
from tests.support.app import run_app

NEWS = st.sampled_from(["acknowledged", "delivered", "read", "played"])


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(sequences=st.lists(st.lists(NEWS, min_size=1, max_size=8), min_size=1, max_size=6))
def test_whatever_the_order_of_news_the_state_rises_to_the_furthest_one(
    sequences: list[list[str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    async def run(directory: Path) -> None:
        async with run_app(directory) as running:
            stage = await Stage.build(await running.owner())
            for number, news in enumerate(sequences):
                await tell(stage, f"+6281100004{number:02d}", news)

    anyio.run(run, tmp_path_factory.mktemp("receipts"))


async def test_how_far_a_direct_message_got_is_told_with_its_times(stage: Stage) -> None:
    message = (await stage.send()).json()
    path, scope = f"/messages/{message['id']}/receipts", Workspaces.of([stage.owner.workspace_id])
    database = stage.owner.running.database
    assert (await stage.owner.get(path)).json()["sent_at"] is None
    (item,) = await database.write(scope, outbox.claim, [stage.account_id], 10, utc_now())
    start = utc_now().replace(microsecond=0)
    sent, delivered, played = (start + dt.timedelta(seconds=step) for step in (1, 2, 30))

    await stage.receipt(message["wa_message_id"], "delivered", at=delivered)
    await database.write(scope, outbox.record_results, [SendResult.sent(item, sent)])
    await database.write(scope, outbox.record_results, [SendResult.sent(item, sent + dt.timedelta(minutes=1))])
    await stage.receipt(message["wa_message_id"], "played", at=played)
    await stage.receipt(message["wa_message_id"], "played", at=played + dt.timedelta(minutes=1))

    told = (await stage.owner.get(path)).json()
    assert dt.datetime.fromisoformat(told["sent_at"]) == sent
    (customer,) = told["data"]
    times = [dt.datetime.fromisoformat(customer[name]) for name in ("delivered_at", "read_at", "played_at")]
    assert times == [delivered, played, played]
    assert told["counts"]["recipients"] == 1


async def tell(stage: Stage, to: str, news: list[str]) -> None:
    message = (await stage.send(to=to)).json()
    scope = Workspaces.of([stage.owner.workspace_id])
    database = stage.owner.running.database
    (item,) = await database.write(scope, outbox.claim, [stage.account_id], 10, utc_now())
    height = 0
    for entry in news:
        if entry == "acknowledged":
            await database.write(scope, outbox.record_results, [SendResult.sent(item, utc_now())])
        else:
            await stage.receipt(message["wa_message_id"], entry)
        height = max(height, STATE_ORDER["sent" if entry == "acknowledged" else entry])
        state = (await stage.owner.get(f"/messages/{message['id']}")).json()["state"]
        assert STATE_ORDER[state] == height
    told = (await stage.owner.get("/events", after=0, limit=200)).json()["data"]
    states = [event["data"]["state"] for event in told if event["data"].get("message_id") == message["id"]]
    assert states == sorted(states, key=STATE_ORDER.__getitem__)
    assert len(states) == len(set(states))
    await database.write(scope, outbox.record_results, [SendResult.sent(item, utc_now())])
