"""Commands of a gateway find the instance that owns the session, and never the wrong one."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from sqlalchemy import update

from blazz.cluster.commands import OnWhatsApp, QrView
from blazz.cluster.pairing_commands import PasskeyView
from blazz.cluster.routing import OwnerDirectory, owner_changed
from blazz.cluster.tables import assignments
from blazz.events import Wakeups
from blazz.kit import time as clocks
from blazz.kit.errors import BlazzError, conflict, too_many
from blazz.kit.metrics import REGISTRY
from blazz.kit.signing import InternalKeys
from blazz.kit.time import utc_now
from tests.support.databases import open_database
from tests.support.internal import SCOPE, Stand, stand
from tests.support.waiting import eventually

pytestmark = pytest.mark.anyio


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Stand]:
    async with stand(tmp_path) as built:
        yield built


async def failure(call: object) -> BlazzError:
    with pytest.raises(BlazzError) as caught:
        await call  # type: ignore[misc]
    return caught.value


async def test_every_command_reaches_the_owner_and_its_answer_comes_back(gateway: Stand) -> None:
    one, other = await gateway.instance("a"), await gateway.instance("b")
    account_id = await gateway.assign("b")
    other.sessions.shown = QrView("2@abc", 3, utc_now())
    commands, at = gateway.commands, utc_now()
    await commands.connect(account_id, use_qr=False)
    assert (await commands.pairing_code(account_id, "+6281")).code == "ABCD-EFGH"
    assert await commands.qr(account_id) == other.sessions.shown
    await commands.typing(account_id, "6281@s.whatsapp.net", "recording")
    await commands.mark_read(account_id, "6281@s.whatsapp.net", "", ["A", "B"], at)
    assert await commands.on_whatsapp(account_id, ["+6281"]) == [OnWhatsApp("+6281", True, "6281@s.whatsapp.net", None)]
    await commands.log_out(account_id)
    await commands.disconnect(account_id)
    assert other.sessions.asked == [
        ("connect", account_id, False),
        ("pairing_code", account_id, "+6281"),
        ("qr", account_id),
        ("typing", account_id, "6281@s.whatsapp.net", "recording"),
        ("mark_read", account_id, "6281@s.whatsapp.net", "", ["A", "B"], at),
        ("on_whatsapp", account_id, ["+6281"]),
        ("log_out", account_id),
        ("disconnect", account_id),
    ]
    assert not one.sessions.asked
    assert gateway.directory.queries == 1


async def test_a_passkey_is_asked_for_and_answered_at_the_owner(gateway: Stand) -> None:
    owner = await gateway.instance("a")
    account_id = await gateway.assign("a")
    commands = gateway.commands
    assert await commands.passkey(account_id) is None
    asked = PasskeyView("challenge", {"rpId": "whatsapp.com", "allowCredentials": []}, None, utc_now())
    owner.sessions.passkeys[account_id] = asked
    assert await commands.passkey(account_id) == asked
    await commands.answer_passkey(account_id, "{}")
    await commands.confirm_passkey(account_id)
    assert owner.sessions.asked[-2:] == [("answer_passkey", account_id, "{}"), ("confirm_passkey", account_id)]
    assert await commands.passkey(uuid.uuid4()) is None


async def test_what_the_instance_answers_is_what_the_caller_sees(gateway: Stand) -> None:
    owner = await gateway.instance("a")
    account_id = await gateway.assign("a")
    owner.sessions.failure = conflict("not_linked", "This number is not linked to a phone.")
    error = await failure(gateway.commands.log_out(account_id))
    assert (error.code, error.status, error.detail) == ("not_linked", 409, "This number is not linked to a phone.")
    owner.sessions.failure = too_many("Slower.", retry_after_s=7)
    error = await failure(gateway.commands.connect(account_id))
    assert (error.status, error.headers) == (429, {"Retry-After": "7"})
    assert (await failure(gateway.commands.on_whatsapp(account_id, []))).status == 422
    await gateway.commands.typing(account_id, "6281@s.whatsapp.net", "paused")  # best effort: no error


async def test_a_session_that_moved_after_it_was_looked_up_is_found_again(gateway: Stand) -> None:
    old, new = await gateway.instance("a"), await gateway.instance("b")
    account_id = await gateway.assign("a")
    await gateway.commands.connect(account_id)
    await gateway.move(account_id, "b")
    stale = REGISTRY.get_sample_value("blazz_owner_stale_total") or 0
    await gateway.commands.disconnect(account_id)
    assert old.sessions.asked == [("connect", account_id, True)]
    assert new.sessions.asked == [("disconnect", account_id)]
    assert REGISTRY.get_sample_value("blazz_owner_stale_total") == stale + 1
    assert gateway.directory.queries == 2


async def test_a_former_owner_that_still_runs_the_session_is_not_believed_for_long(gateway: Stand) -> None:
    old, new = await gateway.instance("a"), await gateway.instance("b")
    account_id = await gateway.assign("a")
    old.epochs[account_id] = 1
    await gateway.commands.qr(account_id)
    await gateway.move(account_id, "b")
    await gateway.commands.connect(account_id)
    assert [name for name, *_ in old.sessions.asked] == ["qr"]
    assert [name for name, *_ in new.sessions.asked] == ["connect"]
    await gateway.move(account_id, "a")  # and back: the old registry entry has an epoch that nobody believes in
    old.epochs[account_id] = 1
    await gateway.move(account_id, "b")
    await gateway.commands.qr(account_id)
    assert [name for name, *_ in new.sessions.asked] == ["connect", "qr"]


async def test_a_session_between_two_owners_is_refused_in_a_sentence(gateway: Stand) -> None:
    await gateway.instance("a")
    account_id = await gateway.assign("a", generation=5)  # the row names a start of "a" that does not answer
    error = await failure(gateway.commands.connect(account_id))
    assert (error.code, error.status) == ("owner_unreachable", 503)
    assert "is just moving" in error.detail


async def test_an_instance_that_was_started_anew_is_found_under_its_new_generation(gateway: Stand) -> None:
    first = await gateway.instance("a")
    account_id = await gateway.assign("a")
    await gateway.commands.qr(account_id)
    await first.server.stop()
    second = await gateway.instance("a", generation=2)
    await gateway.move(account_id, "a", generation=2)
    await gateway.commands.connect(account_id)
    assert second.sessions.asked == [("connect", account_id, True)]


async def test_an_owner_that_is_gone_is_not_connected_twice(gateway: Stand) -> None:
    owner = await gateway.instance("a")
    account_id = await gateway.assign("a")
    await gateway.commands.qr(account_id)
    await owner.server.stop()
    error = await failure(gateway.commands.connect(account_id))
    assert (error.code, error.status) == ("owner_unreachable", 503)
    assert "Instance a cannot be reached" in error.detail
    await gateway.register("a", owner.server.url, state="dead")
    error = await failure(gateway.commands.connect(account_id))
    assert "moves to another instance" in error.detail
    assert await failure(gateway.commands.disconnect(account_id)) == conflict(
        "session_not_running", "This number is not running. Connect it first."
    )
    successor = await gateway.instance("b")
    await gateway.move(account_id, "b")
    await gateway.commands.connect(account_id)
    assert successor.sessions.asked == [("connect", account_id, True)]


async def test_a_number_in_the_queue_says_that_it_waits_for_room(gateway: Stand) -> None:
    await gateway.register("a", "http://127.0.0.1:1", state="dead")
    account_id = await gateway.assign("a")
    assert (await failure(gateway.commands.connect(account_id))).code == "owner_unreachable"
    queued = {"queued_at": utc_now(), "queue_reason": "All 2 instances are full."}
    statement = update(assignments).where(assignments.c.id == account_id)
    await gateway.database.write(SCOPE, lambda tx: tx.execute(statement.values(queued)))
    for asked in (
        gateway.commands.on_whatsapp(account_id, ["+6281"]),
        gateway.commands.mark_read(account_id, "6281@s.whatsapp.net", "", ["A"], utc_now()),
    ):
        error = await failure(asked)
        assert (error.code, error.status, error.headers) == (
            "account_waiting_for_capacity",
            503,
            {"Retry-After": "30"},
        )
        assert "All 2 instances are full." in error.detail
    assert (await failure(gateway.commands.disconnect(account_id))).code == "session_not_running"
    successor = await gateway.instance("b")
    await gateway.move(account_id, "b")
    await gateway.commands.connect(account_id)
    assert successor.sessions.asked == [("connect", account_id, True)]


async def test_a_session_that_nobody_owns_is_not_running(gateway: Stand) -> None:
    for account_id in (await gateway.assign(None), uuid.uuid4()):
        assert (await failure(gateway.commands.connect(account_id))).code == "session_not_running"
        assert await gateway.commands.qr(account_id) is None


async def test_a_half_open_connection_ends_in_time_with_a_clear_error(tmp_path: Path) -> None:
    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while await reader.read(4096):
                pass
        writer.close()

    async with stand(tmp_path, call_s=0.5) as gateway:
        silent = await asyncio.start_server(swallow, "127.0.0.1", 0)
        port = silent.sockets[0].getsockname()[1]
        await gateway.register("a", f"http://127.0.0.1:{port}")
        account_id = await gateway.assign("a")
        began = time.monotonic()
        error = await failure(gateway.commands.connect(account_id))
        assert time.monotonic() - began < 3
        assert (error.code, error.status) == ("owner_unreachable", 503)
        assert "Whether it did this is not known" in error.detail
        assert not len(gateway.directory), "the next call asks the database first"
        silent.close()


async def test_a_wrong_process_on_the_port_is_not_believed(gateway: Stand) -> None:
    async def pretend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
        await writer.drain()
        writer.close()

    liar = await asyncio.start_server(pretend, "127.0.0.1", 0)
    await gateway.register("a", f"http://127.0.0.1:{liar.sockets[0].getsockname()[1]}")
    error = await failure(gateway.commands.connect(await gateway.assign("a")))
    assert (error.code, error.status) == ("answer_not_signed", 503)
    liar.close()
    await gateway.instance("b", keys=InternalKeys(b"x" * 32))
    error = await failure(gateway.commands.connect(await gateway.assign("b")))
    assert "it says signature_wrong" in error.detail


@pytest.mark.parametrize("hours", [1, -1])
async def test_a_gateway_whose_clock_is_wrong_is_told_by_how_much(
    gateway: Stand, hours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = await gateway.instance("a")
    account_id = await gateway.assign("a")
    real, signing = clocks.wall_clock_ms, "blazz.kit.signing.calls.wall_clock_ms"
    monkeypatch.setattr(signing, lambda: real() + hours * 3_600_000)
    error = await failure(gateway.commands.connect(account_id))
    assert (error.code, error.status) == ("signature_expired", 503), "the user's own key is in order"
    assert f"3600 s {'ahead of' if hours > 0 else 'behind'} the clock of a" in error.detail
    assert not owner.sessions.asked
    monkeypatch.setattr(signing, real)
    await gateway.commands.connect(account_id)


async def test_look_ups_that_wait_together_share_a_query(gateway: Stand) -> None:
    await gateway.register("a", "http://127.0.0.1:1")
    ids = [await gateway.assign("a") for _ in range(40)]
    found = await asyncio.gather(*(gateway.directory.find(account_id) for account_id in ids * 25))
    assert {owner.instance_id for owner in found if owner is not None} == {"a"}
    assert len(found) == 1000 and None not in found
    assert gateway.directory.queries <= 2


async def test_a_gateway_that_starts_reads_all_owners_at_once(gateway: Stand) -> None:
    await gateway.register("a", "http://127.0.0.1:1")
    await gateway.register("gone", "http://127.0.0.1:1", state="dead")
    ids = [await gateway.assign("a") for _ in range(30)]
    await gateway.assign("gone")
    await gateway.assign(None)
    another = OwnerDirectory(gateway.database)
    await another.start()
    await another.filled.wait()
    assert len(another) == 30
    assert {owner.instance_id for owner in [await another.find(key) for key in ids] if owner is not None} == {"a"}
    assert another.queries == 1
    await another.stop()


async def test_the_directory_is_bounded_and_forgets_what_was_not_used(tmp_path: Path) -> None:
    async with stand(tmp_path, size=3) as gateway:
        await gateway.register("a", "http://127.0.0.1:1")
        ids = [await gateway.assign("a") for _ in range(5)]
        for account_id in ids:
            await gateway.directory.find(account_id)
            await gateway.directory.find(ids[0])
        assert len(gateway.directory) == 3
        before = gateway.directory.queries
        await gateway.directory.find(ids[0])
        assert gateway.directory.queries == before
        await gateway.directory.find(ids[1])
        assert gateway.directory.queries == before + 1


async def test_hints_take_owners_away_one_by_one_and_by_instance(gateway: Stand) -> None:
    for name in ("a", "b"):
        await gateway.register(name, "http://127.0.0.1:1")
    moved, lost, stays = await gateway.assign("a"), await gateway.assign("b"), await gateway.assign("a")
    find = gateway.directory.find
    for account_id in (moved, lost, stays):
        await find(account_id)
    await gateway.move(moved, "b")
    await gateway.database.write(SCOPE, owner_changed, moved)
    found = await find(moved)
    assert found is not None
    assert (found.instance_id, found.epoch) == ("b", 2)
    await gateway.register("b", "http://127.0.0.1:1", state="dead")
    Wakeups.shared().notify("cluster")
    await eventually(lambda: len(gateway.directory) == 1, what="sessions of the dead instance forgotten")
    before = gateway.directory.queries
    assert await find(stays) is not None
    assert gateway.directory.queries == before
    gone = await find(lost)
    assert gone is not None
    assert not gone.reachable
    assert len(gateway.directory) == 1, "what cannot be reached is not remembered"


async def test_an_answer_older_than_a_hint_is_not_remembered(gateway: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    await gateway.register("a", "http://127.0.0.1:1")
    account_id = await gateway.assign("a")
    arrived, go_on = asyncio.Event(), asyncio.Event()
    read = gateway.database.read

    async def slow(*args: object) -> object:
        answer: object = await read(*args)  # type: ignore[arg-type]
        arrived.set()
        await go_on.wait()
        return answer

    monkeypatch.setattr(gateway.database, "read", slow)
    look_up = asyncio.create_task(gateway.directory.find(account_id))
    await arrived.wait()
    Wakeups.shared().notify(f"owner:{account_id}")
    again = asyncio.create_task(gateway.directory.find(account_id))
    go_on.set()
    await look_up
    await again
    assert gateway.directory.queries == 2, "who asked after the hint got an answer from after it"


async def test_a_database_that_fails_fails_the_call_and_not_the_directory(
    gateway: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    await gateway.instance("a")
    account_id = await gateway.assign("a")

    async def refuse(*args: object) -> object:
        raise BlazzError("database_unavailable", "Away.", 503)

    with monkeypatch.context() as broken:
        broken.setattr(gateway.database, "read", refuse)
        assert (await failure(gateway.commands.connect(account_id))).code == "database_unavailable"
    await gateway.commands.connect(account_id)


async def test_stopping_tells_those_who_wait(gateway: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*args: object) -> object:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(gateway.database, "read", never)
    waiting = [asyncio.create_task(gateway.directory.find(uuid.uuid4())) for _ in range(3)]
    reading: Callable[[], bool] = lambda: gateway.directory.queries > 0  # noqa: E731 - typed for `eventually`
    await eventually(reading)
    waiting.append(asyncio.create_task(gateway.directory.find(uuid.uuid4())))
    await asyncio.sleep(0)
    await gateway.directory.stop()
    assert [(await failure(task)).code for task in waiting] == ["shutting_down"] * 4


@pytest.mark.every_database
async def test_owners_are_found_on_every_database(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blazz.cluster.routing._PER_PAGE", 3)
    async with open_database(database_url) as database, stand(tmp_path, database) as gateway:
        old, new = await gateway.instance("a"), await gateway.instance("b")
        ids = [await gateway.assign("a") for _ in range(7)]
        another = OwnerDirectory(database, size=100)
        await another.start()
        await another.filled.wait()
        assert (len(another), another.queries) == (7, 3)
        await gateway.commands.connect(ids[0])
        await gateway.move(ids[0], "b")
        await gateway.commands.connect(ids[0])
        await database.write(SCOPE, owner_changed, ids[0])
        found = await another.find(ids[0])
        assert found is not None
        assert (found.instance_id, found.url, found.epoch) == ("b", new.server.url, 2)
        assert (len(old.sessions.asked), len(new.sessions.asked)) == (1, 1)
        await another.stop()
