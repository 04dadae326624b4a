"""The cluster through the API of administrators: what they see, what they may do, and who is kept out."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from blazz.cluster import advising, client_alarm, membership, platform_log, retention
from blazz.cluster.controller import Controller
from blazz.identity.caller import ALL_SCOPES
from blazz.kit.db import Platform, Tx
from blazz.kit.ids import uuid7
from blazz.kit.time import utc_now
from tests.support.app import Person, Running, problem
from tests.support.operators import PATH, TEST, Stand
from tests.support.server import Follower, serve
from tests.support.waiting import eventually

pytestmark = pytest.mark.anyio


@pytest.fixture
async def stand(running: Running, owner: Person) -> Stand:
    return await Stand.of(running, owner)


# -- who gets in ----------------------------------------------------------------------------------------------------


async def test_only_administrators_of_the_installation_get_in(stand: Stand, running: Running) -> None:
    manager = await running.member(stand.admin, "manager", "manager@example.org")
    stranger = await running.stranger()  # who owns a workspace
    for person in (manager, stranger):
        problem(await person.get(PATH), 403, "forbidden")
        problem(await person.post(f"{PATH}/instances/instance-a/drain"), 403, "forbidden")
    key = await stand.admin.program(*sorted(ALL_SCOPES))
    problem(await key.get(f"/api/v1{PATH}"), 403, "user_required")
    problem(await (await running.browser()).get(f"/api/v1{PATH}"), 401, "unauthenticated")
    assert (await stand.see())["running"] == []
    assert (await stand.see("/operations"))["data"] == []


async def test_the_page_learns_who_is_an_administrator(stand: Stand, running: Running) -> None:
    assert (await stand.admin.get("/me")).json()["user"]["platform_admin"] is True
    assert (await (await running.stranger()).get("/me")).json()["user"]["platform_admin"] is False


async def test_acting_needs_the_token_against_foreign_pages(stand: Stand) -> None:
    del stand.admin.browser.headers["X-CSRF-Token"]
    problem(await stand.admin.post(f"{PATH}/rebalance", {}), 403, "csrf_failed")


# -- what they see --------------------------------------------------------------------------------------------------


async def test_the_overview_tells_once_that_the_client_is_refused(stand: Stand, running: Running) -> None:
    assert (await stand.see())["client_refused"] is None
    scope = Platform("test")
    for _ in range(2):
        for instance in ("instance-a", "instance-b"):
            await running.database.write(scope, client_alarm.refused, instance, "2.3000.1")
    seen = (await stand.see())["client_refused"]
    assert (seen["versions"], seen["instances"]) == (["2.3000.1"], ["instance-a", "instance-b"])
    await running.database.write(scope, client_alarm.accepted, "instance-a")
    assert (await stand.see())["client_refused"]["instances"] == ["instance-b"]
    await running.database.write(scope, client_alarm.accepted, "instance-b")
    assert (await stand.see())["client_refused"] is None
    names = [event["name"] for event in (await stand.see("/events"))["data"]]
    assert [name for name in reversed(names) if name.startswith("client.")] == ["client.refused", "client.accepted"]


@pytest.mark.every_database
async def test_the_overview_tells_loads_states_and_whether_one_may_fail(stand: Stand) -> None:
    for _ in range(4):
        await stand.number()
    seen = await stand.see()
    first, second = seen["instances"]
    assert (first["id"], first["state"], first["capacity"], first["version"]) == ("instance-a", "healthy", 5, "1.2.3")
    assert first["sessions"] + second["sessions"] == 4
    assert max(first["utilization"], second["utilization"]) == 0.8, "a workspace stays together"
    assert first["memory_share"] == 0.0 and first["heartbeat_age_s"] < 60 and not first["silent"]
    assert seen["totals"]["places"] == 10 and seen["totals"]["sessions"] == 4
    assert seen["n_minus_one"]["ok"] and seen["n_minus_one"]["places"] == 5
    assert (seen["leader"], seen["hold"], seen["queue_length"]) == (None, None, 0)
    for _ in range(2):
        await stand.number()
    alone = (await stand.see())["n_minus_one"]
    assert not alone["ok"] and "Add an instance" in alone["reason"]
    assert (await stand.see("/instances/instance-b"))["id"] == "instance-b"
    problem(await stand.admin.get(f"{PATH}/instances/instance-c"), 404, "not_found")
    problem(await stand.admin.get(f"{PATH}/instances/..%2Fetc"), 404)
    problem(await stand.admin.get(f"{PATH}/instances/-x"), 422, "invalid_request")


@pytest.mark.every_database
async def test_workspaces_are_listed_with_where_they_live(stand: Stand, running: Running) -> None:
    stranger = await running.stranger()
    await stand.number()
    for _ in range(2):
        await stand.number(stranger.workspace_id)
    both = (await stand.see("/workspaces"))["data"]
    assert {(one["name"], one["sessions"], one["split"]) for one in both} == {
        ("Shop", 1, False),
        ("Elsewhere", 2, False),
    }
    page = await stand.see("/workspaces", limit=1)
    rest = await stand.see("/workspaces", limit=1, cursor=page["next_cursor"])
    assert [one["name"] for one in page["data"] + rest["data"]] == [one["name"] for one in both]
    assert rest["next_cursor"] is None
    home = both[0]["instances"][0]["instance_id"]
    there = (await stand.see("/workspaces", instance_id=home))["data"]
    assert [one["name"] for one in there] == [both[0]["name"]]
    problem(await stand.admin.get(f"{PATH}/workspaces", instance_id="instance-c"), 404, "not_found")


async def test_a_number_tells_its_owner_where_it_lives(stand: Stand) -> None:
    account_id = await stand.number()
    never = (await stand.admin.post("/accounts", {"name": "Never connected"})).json()
    assert never["assigned_instance"] is None and never["instance_migration_count"] == 0
    shown = (await stand.admin.get(f"/accounts/{account_id}")).json()
    assert shown["assigned_instance"] == {"id": "instance-a", "index": 0}
    assert shown["statistics"]["session_file_size_bytes"] is None
    await stand.do("/migrate", {"workspace_id": str(stand.admin.workspace_id), "target_instance_id": "instance-b"})
    controller = await stand.lead()
    await controller.look()
    assert await stand.hand_over("instance-a") == 1
    listed = (await stand.admin.get("/accounts")).json()["data"]
    moved = next(one for one in listed if one["id"] == str(account_id))
    assert moved["assigned_instance"] == {"id": "instance-b", "index": 1}
    assert (moved["previous_instance_index"], moved["instance_migration_count"]) == (0, 1)
    assert moved["last_instance_migration_at"] is not None and moved["waiting_reason"] is None


# -- drain, resume, migrate, rebalance ------------------------------------------------------------------------------


@pytest.mark.every_database
async def test_a_drain_moves_everything_and_leaves_its_story(stand: Stand) -> None:
    ids = [await stand.number() for _ in range(3)]
    asked = await stand.do("/instances/instance-a/drain")
    assert (asked["kind"], asked["state"], asked["total"], asked["moved"]) == ("drain", "running", 3, 0)
    assert (asked["requested_by_name"], asked["requested_as"]) == ("Owner", "page")
    assert (await stand.do("/instances/instance-a/drain"))["id"] == asked["id"], "asking twice is asking once"
    assert (await stand.see("/instances/instance-a"))["state"] == "draining"
    controller = await stand.lead()

    async def over() -> bool:
        await controller.look()
        await stand.hand_over("instance-a")
        return bool((await stand.see(f"/operations/{asked['id']}"))["state"] == "done")

    await eventually(over)
    done = await stand.see(f"/operations/{asked['id']}")
    assert (done["moved"], done["progress"]) == (3, 1.0) and done["finished_at"] is not None
    story = (await stand.see("/moves", operation_id=asked["id"]))["data"]
    assert {move["account_id"] for move in story} == {str(one) for one in ids}
    assert {(move["reason"], move["from_instance_id"], move["to_instance_id"]) for move in story} == {
        ("drain", "instance-a", "instance-b")
    }
    assert {move["workspace_name"] for move in story} == {"Shop"}
    assert {move["account_name"] for move in story} == {"Number 1", "Number 2", "Number 3"}
    assert all(0 <= move["away_s"] < 60 for move in story)
    first = await stand.see("/moves", limit=2)
    rest = await stand.see("/moves", limit=2, cursor=first["next_cursor"])
    assert [one["id"] for one in first["data"] + rest["data"]] == [one["id"] for one in story]
    assert (await stand.see("/moves", instance_id="instance-b"))["data"] == story
    assert (await stand.see("/moves", instance_id="instance-c"))["data"] == []
    names = [event["name"] for event in (await stand.see("/events", after=0))["data"]]
    assert names.count("instance.up") == 2 and "instance.draining" in names and "cluster.operation" in names
    assert (await stand.see())["leader"]["holder"] == "worker-test"
    await stand.do("/instances/instance-a/resume", status=200)
    assert (await stand.see("/instances/instance-a"))["state"] == "healthy"
    assert (await stand.see("/operations"))["data"][0]["id"] == asked["id"], "the audit trail stays"


async def test_a_drain_without_anybody_to_take_the_sessions_is_refused(stand: Stand) -> None:
    await stand.number()
    b = membership.Registration("instance-b", 1, 1, 0)
    await stand.running.database.write(TEST, membership.sign_off, b)
    problem(await stand.admin.post(f"{PATH}/instances/instance-a/drain"), 409, "no_other_instance")
    problem(await stand.admin.post(f"{PATH}/instances/instance-b/drain"), 409, "instance_not_running")
    problem(await stand.admin.post(f"{PATH}/instances/instance-b/resume"), 409, "instance_not_running")
    problem(await stand.admin.post(f"{PATH}/instances/instance-c/drain"), 404, "not_found")
    problem(await stand.admin.post(f"{PATH}/instances/instance-c/resume"), 404, "not_found")
    assert (await stand.see())["totals"]["usable_instances"] == 1
    assert (await stand.see("/operations"))["data"] == []


async def test_an_empty_instance_is_drained_at_once_and_resumed(stand: Stand) -> None:
    asked = await stand.do("/instances/instance-a/drain")
    assert (asked["state"], asked["total"], asked["progress"]) == ("done", 0, 1.0)
    assert (await stand.see())["totals"]["usable_instances"] == 1
    await stand.number()
    assert (await stand.see("/instances/instance-a"))["sessions"] == 0, "it takes nothing"
    await stand.do("/instances/instance-a/resume", status=200)
    await stand.do("/instances/instance-a/resume", status=200)
    assert (await stand.see())["totals"]["usable_instances"] == 2


async def test_resuming_cancels_a_drain_and_a_migration_can_be_cancelled(stand: Stand) -> None:
    await stand.number()
    drain = await stand.do("/instances/instance-a/drain")
    await stand.do("/instances/instance-a/resume", status=200)
    over = await stand.see(f"/operations/{drain['id']}")
    assert (over["state"], over["detail"]) == ("cancelled", "Resumed (page).")
    problem(await stand.admin.post(f"{PATH}/operations/{drain['id']}/cancel"), 409, "operation_over")
    wish = {"workspace_id": str(stand.admin.workspace_id), "target_instance_id": "instance-b"}
    migration = await stand.do("/migrate", wish)
    assert migration["workspace_name"] == "Shop"
    assert (await stand.do("/migrate", wish))["id"] == migration["id"]
    back = {**wish, "target_instance_id": "instance-a"}
    problem(await stand.admin.post(f"{PATH}/migrate", back), 409, "migration_running")
    cancelled = await stand.do(f"/operations/{migration['id']}/cancel", status=200)
    assert (cancelled["state"], cancelled["detail"]) == ("cancelled", "Cancelled (page).")
    problem(await stand.admin.post(f"{PATH}/operations/{uuid7()}/cancel"), 404, "not_found")
    problem(await stand.admin.get(f"{PATH}/operations/{uuid7()}"), 404, "not_found")


async def test_a_migration_needs_a_workspace_an_instance_and_room(stand: Stand) -> None:
    await stand.register("instance-small", 1)
    for _ in range(2):
        await stand.number()
    here = str(stand.admin.workspace_id)
    for body, status, code in (
        ({"workspace_id": str(uuid7()), "target_instance_id": "instance-b"}, 404, "not_found"),
        ({"workspace_id": here, "target_instance_id": "instance-c"}, 404, "not_found"),
        ({"workspace_id": here, "target_instance_id": "instance-small"}, 409, "no_capacity"),
        ({"workspace_id": "x", "target_instance_id": "instance-b"}, 422, "invalid_request"),
    ):
        problem(await stand.admin.post(f"{PATH}/migrate", body), status, code)
    await stand.do("/instances/instance-b/drain")
    body = {"workspace_id": here, "target_instance_id": "instance-b"}
    problem(await stand.admin.post(f"{PATH}/migrate", body), 409, "instance_not_running")
    stays = await stand.do("/migrate", {"workspace_id": here, "target_instance_id": "instance-a"})
    assert (stays["state"], stays["total"]) == ("done", 0)


async def test_a_rebalance_is_previewed_and_runs_once(stand: Stand, running: Running) -> None:
    stranger = await running.stranger()
    await stand.do("/instances/instance-b/drain")
    await stand.number()
    for _ in range(2):
        await stand.number(stranger.workspace_id)
    await stand.do("/instances/instance-b/resume", status=200)
    preview = await stand.see("/rebalance/preview")
    assert preview["sessions"] == sum(move["sessions"] for move in preview["moves"]) > 0
    assert preview["imbalance_after"] < preview["imbalance_before"]
    assert {(move["from_instance_id"], move["to_instance_id"]) for move in preview["moves"]} == {
        ("instance-a", "instance-b")
    }
    assert {move["workspace_name"] for move in preview["moves"]} <= {"Shop", "Elsewhere"}
    assert sum(one["before"] for one in preview["instances"]) == sum(one["after"] for one in preview["instances"]) == 3
    assert (await stand.see())["running"] == [], "a preview moves nothing"
    problem(await stand.admin.get(f"{PATH}/rebalance/preview", mode="x"), 422, "invalid_request")
    asked = await stand.do("/rebalance", {"mode": "even"})
    assert (asked["total"], asked["mode"]) == (preview["sessions"], "even")
    problem(await stand.admin.post(f"{PATH}/rebalance", {}), 409, "rebalance_running")


# -- failure, advice, the log ---------------------------------------------------------------------------------------


async def test_sessions_that_fit_nowhere_wait_visibly(stand: Stand) -> None:
    for _ in range(5):
        await stand.number()
    await stand.register("instance-small", 1)
    b = membership.Registration("instance-b", 1, 1, 0)
    await stand.running.database.write(TEST, membership.sign_off, b)
    row = await stand.running.database.read(TEST, membership.find, "instance-a")
    assert row is not None
    await stand.running.database.write(
        TEST, lambda tx: membership.mark_dead(tx, "instance-a", row.generation, row.renewals, silent_s=6.2)
    )
    controller = await stand.lead()

    async def waiting() -> int:
        await controller.look()
        return int((await stand.see())["queue_length"])

    assert await eventually(waiting) == 4
    entries = (await stand.see("/queue"))["data"]
    assert {(one["workspace_name"], one["instance_id"]) for one in entries} == {("Shop", "instance-a")}
    assert all("Add an instance" in one["reason"] for one in entries)
    first = await stand.see("/queue", limit=3)
    rest = await stand.see("/queue", limit=3, cursor=first["next_cursor"])
    assert [one["account_id"] for one in first["data"] + rest["data"]] == [one["account_id"] for one in entries]
    failover = next(one for one in (await stand.see("/operations"))["data"] if one["kind"] == "failover")
    assert (failover["instance_id"], failover["requested_as"]) == ("instance-a", "controller")
    problem(await stand.admin.post(f"{PATH}/operations/{failover['id']}/cancel"), 409, "not_cancellable")
    waits = (await stand.admin.get(f"/accounts/{entries[0]['account_id']}")).json()
    assert "Add an instance" in waits["waiting_reason"]
    await stand.register("instance-new", 5)
    await eventually(lambda: _empty(stand, controller))
    assert (await stand.see("/queue"))["data"] == []


async def _empty(stand: Stand, controller: Controller) -> bool:
    await controller.look()
    return bool((await stand.see())["queue_length"] == 0)


async def test_advice_is_the_leaders_and_says_so_before_there_is_any(stand: Stand) -> None:
    before = await stand.see("/advice")
    assert (before["action"], before["reasons"], before["updated_at"]) == ("hold", ["not enough data"], None)
    controller = await stand.lead()
    advisor = advising.Advising(controller, stand.running.database, stand.settings)
    advisor.start()
    try:

        async def said() -> Any:
            await controller.look()
            answer = await stand.see("/advice")
            return answer if answer["updated_at"] else None

        advice = await eventually(said)
    finally:
        await advisor.stop()
    assert (advice["action"], advice["current"], advice["target"]) == ("up", 2, 4)
    assert advice["reasons"] == ["2 usable instances are fewer than the least of 4"]
    assert advice["signals"]["places"] == 10 and advice["signals"]["memory"] == 0.0


async def test_the_plan_stands_beside_the_originals_figures(stand: Stand) -> None:
    plan = await stand.see("/plan", sessions=3000)
    assert plan["instances"] >= 7 and plan["request"]["sessions"] == 3000
    assert [(row["sessions"], row["original"]) for row in plan["comparison"]] == [
        (1000, 350.0),
        (2000, 520.0),
        (3000, 1305.0),
    ]
    assert plan["monthly"] == pytest.approx(sum(line["monthly"] for line in plan["costs"]), abs=0.05)
    assert all(figure["how"] and figure["command"] for figure in plan["measured"])
    wrong = problem(await stand.admin.get(f"{PATH}/plan", sessions=0, months=0), 422, "invalid_plan")
    assert {error["field"] for error in wrong["errors"]} == {"sessions", "months"}
    problem(await stand.admin.get(f"{PATH}/plan"), 422, "invalid_request")


@pytest.mark.every_database
async def test_the_log_is_read_from_a_position_and_tells_when_it_is_gone(stand: Stand) -> None:
    log = await stand.see("/events", after=0)
    assert [event["position"] for event in log["data"]] == list(range(1, log["head"] + 1))
    assert [event["name"] for event in log["data"]] == ["instance.up", "instance.up"]
    assert (await stand.see("/events"))["data"] == log["data"][::-1], "without a position: the newest first"
    assert (await stand.see("/events", before=2))["data"] == log["data"][:1]
    assert (await stand.see("/events", after=2))["data"] == []
    problem(await stand.admin.get(f"{PATH}/events", after=9), 410, "position_expired")
    await retention.prune(stand.running.database, -1)
    await stand.running.database.write(TEST, _say)
    problem(await stand.admin.get(f"{PATH}/events", after=1), 410, "position_expired")
    assert [event["position"] for event in (await stand.see("/events", after=2))["data"]] == [3]


def _say(tx: Tx) -> None:
    platform_log.append(tx, "cluster.hold", {"instances": []})


async def test_the_log_is_followed_live_and_resumed(stand: Stand, running: Running) -> None:
    async with serve(running) as place:
        cookie = _cookie(stand.admin)
        async with Follower.open(place, path=f"{PATH}/ws", Cookie=cookie) as follower:
            assert await follower.frame() == {"type": "ready", "head": 2}
            await stand.do("/instances/instance-a/drain")
            event = (await follower.frame())["event"]
            assert (event["position"], event["name"]) == (3, "instance.draining")
            assert event == (await stand.see("/events", after=2, limit=1))["data"][0]
        async with Follower.open(place, query="?after=1", path=f"{PATH}/ws", Cookie=cookie) as follower:
            assert await follower.positions(2) == [2, 3]
        for query, code in (("?after=x", 4400), ("?after=99", 4410)):
            async with Follower.open(place, query=query, path=f"{PATH}/ws", Cookie=cookie) as follower:
                assert await follower.close_code() == code


async def test_figures_that_change_without_an_event_are_hinted_at(stand: Stand, running: Running) -> None:
    async with (
        serve(running) as place,
        Follower.open(place, path=f"{PATH}/ws", Cookie=_cookie(stand.admin)) as follower,
    ):
        await follower.frame()

        def progress(tx: Tx) -> None:
            membership.wake(tx, [])

        await running.database.write(TEST, progress)
        assert (await follower.frame())["event"]["name"] == "cluster.changed"


async def test_nobody_else_may_follow(stand: Stand, running: Running) -> None:
    async with serve(running) as place:
        stranger = await running.stranger()
        key = await stand.admin.key("events:read")
        for headers, code in (
            ({}, 4401),
            ({"Cookie": _cookie(stranger)}, 4403),
            ({"Authorization": f"Bearer {key}"}, 4403),
            ({"Cookie": _cookie(stand.admin), "Origin": "https://evil.example"}, 4403),
        ):
            async with Follower.open(place, path=f"{PATH}/ws", **headers) as follower:
                assert await follower.close_code() == code


async def test_an_instance_that_does_not_renew_is_shown_as_silent(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = utc_now() + dt.timedelta(seconds=30)
    monkeypatch.setattr("blazz.admin.views.utc_now", lambda: later)
    shown = await stand.see("/instances/instance-a")
    assert shown["silent"] and shown["state"] == "healthy" and 29 < shown["heartbeat_age_s"] < 60


def _cookie(person: Person) -> str:
    return "; ".join(f"{name}={value}" for name, value in person.browser.cookies.items())
