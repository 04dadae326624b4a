"""Failover: sessions of an instance that is gone find new owners, and nobody is taken for gone who is not."""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import replace

import pytest

from blazz.cluster import assignment, failover, leadership, membership, operations, ownership
from blazz.cluster import service as cluster
from blazz.cluster.controller import Controller
from blazz.cluster.failover import Gone
from blazz.cluster.operations import Requester
from blazz.kit.db import Workspaces
from blazz.kit.errors import BlazzError
from tests.cluster.stage import LEASE_S, SCOPE, Stage

pytestmark = [pytest.mark.anyio, pytest.mark.every_database]


async def four(stage: Stage, sessions: int = 12, capacity: int = 100) -> list[uuid.UUID]:
    """Four instances, and sessions of as many workspaces spread over them."""
    for index in range(4):
        await stage.join(f"i{index}", capacity)
    return [await stage.session(await stage.workspace()) for _ in range(sessions)]


async def leading(stage: Stage) -> Controller:
    """A controller that leads."""
    controller = stage.controller()
    await controller.look()
    assert controller.leading
    return controller


async def test_the_sessions_of_a_silent_instance_go_to_the_others(stage: Stage) -> None:
    sessions = await four(stage)
    before = await stage.owners()
    lost = [account for account in sessions if before[account] == "i1"]
    assert lost
    controller = await leading(stage)
    living = [stage.members[name] for name in ("i0", "i2", "i3")]
    await stage.watch(controller, LEASE_S - 0.5, *living)
    assert await stage.owners() == before, "before its lease has run out nobody may take them"
    await stage.watch(controller, 1.5, *living)
    after = await stage.owners()
    assert "i1" not in after.values()
    assert {account for account in sessions if before[account] != after[account]} == set(lost)
    assert (await stage.instance("i1"))["state"] == "dead"
    for account in lost:
        row = await stage.assignment(account)
        assert (row["epoch"], row["previous_instance_id"], row["previous_instance_index"]) == (2, "i1", 1)
        assert (row["migration_count"], row["previous_closed"]) == (1, False)
    moves = await stage.moves()
    assert {move["account_id"] for move in moves} == set(lost)
    assert {(move["reason"], move["from_instance_id"], move["epoch"]) for move in moves} == {("failover", "i1", 2)}
    (operation,) = await stage.operations()
    assert (operation["kind"], operation["state"], operation["moved"]) == ("failover", "done", len(lost))
    positions = [event["position"] for event in await stage.events()]
    assert positions == list(range(1, len(positions) + 1))
    names = [event["name"] for event in await stage.events()]
    assert names.index("instance.down") < names.index("cluster.moved")


async def test_an_instance_that_is_proven_gone_is_not_waited_for(stage: Stage) -> None:
    sessions = await four(stage)
    before = await stage.owners()
    lost = [account for account in sessions if before[account] == "i2"]
    controller = await leading(stage)
    assert await stage.database.write(SCOPE, cluster.release, "i2", stage.members["i2"].registration.generation)
    await controller.look()
    after = await stage.owners()
    assert "i2" not in after.values()
    row = await stage.assignment(lost[0])
    assert row["previous_closed"], "its engine host is gone: the store may be renamed"


async def test_a_release_of_an_older_start_says_nothing(stage: Stage) -> None:
    first = await stage.join("i0")
    await stage.join("i0")
    assert not await stage.database.write(SCOPE, cluster.release, "i0", first.registration.generation)
    assert (await stage.instance("i0"))["state"] == "healthy"


async def test_an_instance_that_renewed_at_the_last_moment_stays(stage: Stage) -> None:
    await four(stage)
    member = stage.members["i0"]
    row = await stage.instance("i0")
    await member.renew()
    marked = await stage.database.write(
        SCOPE,
        lambda tx: membership.mark_dead(tx, "i0", row["generation"], row["renewals"], silent_s=7),
    )
    assert not marked
    assert (await stage.instance("i0"))["state"] == "healthy"


async def test_who_was_given_up_comes_back_without_what_was_reassigned(stage: Stage) -> None:
    sessions = await four(stage)
    controller = await leading(stage)
    frozen = stage.members["i3"]
    served = dict(frozen.serving) or {account: 1 for account, owner in (await stage.owners()).items() if owner == "i3"}
    assert served
    await stage.watch(controller, LEASE_S + 1.5, *[stage.members[name] for name in ("i0", "i1", "i2")])
    assert not frozen.live
    assert await frozen.renew() == "dead"
    assert frozen.serving == {}
    assert (await stage.instance("i3"))["state"] == "healthy"
    stale = await stage.database.write(
        Workspaces.of([(await stage.assignment(account))["workspace_id"] for account in served]),
        ownership.check,
        list(served.items()),
    )
    assert stale == set(served), "what it still wants to write about them is refused"
    await stage.watch(controller, 3, *stage.members.values())
    assert "i3" not in (await stage.owners()).values(), "nothing comes back by itself"
    assert len(sessions) == 12


