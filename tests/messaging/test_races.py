"""Two processes that write to the same chats at the same moment: nothing is lost, counted twice, or goes backwards."""

from __future__ import annotations

import asyncio
import datetime as dt
import random
import threading
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import insert, select, text, update

from blazz._generated.wa.waCommon.WACommon_pb2 import MessageKey
from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import Message
from blazz.accounts import service as accounts
from blazz.accounts.tables import accounts as accounts_table
from blazz.cluster import ownership
from blazz.cluster.tables import assignments
from blazz.kit.db import Database, Platform, Tx, Workspace, Workspaces
from blazz.kit.time import utc_now
from blazz.messaging import history, imports, outbox, receipts
from blazz.messaging.expiry import expire
from blazz.messaging.history_model import HistoryChat, HistoryMessage, HistoryPiece, ImportJob, rank_of
from blazz.messaging.inbound import prepare, store_messages
from blazz.messaging.model import InboundMessage, InboundReceipt
from blazz.messaging.service import mark_read
from blazz.messaging.state_tables import history_imports
from blazz.messaging.tables import chats, messages
from blazz.messaging.tables import outbox as outbox_table
from tests.messaging.stage import Stage
from tests.support.databases import open_database

pytestmark = [pytest.mark.anyio, pytest.mark.every_server]
PLATFORM = Platform("test")
PHONE, LID = "+628110000101", "100000000000101"


@pytest.fixture
async def other(database_url: str, anyio_backend: str) -> AsyncIterator[Database]:
    """The same database as another process sees it."""
    async with open_database(database_url) as opened:
        yield opened


def sleep(tx: Tx, seconds: float) -> None:
    """Let the server wait, past the tenant guard."""
    run = tx._connection.execution_options(blazz_scope=None).execute
    run(text(f"SELECT pg_sleep({seconds})" if tx.dialect == "postgresql" else f"SELECT SLEEP({seconds})"))
    tx._connection.execution_options(blazz_scope=tx.scope)


async def store(database: Database, stage: Stage, batch: list[InboundMessage]) -> None:
    scope = Workspaces.of([stage.owner.workspace_id])
    await database.write(scope, store_messages, prepare(batch), lambda value, context: value)


async def all_of(database: Database, table: Any) -> list[dict[str, Any]]:
    rows = await database.read(PLATFORM, lambda tx: tx.all(select(table)))
    return [dict(row) for row in rows]


async def test_the_unread_count_is_the_number_of_messages_whoever_stores_them(stage: Stage, other: Database) -> None:
    databases = [stage.owner.running.database, other]
    await asyncio.gather(
        *(
            store(databases[number % 2], stage, [stage.inbound(f"{number}-{item}") for item in range(3)])
            for number in range(20)
        )
    )
    (chat,) = (await stage.owner.get("/chats")).json()["data"]
    assert chat["unread_count"] == 60
    rows = await stage.rows()
    assert len({row["position"] for row in rows}) == 60
    page = await stage.owner.get("/events", after=0, limit=500)
    told = [event["data"]["unread_count"] for event in page.json()["data"] if event["name"] == "chat.updated"]
    assert max(told) == 60, "the last event tells the count that is stored"


async def test_reading_a_chat_while_messages_come_in_counts_every_message_once(stage: Stage, other: Database) -> None:
    database = stage.owner.running.database
    await stage.deliver(stage.inbound("first"))
    (chat,) = await all_of(database, chats)
    marked: list[int] = []

    async def read() -> None:
        for _ in range(10):
            marks = await database.write(Workspace(stage.owner.workspace_id), mark_read, chat["id"])
            marked.append(sum(map(len, marks.ids_by_author.values())) if marks else 0)

    async def receive() -> None:
        for number in range(20):
            await store(other, stage, [stage.inbound(str(number))])

    await asyncio.gather(read(), receive())
    (chat,) = await all_of(database, chats)
    assert sum(marked) + chat["unread_count"] == 21


async def test_a_state_never_goes_backwards(stage: Stage, other: Database) -> None:
    for _ in range(6):
        sent = (await stage.send()).json()
        scope = Workspaces.of([stage.owner.workspace_id])
        database = stage.owner.running.database
        (item,) = await database.write(scope, outbox.claim, [stage.account_id], 10, utc_now())
        result = outbox.SendResult.sent(item, utc_now())
        read = InboundReceipt(
            stage.owner.workspace_id,
            stage.account_id,
            (sent["wa_message_id"],),
            "628110000101@s.whatsapp.net",
            "628110000101@s.whatsapp.net",
            "read",
            utc_now(),
        )

        def slowly(tx: Tx, result: outbox.SendResult = result) -> None:
            outbox.record_results(tx, [result])
            sleep(tx, 0.02)

        await asyncio.gather(database.write(scope, slowly), other.write(scope, receipts.store_receipts, [read]))
        (row,) = [row for row in await stage.rows() if str(row["id"]) == sent["id"]]
        assert row["state"] == "read"
    assert await all_of(database, outbox_table) == []


