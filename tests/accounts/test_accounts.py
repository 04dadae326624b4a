"""Numbers of a workspace through the API: their list, linking, ending, and who may."""

from __future__ import annotations

import datetime as dt
import io
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import select

from blazz.accounts import service
from blazz.cluster.commands import QrView
from blazz.cluster.tables import assignments
from blazz.kit.db import Platform, Tx, Workspaces
from blazz.kit.errors import conflict, unavailable
from blazz.kit.http import NetworkInfo
from blazz.kit.time import utc_now
from tests.accounts.owner_of_sessions import Sessions
from tests.support.app import Person, Running, problem, run_app

pytestmark = [pytest.mark.anyio, pytest.mark.every_database]
PHONE = "+628110000001"


async def add(person: Person, **body: Any) -> dict[str, Any]:
    answer = await person.post("/accounts", body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def read(person: Person, account: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = (await person.get(f"/accounts/{account['id']}")).json()
    return found


async def report(person: Person, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Write as an instance does that serves this workspace among others."""
    scope = Workspaces.of([person.workspace_id])
    return await person.running.database.write(scope, work, *args, **kwargs)


async def link(person: Person, account: dict[str, Any], phone: str = PHONE) -> list[uuid.UUID]:
    account_id = uuid.UUID(account["id"])
    losers: list[uuid.UUID] = await report(
        person,
        service.linked,
        person.workspace_id,
        account_id,
        jid=f"{phone[1:]}:1@s.whatsapp.net",
        lid=None,
        phone=phone,
        push_name="Toko",
    )
    await status(person, account, "connecting")
    await status(person, account, "connected", claim_until=utc_now() + dt.timedelta(minutes=1))
    return losers


async def status(person: Person, account: dict[str, Any], name: str, **facts: Any) -> bool:
    changed: bool = await report(
        person, service.set_status, uuid.UUID(account["id"]), person.workspace_id, name, **facts
    )
    return changed


async def told(person: Person) -> list[tuple[str, dict[str, Any]]]:
    listed = (await person.get("/events", after=0)).json()["data"]
    return [(event["name"], event["data"]) for event in listed]


async def wanted(running: Running, account: dict[str, Any]) -> str | None:
    def work(tx: Tx) -> str | None:
        return tx.scalar(select(assignments.c.wanted).where(assignments.c.id == uuid.UUID(account["id"])))  # type: ignore[no-any-return]

    return await running.database.read(Platform("test"), work)


async def test_a_new_number_is_not_linked_and_gets_a_name_if_none_is_given(owner: Person) -> None:
    named, unnamed = await add(owner, name="  Sales "), await add(owner)
    assert (named["name"], unnamed["name"]) == ("Sales", "Number 2")
    assert (named["status"], named["phone"], named["is_primary"]) == ("disconnected", None, False)
    assert ("account.created", {"account_id": named["id"]}) in await told(owner)


async def test_the_list_is_paged_in_the_order_of_creation(owner: Person) -> None:
    made = [(await add(owner, name=f"{index}"))["id"] for index in range(5)]
    seen, cursor = [], None
    for _ in range(5):
        page = (await owner.get("/accounts", limit=2, **({"cursor": cursor} if cursor else {}))).json()
        seen += [account["id"] for account in page["data"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == made


@pytest.mark.sqlite_is_enough
@pytest.mark.parametrize(
    "body",
    [{"name": ""}, {"name": "  "}, {"name": "x" * 129}, {"name": 7}, {"phone": "+62811"}, {"name": "a\x00b"}, []],
    ids=range(7),
)
async def test_a_wrong_number_is_refused(owner: Person, body: Any) -> None:
    problem(await owner.post("/accounts", body), 422, "invalid_request")
    assert (await owner.get("/accounts")).json()["data"] == []


async def test_renaming_and_choosing_the_primary_number(owner: Person) -> None:
    first, second = await add(owner), await add(owner)
    await link(owner, first)
    assert (await read(owner, first))["is_primary"]
    changed = await owner.patch(f"/accounts/{second['id']}", {"name": "Support", "is_primary": True})
    assert (changed.json()["name"], changed.json()["is_primary"]) == ("Support", True)
    assert not (await read(owner, first))["is_primary"]
    problem(await owner.patch(f"/accounts/{second['id']}", {"is_primary": False}), 409, "primary_needed")


async def test_connecting_stores_the_wish_and_starts_the_session(
    running: Running, owner: Person, sessions: Sessions
) -> None:
    account = await add(owner)
    answer = await owner.post(f"/accounts/{account['id']}/connect")
    assert answer.status_code == 202, answer.text
    assert answer.json()["status"] == "connecting"
    assert sessions.asked == [("connect", uuid.UUID(account["id"]))]
    assert await wanted(running, account) == "running"


async def test_a_wish_outlives_an_instance_that_does_not_answer(
    running: Running, owner: Person, sessions: Sessions
) -> None:
    account = await add(owner)
    sessions.failure = unavailable("engine_unavailable", "The engine host does not answer.")
    problem(await owner.post(f"/accounts/{account['id']}/connect"), 503, "engine_unavailable")
    assert await wanted(running, account) == "running"


async def test_connecting_without_an_instance_or_without_room_says_so(tmp_path: Path) -> None:
    async with run_app(tmp_path) as running:
        owner = await running.owner()
        one, two = await add(owner), await add(owner)
        problem(await owner.post(f"/accounts/{one['id']}/connect"), 503, "no_instance")
        await Sessions.start(running, capacity=1)
        assert (await owner.post(f"/accounts/{one['id']}/connect")).status_code == 202
        problem(await owner.post(f"/accounts/{two['id']}/connect"), 409, "no_capacity")
        assert (await read(owner, two))["status"] == "disconnected"


async def test_linking_is_tried_only_so_often_on_the_real_network(tmp_path: Path) -> None:
    async with run_app(tmp_path, max_qr_starts_per_hour=2) as running:
        owner = await running.owner()
        await Sessions.start(running)
        account = await add(owner)
        for _ in range(4):
            assert (await owner.post(f"/accounts/{account['id']}/connect")).status_code == 202
        running.app.state.network = NetworkInfo("whatsapp", False)
        refused = await owner.post(f"/accounts/{account['id']}/connect")
        problem(refused, 429, "too_many_qr_starts")
        assert 0 < int(refused.headers["retry-after"]) <= 3601
        await link(owner, account)
        assert (await owner.post(f"/accounts/{account['id']}/connect")).status_code == 202


async def test_disconnecting_keeps_the_pairing_whether_a_session_runs_or_not(
    running: Running, owner: Person, sessions: Sessions
) -> None:
    account = await add(owner)
    await owner.post(f"/accounts/{account['id']}/connect")
    await link(owner, account)
    for failure in (None, conflict("session_not_running", "not running")):
        sessions.failure = failure
        answer = await owner.post(f"/accounts/{account['id']}/disconnect")
        assert answer.status_code == 202
        shown = answer.json()
        assert (shown["status"], shown["disconnect_reason"], shown["phone"]) == (
            "disconnected",
            "user_initiated",
            PHONE,
        )
    assert await wanted(running, account) == "stopped"


async def test_logging_out_removes_the_pairing_and_stays_logged_out(
    running: Running, owner: Person, sessions: Sessions
) -> None:
    account = await add(owner)
    await owner.post(f"/accounts/{account['id']}/connect")
    await link(owner, account)
    shown = (await owner.post(f"/accounts/{account['id']}/logout")).json()
    assert (shown["status"], shown["disconnect_reason"]) == ("logged_out", "user_initiated")
    assert ("log_out", uuid.UUID(account["id"])) in sessions.asked
    assert await wanted(running, account) == "stopped"
    assert (await owner.post(f"/accounts/{account['id']}/disconnect")).json()["status"] == "logged_out"


async def test_a_deleted_number_is_gone_even_without_an_instance(owner: Person, sessions: Sessions) -> None:
    account, other = await add(owner), await add(owner)
    await link(owner, account)
    await link(owner, other, "+628110000002")
    sessions.failure = unavailable("engine_unavailable", "away")
    assert (await owner.delete(f"/accounts/{account['id']}")).status_code == 204
    assert sessions.asked == [("log_out", uuid.UUID(account["id"]))]
    problem(await owner.get(f"/accounts/{account['id']}"), 404, "not_found")
    problem(await owner.delete(f"/accounts/{account['id']}"), 404, "not_found")
    listed = (await owner.get("/accounts")).json()["data"]
    assert [(item["id"], item["is_primary"]) for item in listed] == [(other["id"], True)]


async def test_a_pairing_code_is_asked_for_by_a_readable_number(owner: Person, sessions: Sessions) -> None:
    account = await add(owner)
    answer = await owner.post(f"/accounts/{account['id']}/pairing-code", {"phone": "+62 811-0000-001"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["code"] == "ABCD-EFGH"
    assert answer.headers["cache-control"] == "no-store"
    assert sessions.asked == [("pairing_code", uuid.UUID(account["id"]), PHONE)]
    for wrong in ("", "hello", "+1", "+" + "9" * 60):
        problem(await owner.post(f"/accounts/{account['id']}/pairing-code", {"phone": wrong}), 422)
    await link(owner, account)
    problem(await owner.post(f"/accounts/{account['id']}/pairing-code", {"phone": PHONE}), 409, "already_linked")


async def test_the_code_shown_now_comes_as_json_picture_and_terminal_text(owner: Person, sessions: Sessions) -> None:
    account = await add(owner)
    for suffix in ("qr", "qr.png", "qr.txt"):
        problem(await owner.get(f"/accounts/{account['id']}/{suffix}"), 404, "no_qr")
    code = "2@" + "aB3/" * 50
    sessions.shown[uuid.UUID(account["id"])] = QrView(code, 2, utc_now() + dt.timedelta(seconds=20))
    shown = await owner.get(f"/accounts/{account['id']}/qr")
    assert (shown.json()["code"], shown.json()["number"]) == (code, 2)
    assert shown.json()["svg"].startswith("<svg")
    assert shown.headers["cache-control"] == "no-store"
    picture = await owner.get(f"/accounts/{account['id']}/qr.png")
    with Image.open(io.BytesIO(picture.content)) as image:
        assert image.format == "PNG"
        assert image.width == image.height
    text = await owner.get(f"/accounts/{account['id']}/qr.txt")
    assert text.headers["content-type"].startswith("text/plain")
    assert len(text.text.splitlines()) > 20


async def test_a_claim_that_is_not_renewed_reads_unknown(owner: Person) -> None:
    account = await add(owner)
    await link(owner, account)
    assert (await read(owner, account))["status"] == "connected"
    await status(owner, account, "connected", claim_until=utc_now() - dt.timedelta(seconds=1))
    assert (await read(owner, account))["status"] == "unknown"
    until = utc_now() + dt.timedelta(minutes=1)
    await report(owner, service.renew_claims, [owner.workspace_id], [uuid.UUID(account["id"])], until)
    shown = await read(owner, account)
    assert (shown["status"], shown["statistics"]["health_score"]) == ("connected", 100)


async def test_a_report_that_comes_too_late_changes_nothing(owner: Person) -> None:
    account = await add(owner)
    await link(owner, account)
    assert await status(owner, account, "logged_out", reason="logged_out_on_phone")
    assert not await status(owner, account, "connected")
    shown = await read(owner, account)
    assert (shown["status"], shown["disconnect_reason"], shown["phone"]) == ("logged_out", "logged_out_on_phone", PHONE)
    names = [name for name, _ in await told(owner)]
    assert names.count("session.connected") == 1
    assert names[-1] == "session.disconnected"


async def test_the_same_number_linked_again_belongs_to_the_newer_entry(
    running: Running, owner: Person, sessions: Sessions
) -> None:
    older, newer = await add(owner), await add(owner)
    await owner.post(f"/accounts/{older['id']}/connect")
    await link(owner, older)
    assert await link(owner, newer) == [uuid.UUID(older["id"])]
    lost, won = await read(owner, older), await read(owner, newer)
    assert (lost["status"], lost["phone"], lost["disconnect_reason"], lost["is_primary"]) == (
        "failed",
        None,
        "replaced",
        False,
    )
    assert (won["status"], won["phone"], won["push_name"], won["is_primary"]) == ("connected", PHONE, "Toko", True)
    assert await wanted(running, older) == "stopped"


async def test_the_same_number_in_two_workspaces_disturbs_nobody(running: Running, owner: Person) -> None:
    stranger = await running.stranger()
    mine, theirs = await add(owner), await add(stranger)
    await link(owner, mine)
    assert await link(stranger, theirs) == []
    assert (await read(owner, mine))["status"] == "connected"


async def test_numbers_of_another_workspace_do_not_exist(running: Running, owner: Person, sessions: Sessions) -> None:
    account = await add(owner)
    stranger = await running.stranger()
    path = f"/accounts/{account['id']}"
    assert (await stranger.get("/accounts")).json()["data"] == []
    for suffix in ("", "/qr", "/qr.png", "/qr.txt"):
        problem(await stranger.get(path + suffix), 404, "not_found")
    for suffix in ("/connect", "/disconnect", "/logout"):
        problem(await stranger.post(path + suffix), 404, "not_found")
    problem(await stranger.post(path + "/pairing-code", {"phone": PHONE}), 404, "not_found")
    problem(await stranger.patch(path, {"name": "Mine"}), 404, "not_found")
    problem(await stranger.delete(path), 404, "not_found")
    assert sessions.asked == []
    assert (await read(owner, account))["name"] == "Number 1"


async def test_an_agent_sees_numbers_and_cannot_change_them_or_read_codes(running: Running, owner: Person) -> None:
    account = await add(owner)
    agent = await running.member(owner, "agent", "agent@example.org")
    assert len((await agent.get("/accounts")).json()["data"]) == 1
    problem(await agent.get(f"/accounts/{account['id']}/qr"), 403, "scope_missing")
    problem(await agent.post("/accounts", {}), 403, "scope_missing")
    problem(await agent.post(f"/accounts/{account['id']}/connect"), 403, "scope_missing")
    problem(await agent.delete(f"/accounts/{account['id']}"), 403, "scope_missing")