async def test_an_outage_of_the_database_reassigns_nothing(stage: Stage) -> None:
    await four(stage)
    before = await stage.owners()
    controller = await leading(stage)
    await stage.watch(controller, 2, *stage.members.values())
    stage.clock.advance(3 * LEASE_S)  # nobody can read or renew
    await controller.look()
    await stage.watch(controller, 1.5)  # the controller is back first
    for member in stage.members.values():
        assert not member.live
        assert await member.renew() == "renewed"
    await stage.watch(controller, 3, *stage.members.values())
    assert await stage.owners() == before
    assert all(row == 1 for row in [(await stage.assignment(account))["epoch"] for account in before])


async def test_when_most_are_silent_the_controller_waits_a_second_lease(stage: Stage) -> None:
    await four(stage)
    before = await stage.owners()
    controller = await leading(stage)
    survivor = stage.members["i0"]
    await stage.watch(controller, LEASE_S + 2, survivor)
    assert await stage.owners() == before
    assert "cluster.hold" in [event["name"] for event in await stage.events()]
    await stage.watch(controller, LEASE_S, survivor)
    assert set((await stage.owners()).values()) == {"i0"}


async def test_what_is_gone_at_once_is_seen_one_after_the_other_and_is_waited_for_all_the_same(stage: Stage) -> None:
    await four(stage)
    before = await stage.owners()
    controller = await leading(stage)
    survivor, *gone = stage.members.values()
    for member in gone:  # their last renewals lie half a second apart
        await stage.watch(controller, 0.5, survivor, member)
    await stage.watch(controller, LEASE_S + 1, survivor)
    assert await stage.owners() == before
    assert [event["name"] for event in await stage.events()].count("cluster.hold") == 1
    await stage.watch(controller, LEASE_S + 1, survivor)
    assert set((await stage.owners()).values()) == {survivor.name}


async def test_sessions_that_fit_nowhere_wait_by_priority_and_are_served_when_there_is_room(stage: Stage) -> None:
    await stage.join("a", 3)
    low, high = await stage.workspace(priority=0), await stage.workspace(priority=5)
    first = [await stage.session(low) for _ in range(2)]
    urgent = await stage.session(high)
    await stage.join("b", 1)
    controller = await leading(stage)
    await stage.watch(controller, 2 * LEASE_S + 2, stage.members["b"])
    owners = await stage.owners()
    assert owners[urgent] == "b", "the workspace of higher priority is served first"
    for account in first:
        row = await stage.assignment(account)
        assert row["instance_id"] == "a"
        assert row["queued_at"] is not None
        assert "places" in row["queue_reason"]
    await stage.join("c", 10)
    await stage.watch(controller, 1, stage.members["b"], stage.members["c"])
    owners = await stage.owners()
    assert {owners[account] for account in first} == {"c"}
    assert (await stage.assignment(first[0]))["queued_at"] is None


async def test_what_nobody_had_room_for_is_the_instances_own_when_it_comes_back(stage: Stage) -> None:
    await stage.join("a", 3)
    workspace = await stage.workspace()
    sessions = [await stage.session(workspace) for _ in range(3)]
    await stage.join("b", 1)
    controller = await leading(stage)
    await stage.watch(controller, 2 * LEASE_S + 2, stage.members["b"])
    (operation,) = await stage.operations()
    assert (operation["state"], operation["moved"], operation["waiting"]) == ("running", 1, 2)
    await stage.join("a", 3)
    await stage.watch(controller, 1, *stage.members.values())
    owners = await stage.owners()
    assert sorted(owners[account] for account in sessions) == ["a", "a", "b"]
    assert [(await stage.assignment(account))["queued_at"] for account in sessions] == [None] * 3
    (operation,) = await stage.operations()
    assert operation["state"] == "done", "its record does not stay open"


async def test_two_leaders_cannot_both_act(stage: Stage) -> None:
    await four(stage)
    old = await leading(stage)
    old_term = old._leadership.term(stage.clock())
    assert old_term is not None
    standby = stage.controller("standby")
    await standby.look()
    assert not standby.leading
    for _ in range(8):
        stage.clock.advance(0.5)
        await standby.look()
    assert standby.leading, "the first one has not renewed for its lease"
    assert not old.leading, "and knows by its own clock that it leads no more"
    await stage.database.write(SCOPE, cluster.release, "i1", 1)
    gone = Gone("i1", 1, True)
    loads = assignment.instance_loads(await stage.database.read(SCOPE, cluster.all_instances))
    _, spread = await stage.database.read(SCOPE, failover.plan, gone, loads, stage.settings)
    with pytest.raises(leadership.NotLeading):
        await stage.database.write(
            SCOPE,
            failover.reassign,
            old_term,
            gone,
            spread.moves,
            operation_id=uuid.UUID(int=1),
            away_at=(await stage.instance("i1"))["renewed_at"],
        )


