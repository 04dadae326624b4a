"""History of a phone: imported when a number is linked, merged with what is here, every message once, in its place."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from blazz.groups.tables import group_members as members_table
from blazz.groups.tables import groups as groups_table
from blazz.kit import failpoints
from blazz.messaging import import_overview, requests, settings
from blazz.messaging.history_model import MAX_CHATS, HistoryPiece, Imported, ImportJob
from blazz.messaging.state_schemas import HistoryView
from blazz.messaging.state_tables import history_imports, phone_requests
from blazz.messaging.tables import chats as chats_table
from blazz.messaging.tables import messages
from blazz.messaging.views import message_views
from blazz.sessions.history import HistoryImports
from blazz.sessions.registry import Session
from tests.support.network import simulated_network
from tests.support.product import Blazz, Number, running, text
from tests.support.waiting import eventually
from whatsim import language
from whatsim.model import OutgoingContent
from whatsim.network import Network

pytestmark = [pytest.mark.anyio, pytest.mark.engine]


@pytest.fixture
async def network(tmp_path: Path) -> AsyncIterator[Network]:
    async with simulated_network(tmp_path / "network") as network:
        yield network


async def done(blazz: Blazz, number: Number, *, messages: int) -> HistoryView:
    """Wait until the import is over and has brought so many messages."""

    async def reached() -> HistoryView | None:
        view = await blazz.database.read(blazz.scope, import_overview.overview, number.account_id)
        return view if view.state == "done" and view.messages == messages else None

    view = await eventually(reached, what=f"the import of {messages} messages")
    assert view is not None
    return view


async def bodies(blazz: Blazz, *conditions: Any) -> list[str]:
    """Return the texts of messages in the order of their chats."""
    rows = await blazz.rows(messages, *conditions)
    return [row["body"] for row in sorted(rows, key=lambda row: (row["position"], row["history_rank"]))]


async def test_a_phones_past_is_imported_when_it_is_linked(tmp_path: Path, network: Network) -> None:
    phone = (await network.create_phone(name="Shop")).number
    customers = await network.history.fill(phone, chats=7, per_chat=6, days=10)
    await network.settings.change_chat(phone, customers[0], archived=True, pinned=None, muted_until_ms=-1)
    await network.settings.change_chat(phone, customers[1], pinned=True)
    await network.settings.change_chat(phone, customers[4], pinned=True)
    await network.settings.change_chat(phone, customers[4], pinned=False)  # enough patches to be given as a snapshot
    await network.settings.name_contact(phone, customers[2], "Ibu Sri")
    await network.settings.edit_label(phone, "1", "New customer", 3)
    await network.settings.label_chat(phone, customers[3], "1")
    async with running(tmp_path / "blazz", network) as blazz:
        number = await blazz.link(phone)
        view = await done(blazz, number, messages=42)
        assert (view.chats, view.progress, view.failed) == (7, 100, 0)
        rows = await blazz.rows(chats_table)
        assert len(rows) == 7
        assert all(row["unread_count"] == 0 and row["last_message_at"] for row in rows)
        for row in rows:
            own = await bodies(blazz, messages.c.chat_id == row["id"])
            assert own == [f"Message {at} of {own[0].split(' of ')[1]}" for at in range(1, 7)]
            assert row["last_preview"] == own[-1]
        states = {row["state"] for row in await blazz.messages(messages.c.from_me.is_(True))}
        assert states == {"read"}
        assert sum(bool(row["archived"]) for row in rows) == 1
        assert sum(row["muted_until"] is not None for row in rows) == 1
        assert sum(row["pinned_at"] is not None for row in rows) == 1
        names = [event["name"] for event in await blazz.events()]
        assert "message.received" not in names, "history is no news"
        assert names.count("history.progress") >= 1
        # the phone was told, and the blobs were taken off the media host
        assert {row["state"] for row in await blazz.rows(history_imports)} == {"done"}

        async def labelled() -> bool:
            found = await blazz.database.read(blazz.scope, settings.labels_page, number.account_id)
            return [(row["name"], row["colour"], row["chats"]) for row in found] == [("New customer", 3, 1)]

        await eventually(labelled, what="the label of a chat that was imported")


async def test_what_became_of_messages_is_imported_with_them(tmp_path: Path, network: Network) -> None:
    phone = (await network.create_phone(name="Shop")).number
    customer = (await network.create_phone(name="Budi")).number

    async def says(author: str, content: OutgoingContent) -> str:
        reader = phone if author == customer else customer
        view = await network.send_message(author, reader, content)
        await eventually(lambda: _phone_has(network, phone, view.message_id), what="the message on the phone")
        return view.message_id

    poll = await says(customer, language.PollContent("When?", ("Monday", "Tuesday")))
    await says(phone, language.VoteContent(poll, ("Tuesday",)))
    await says(customer, language.VoteContent(poll, ("Monday",)))
    liked = await says(phone, text("liked"))
    await says(customer, language.ReactionContent(liked, "👍"))
    await says(phone, language.PinContent(liked, 86_400))
    edited = await says(customer, text("befor"))
    last_edit = await says(customer, language.EditContent(edited, "before"))
    deleted = await says(customer, text("a secret"))
    await says(customer, language.DeleteContent(deleted))
    await network.settings.star(phone, customer, liked)
    await network.history.add_notice(phone, customer, 38, [], time.time(), author=customer)
    group = await network.groups.create(customer, "Team", [phone])
    await network.groups.send(customer, group.jid, text("to all"))
    await network.history.add_notice(phone, group.jid, 21, ["Team"], time.time() - 60, author=customer)
    async with running(tmp_path / "blazz", network) as blazz:
        number = await blazz.link(phone)
        await done(blazz, number, messages=7)
        rows = await blazz.rows(messages, messages.c.target_wa_id.is_(None))
        views = await blazz.database.read(blazz.scope, lambda tx: message_views(tx, list(rows)))
        by_id = {view.wa_message_id: view.model_dump(mode="json") for view in views}
        options = by_id[poll]["poll"]["options"]
        picked = {one["name"]: [voter["from_me"] for voter in one["voters"]] for one in options}
        assert picked == {"Monday": [False], "Tuesday": [True]}
        assert [one["emoji"] for one in by_id[liked]["reactions"]] == ["👍"]
        assert by_id[liked]["pinned_until"] is not None
        assert by_id[liked]["starred_at"] is not None
        assert (by_id[edited]["text"]["body"], by_id[edited]["edited_at"] is not None) == ("before", True)
        assert last_edit not in by_id
        assert (by_id[deleted]["text"], by_id[deleted]["deleted_at"] is not None) == (None, True)
        told = [row["content"]["event"] for row in rows if row["kind"] == "system"]
        assert sorted(told) == ["group_subject", "security_code_changed"]
        assert [row["body"] for row in rows if row["author"] and row["body"] == "to all"] == ["to all"]
        assert "message.reaction" not in {event["name"] for event in await blazz.events()}
        # what comes live afterwards counts on top of it
        await network.send_message(customer, phone, language.VoteContent(poll, ("Tuesday",)))
        await eventually(lambda: _votes_for(blazz, poll, [[1], [1]]), what="the changed vote")


async def _phone_has(network: Network, phone: str, message_id: str) -> bool:
    return any(message.message_id == message_id for message in network.messages(phone, limit=500))


async def _votes_for(blazz: Blazz, poll: str, wanted: list[list[int]]) -> bool:
    (row,) = await blazz.messages(messages.c.wa_message_id == poll)
    return [vote["options"] for vote in row["extras"]["votes"].values()] == wanted


async def test_groups_of_the_past_have_their_names_and_members(tmp_path: Path, network: Network) -> None:
    phone = (await network.create_phone(name="Shop")).number
    customer = (await network.create_phone(name="Budi")).number
    for subject in ("Present", "Past"):
        view = await network.groups.create(customer, subject, [phone])
        await network.groups.send(customer, view.jid, text(f"hello {subject}"))
    await network.groups.leave(view.jid, phone)  # WhatsApp tells nothing more of it
    async with running(tmp_path / "blazz", network) as blazz:
        number = await blazz.link(phone)
        await done(blazz, number, messages=2)
        found = {row["subject"]: row for row in await blazz.rows(groups_table)}
        assert {subject: row["state"] for subject, row in found.items()} == {"Present": "member", "Past": "left"}
        members = await blazz.rows(members_table, members_table.c.group_id == found["Past"]["id"])
        assert [(row["role"], row["address"].endswith("@lid")) for row in members] == [("superadmin", True)]
        chats = {row["name"]: row["closed"] for row in await blazz.rows(chats_table)}
        assert chats == {"Present": None, "Past": "left"}


async def test_history_merges_with_what_is_here_and_doubles_nothing(tmp_path: Path, network: Network) -> None:
    async with running(tmp_path / "blazz", network) as blazz:
        number = await blazz.link()
        customer = (await network.create_phone(name="Budi")).number
        await network.send_message(customer, number.phone, text("before"))
        await eventually(lambda: _bodies_are(blazz, ["before"]))
        message_id = await blazz.send_text(number, customer, "answer")
        await blazz.state(message_id, "delivered")
        await blazz.commands.log_out(number.account_id)
        await blazz.status(number.account_id, "logged_out")
        await network.send_message(customer, number.phone, text("meanwhile 1"))
        await network.send_message(number.phone, customer, text("meanwhile 2"))
        again = await blazz.link(number.phone, number.account_id)
        await done(blazz, again, messages=2)
        await network.send_message(customer, number.phone, text("after"))
        wanted = ["before", "answer", "meanwhile 1", "meanwhile 2", "after"]
        await eventually(lambda: _bodies_are(blazz, wanted), what="all in the order of the conversation")
        (chat,) = await blazz.rows(chats_table)
        assert chat["last_preview"] == "after"


async def _bodies_are(blazz: Blazz, wanted: list[str]) -> bool:
    return await bodies(blazz) == wanted


async def test_an_import_that_is_cut_goes_on_behind_what_is_stored(
    tmp_path: Path, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLAZZ_TEST_MODE", "1")
    phone = (await network.create_phone()).number
    await network.history.fill(phone, chats=120, per_chat=4)
    async with running(tmp_path / "blazz", network) as blazz:
        failpoints.arm("history.piece_stored", "error@2")
        try:
            number = await blazz.link(phone)
            await eventually(lambda: _has_failed_once(blazz), what="the cut")
        finally:
            failpoints.disarm("history.piece_stored")
        await blazz.stop()
        await blazz.start()
        await blazz.status(number.account_id, "connected")
        view = await done(blazz, number, messages=480)
        assert view.chats == 120
        assert len({row["wa_message_id"] for row in await blazz.messages()}) == 480


async def test_an_engine_host_that_is_killed_in_between_loses_and_doubles_nothing(
    tmp_path: Path, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone = (await network.create_phone()).number
    await network.history.fill(phone, chats=160, per_chat=3)
    stored: list[int] = []
    store = HistoryImports._store

    async def killing(
        self: HistoryImports, session: Session, job: ImportJob, piece: HistoryPiece, *more: Any
    ) -> Imported:
        done = await store(self, session, job, piece, *more)
        stored.append(piece.number)
        if len(stored) == 2:
            os.kill(blazz.engine_pid, signal.SIGKILL)
        return done

    monkeypatch.setattr(HistoryImports, "_store", killing)
    async with running(tmp_path / "blazz", network) as blazz:
        number = await blazz.link(phone)
        await done(blazz, number, messages=480)
        assert len({row["wa_message_id"] for row in await blazz.messages()}) == 480
        assert len(await blazz.events("session.disconnected")) >= 1


async def test_an_engine_host_that_dies_before_a_piece_begins_it_again(
    tmp_path: Path, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached = tmp_path / "reached"
    monkeypatch.setenv("BLAZZ_TEST_MODE", "1")
    monkeypatch.setenv("BLAZZ_FAILPOINTS", "engine.history.piece=kill")  # read by the engine host when it starts
    monkeypatch.setenv("BLAZZ_FAILPOINT_LOG", str(reached))
    phone = (await network.create_phone()).number
    await network.history.fill(phone, chats=60, per_chat=3)
    async with running(tmp_path / "blazz", network) as blazz:
        number = await blazz.link(phone)

        async def died() -> bool:
            return reached.exists() and "engine.history.piece" in reached.read_text()

        await eventually(died, what="the end of the engine host")
        monkeypatch.delenv("BLAZZ_FAILPOINTS")
        await done(blazz, number, messages=180)
        assert len({row["wa_message_id"] for row in await blazz.messages()}) == 180


async def test_an_import_ends_with_the_pairing_and_begins_anew_with_the_next(
    tmp_path: Path, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone = (await network.create_phone()).number
    await network.history.fill(phone, chats=120, per_chat=4)
    stored = asyncio.Event()
    store = HistoryImports._store

    async def waiting(
        self: HistoryImports, session: Session, job: ImportJob, piece: HistoryPiece, *more: Any
    ) -> Imported:
        done = await store(self, session, job, piece, *more)
        stored.set()
        if done.messages:
            await ended.wait()
        return done

    ended = asyncio.Event()
    monkeypatch.setattr(HistoryImports, "_store", waiting)
    async with running(tmp_path / "blazz", network) as blazz:
        number = await blazz.link(phone)
        await asyncio.wait_for(stored.wait(), 20)
        await blazz.commands.log_out(number.account_id)
        ended.set()
        view = await blazz.database.read(blazz.scope, import_overview.overview, number.account_id)
        assert (view.state, view.reason, view.failed) == ("interrupted", "logged_out", 0)
        assert 0 < view.messages < 480
        states = {row["state"] for row in await blazz.rows(history_imports)}
        assert states <= {"done", "interrupted"}
        assert {row["notification"] for row in await blazz.rows(history_imports)} == {b""}
        told = [event["data"] for event in await blazz.events("history.progress")]
        assert [data["interrupted"] for data in told if "interrupted" in data] == ["logged_out"] * len(
            [row for row in await blazz.rows(history_imports) if row["state"] == "interrupted"]
        )
        again = await blazz.link(phone, number.account_id)
        view = await done(blazz, again, messages=480 - view.messages)
        assert (view.reason, view.progress) == (None, 100)
        assert len({row["wa_message_id"] for row in await blazz.messages()}) == 480


async def test_a_phone_that_could_not_be_told_of_an_import_is_told_later(
    tmp_path: Path, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLAZZ_TEST_MODE", "1")
    phone = (await network.create_phone()).number
    await network.history.fill(phone, chats=5, per_chat=2)
    async with running(tmp_path / "blazz", network) as blazz:
        failpoints.arm("history.stored", "error")
        try:
            number = await blazz.link(phone)
            await eventually(lambda: _has_failed_once(blazz), what="the failure behind the last piece")
        finally:
            failpoints.disarm("history.stored")
        await blazz.stop()
        await blazz.start()
        await blazz.status(number.account_id, "connected")
        await done(blazz, number, messages=10)
        assert {row["state"] for row in await blazz.rows(history_imports)} == {"done"}


async def _has_failed_once(blazz: Blazz) -> bool:
    return any(row["attempts"] for row in await blazz.rows(history_imports))


async def test_only_recent_chats_and_messages_are_imported(tmp_path: Path, network: Network) -> None:
    phone = (await network.create_phone()).number
    old, other = [(await network.create_phone()).number for _ in range(2)]
    now = time.time()
    await network.history.add(phone, old, "two months ago", now - 60 * 86_400)
    await network.history.add(phone, other, "six weeks ago", now - 42 * 86_400)
    await network.history.add(phone, other, "last week", now - 7 * 86_400)
    async with running(tmp_path / "blazz", network) as blazz:
        number = await blazz.link(phone)
        await done(blazz, number, messages=1)
        assert await bodies(blazz) == ["last week"]
        assert MAX_CHATS == 500
        (chat,) = await blazz.rows(chats_table)
        assert chat["more_on_phone"] is True
        # what is older can be asked for, and stands in front
        await blazz.database.write(blazz.scope, settings.ask_older, chat["id"], 50)
        await eventually(lambda: _bodies_are(blazz, ["six weeks ago", "last week"]), what="older messages on demand")
        (chat,) = await blazz.rows(chats_table)
        assert chat["last_preview"] == "last week"
        assert chat["more_on_phone"] is False
        assert await blazz.rows(phone_requests) == [], "it was answered"


async def test_a_phone_that_is_off_is_asked_again_and_answers_when_it_is_on(
    tmp_path: Path, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "ANSWER_WITHIN_S", (0.2, 0.2))
    phone, customer = [(await network.create_phone()).number for _ in range(2)]
    await network.history.add(phone, customer, "six weeks ago", time.time() - 42 * 86_400)
    await network.history.add(phone, customer, "last week", time.time() - 7 * 86_400)
    async with running(tmp_path / "blazz", network) as blazz:
        number = await blazz.link(phone)
        await done(blazz, number, messages=1)
        (chat,) = await blazz.rows(chats_table)
        await network.set_online(phone, False)
        await blazz.database.write(blazz.scope, settings.ask_older, chat["id"], 50)

        async def told() -> bool:
            view = await blazz.database.read(blazz.scope, import_overview.older, chat["id"])
            return (view.state, view.asked) == ("unanswered", 2)

        await eventually(told, what="that the phone does not answer")
        await network.set_online(phone, True)
        await eventually(lambda: _bodies_are(blazz, ["six weeks ago", "last week"]), what="the late answer")
        await eventually(lambda: _nothing_is_asked(blazz), what="the end of the question")


async def _nothing_is_asked(blazz: Blazz) -> bool:
    return await blazz.rows(phone_requests) == []