async def test_a_message_is_either_sent_or_expired_never_both(stage: Stage, other: Database) -> None:
    scope = Workspaces.of([stage.owner.workspace_id])
    database = stage.owner.running.database
    for _ in range(8):
        await stage.send()
    late = update(outbox_table).values(expires_at=utc_now() - dt.timedelta(seconds=1))
    await database.write(PLATFORM, lambda tx: tx.execute(late).rowcount)
    earlier = utc_now() - dt.timedelta(minutes=1)  # an instance whose clock is behind

    def claim_behind(tx: Tx) -> list[outbox.OutboxItem]:
        tx.execute(
            update(outbox_table)
            .where(outbox_table.c.workspace_id == stage.owner.workspace_id)
            .values(due_at=earlier - dt.timedelta(minutes=1))
        )
        claimed = outbox.claim(tx, [stage.account_id], 4, earlier)
        sleep(tx, 0.05)
        return claimed

    claimed, _ = await asyncio.gather(database.write(scope, claim_behind), expire(other))
    sending = {item.message_id for item in claimed}
    failed = {row["id"] for row in await stage.rows() if row["state"] == "failed"}
    assert not sending & failed
    assert len(sending) + len(failed) == 8


async def test_two_numbers_that_connect_at_once_make_one_primary(stage: Stage, other: Database) -> None:
    second = await Stage.build(stage.owner, "Second")
    place = stage.owner.workspace_id

    def forget(tx: Tx) -> None:
        tx.execute(update(accounts_table).values(is_primary=False, status="disconnected"))

    await other.write(PLATFORM, forget)

    def connect(tx: Tx, account: uuid.UUID) -> None:
        accounts.set_status(tx, account, place, "connected")
        sleep(tx, 0.05)

    await asyncio.gather(
        stage.owner.running.database.write(Workspace(place), connect, stage.account_id),
        other.write(Workspace(place), connect, second.account_id),
    )
    rows = await all_of(other, accounts_table)
    assert [row["is_primary"] for row in rows].count(True) == 1
    assert {row["status"] for row in rows} == {"connected"}


async def test_no_message_is_lost_while_two_contacts_prove_to_be_one(stage: Stage, other: Database) -> None:
    database = stage.owner.running.database
    chance = random.Random(7)
    bodies: set[str] = set()

    def batch(number: int, person: int, form: str) -> list[InboundMessage]:
        phone, lid = f"+62811000{person:04d}", f"1000000000{person:04d}"
        body = f"{person}-{number}-{form}"
        bodies.add(body)
        known: dict[str, Any] = {
            "number": {"phone": phone},
            "lid": {"phone": None, "lid": lid},
            "both": {"phone": phone, "lid": lid},
        }
        return [stage.inbound(body, **known[form])]

    async def process(handle: Database, start: int, forms: list[str]) -> None:
        for number in range(start, start + 12):
            await asyncio.gather(
                *(store(handle, stage, batch(number, person, chance.choice(forms))) for person in range(4))
            )

    await asyncio.gather(
        process(database, 0, ["number", "lid", "number", "lid", "both"]),
        process(other, 100, ["lid", "number", "number", "lid", "lid"]),
    )
    last = [batch(999, person, "both")[0] for person in range(4)]
    await store(database, stage, last)
    rows = await stage.rows()
    assert {row["body"] for row in rows} == bodies
    assert {row["author"] for row in rows} == {f"1000000000{person:04d}@lid" for person in range(4)}
    found = (await stage.owner.get("/contacts")).json()["data"]
    assert [{item["kind"] for item in contact["identifiers"]} for contact in found] == [{"phone", "lid"}] * 4
    assert sum(chat["unread_count"] for chat in await all_of(other, chats)) == len(bodies)
    assert {row["chat_id"] for row in rows} == {chat["id"] for chat in await all_of(database, chats)}