async def test_a_leader_that_resigns_is_followed_at_once(stage: Stage) -> None:
    first, second = stage.controller("first"), stage.controller("second")
    await first.look()
    await second.look()
    assert (first.leading, second.leading) == (True, False)
    await first._leadership.resign()
    await second.look()
    assert second.leading


async def test_a_thousand_workspaces_are_reassigned_in_batches(stage: Stage) -> None:
    for name in ("a", "b", "c"):
        await stage.join(name, 750)
    await stage.fill("a", 1000)
    controller = await leading(stage)
    await stage.database.write(SCOPE, cluster.release, "a", 1)
    while await controller.look():
        pass
    after = Counter((await stage.owners()).values())
    assert set(after) == {"b", "c"}
    assert sum(after.values()) == len(await stage.moves()) == 1000
    assert max(after.values()) <= 1.2 * min(after.values())


async def test_nothing_is_given_to_one_that_falls_silent_itself(stage: Stage) -> None:
    await four(stage)
    controller = await leading(stage)
    # i1 and i2 stop together; i1 is proven gone while i2 is only silent
    await stage.watch(controller, LEASE_S / 2 + 1, stage.members["i0"], stage.members["i3"])
    await stage.database.write(SCOPE, cluster.release, "i1", 1)
    await stage.watch(controller, 0.5, stage.members["i0"], stage.members["i3"])
    moved = await stage.moves()
    assert moved
    assert {move["to_instance_id"] for move in moved} <= {"i0", "i3"}


async def test_a_place_that_was_taken_meanwhile_is_chosen_again(stage: Stage) -> None:
    await stage.join("a", 1)
    workspace = await stage.workspace()
    placement = await cluster.choose_instance(stage.database, stage.settings, workspace)
    await stage.session(workspace)
    other = await stage.workspace()
    with pytest.raises(cluster.PlaceTaken):
        await stage.database.write(SCOPE, cluster.want_running, other, uuid.UUID(int=5), placement)


async def test_a_session_takes_its_place_until_it_has_left_or_its_instance_is_gone(stage: Stage) -> None:
    leaving = await stage.join("a", 4)
    accounts = await stage.fill("a", 4)  # an account of fill has its workspace's id
    await stage.join("b", 4)
    controller = await leading(stage)
    await stage.database.write(SCOPE, operations.migrate, accounts[0], "b", Requester(None, "test"))
    while await controller.look():
        pass
    assert (await stage.assignment(accounts[0]))["move_to"] == "b"
    another = await stage.session(accounts[1])
    assert (await stage.assignment(another))["instance_id"] == "b", "nobody has left a yet"

    await stage.database.write(SCOPE, cluster.release, "a", leaving.registration.generation)
    while await controller.look():
        pass
    here = [account for account, owner in (await stage.owners()).items() if owner == "b"]
    assert len(here) == 4, "the place that was kept for one of them is for any of them"


async def test_n_minus_one_warns_once_and_refuses(stage: Stage) -> None:
    stage.settings = stage.settings.model_copy(update={"n_minus_one": "refuse"})
    await stage.join("a", 2)
    await stage.join("b", 2)
    await stage.session(await stage.workspace())
    await stage.session(await stage.workspace())
    for _ in range(2):
        with pytest.raises(BlazzError) as refused:
            await stage.session(await stage.workspace())
        assert (refused.value.code, refused.value.status) == ("n_minus_one", 409)
    warnings = [event for event in await stage.events() if event["name"] == "cluster.capacity_warning"]
    assert len(warnings) == 1
    stage.settings = stage.settings.model_copy(update={"n_minus_one": "warn"})
    await stage.session(await stage.workspace())


def test_a_gone_instance_is_a_dead_one_or_one_with_a_record() -> None:
    from blazz.cluster.membership import Instance
    from blazz.kit.time import utc_now

    now = utc_now()
    one = Instance("a", 0, "", 1, 1, 1, "stopped", 1, "1", "h", 1, None, 0, 0, 0.0, None, False, now, now, now)
    assert not failover.is_gone(one)
    assert failover.is_gone(replace(one, released=True))
    assert failover.is_gone(replace(one, state="dead"))
    assert not failover.is_gone(replace(one, state="draining", released=True))