@pytest.mark.parametrize("learned_first", [False, True])
async def test_a_message_stored_while_its_authors_mapping_is_learned_gets_the_canonical_author(
    stage: Stage, other: Database, learned_first: bool
) -> None:
    await stage.deliver(stage.inbound("before", phone=PHONE))
    by_number, both = stage.inbound("stored", phone=PHONE), stage.inbound("learned", phone=PHONE, lid=LID)
    first, second = (both, by_number) if learned_first else (by_number, both)
    scope = Workspaces.of([stage.owner.workspace_id])
    began = asyncio.Event()

    def slowly(tx: Tx) -> None:
        store_messages(tx, prepare([first]), lambda value, context: value)
        began.set()
        sleep(tx, 0.2)

    slow = asyncio.create_task(stage.owner.running.database.write(scope, slowly))
    await began.wait()
    await store(other, stage, [second])
    await slow
    rows = await stage.rows()
    assert {row["body"] for row in rows} == {"before", "stored", "learned"}
    assert {row["author"] for row in rows} == {f"{LID}@lid"}


async def test_a_message_that_two_processes_store_at_once_is_stored_once(stage: Stage, other: Database) -> None:
    batch = [stage.inbound(str(number)) for number in range(10)]
    await asyncio.gather(store(stage.owner.running.database, stage, batch), store(other, stage, batch[::-1]))
    assert sorted(row["body"] for row in await all_of(other, messages)) == [str(number) for number in range(10)]
    (chat,) = await all_of(other, chats)
    assert chat["unread_count"] == 10


@pytest.mark.parametrize("imported", ["message", "change"])
async def test_a_change_and_its_message_stored_in_one_moment_live_and_by_history_find_each_other(
    stage: Stage, other: Database, imported: str
) -> None:
    database, place = stage.owner.running.database, stage.owner.workspace_id
    scope = Workspace(place)
    await stage.deliver(stage.inbound("so that there is a chat", phone=PHONE, lid=LID))
    said = stage.inbound("hello", phone=PHONE, lid=LID, timestamp=utc_now() - dt.timedelta(minutes=9))
    heart = Message()
    heart.reactionMessage.text = "❤️"
    heart.reactionMessage.key.CopyFrom(MessageKey(ID=said.wa_message_id, fromMe=True, remoteJID=said.chat))
    liked = stage.inbound("", phone=PHONE, lid=LID, raw=heart.SerializeToString())
    live, past = (liked, said) if imported == "message" else (said, liked)
    (prepared,) = prepare([past])
    chat = HistoryChat(past.chat, False, PHONE, LID, [HistoryMessage(prepared, rank_of(past.timestamp, 1))])

    def begin(tx: Tx) -> ImportJob:
        row = {"id": stage.account_id, "workspace_id": place, "epoch": 1, "wanted": "running"}
        row |= {"generation": 1, "previous_closed": True, "migration_count": 0}
        tx.execute(insert(assignments).values(**row))
        options: dict[str, Any] = {"sync_type": 3, "progress": 100, "seal": lambda value, context: value}
        imports.announce(tx, stage.account_id, "BLOB", b"", **options)
        found = tx.one(select(history_imports).where(history_imports.c.workspace_id == place))
        assert found is not None
        return imports._job(found)

    job = await database.write(scope, begin)
    began, stored = threading.Event(), threading.Event()

    def deliver(tx: Tx) -> None:
        assert not ownership.check(tx, [(stage.account_id, 1)])
        store_messages(tx, prepare([live]), lambda value, context: value)
        began.set()
        deadline = time.monotonic() + 20
        while not stored.is_set():
            assert time.monotonic() < deadline, "the import waits for what is delivered"
            sleep(tx, 0.05)  # a transaction that stands still is ended by the server

    def take_piece(tx: Tx) -> None:
        assert not ownership.check(tx, [(stage.account_id, 1)])
        history.store_piece(tx, job, HistoryPiece(1, True, [chat]), lambda value, context: value)

    def finish(tx: Tx) -> None:
        assert not ownership.check(tx, [(stage.account_id, 1)], alone=True)
        imports.finish(tx, job)

    delivery = asyncio.create_task(database.write(scope, deliver))
    assert await asyncio.to_thread(began.wait, 20)
    await other.write(scope, take_piece)
    ending = asyncio.create_task(other.write(scope, finish))
    await asyncio.wait([ending], timeout=0.5)
    assert not ending.done(), "the end of an import waits for what is being delivered"
    stored.set()
    await asyncio.gather(delivery, ending)
    (row,) = [row for row in await stage.rows() if row["wa_message_id"] == said.wa_message_id]
    assert [one["emoji"] for one in (row["extras"] or {}).get("reactions", {}).values()] == ["❤️"]
