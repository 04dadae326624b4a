"""Two gateways behind any load balancer: whichever answers next, a person and a program notice no difference."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from tests.support.cluster import ClusterStand, Role, cluster_stand
from tests.support.server import Follower
from tests.support.waiting import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.engine, pytest.mark.database]


@pytest.fixture(scope="module")
async def stand(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ClusterStand]:
    async with cluster_stand(tmp_path_factory.mktemp("gateways"), instances=1, gateways=2, workers=0) as running:
        yield running


def both(stand: ClusterStand) -> tuple[Role, Role]:
    first, second = stand.gateways
    return first, second


async def test_a_sign_in_and_its_csrf_token_are_good_at_every_gateway(stand: ClusterStand) -> None:
    first, second = both(stand)
    body = {"email": "owner@example.org", "password": "correct horse battery"}
    answer = await stand.api.request("POST", "/auth/login", body, at=first)
    assert answer.status_code == 200
    cookie = "; ".join(f"{name}={value}" for name, value in answer.cookies.items())
    me = await stand.api.json("GET", "/me", headers={"Cookie": cookie}, at=second)
    without = await stand.api.request("POST", "/workspaces", {"name": "No"}, headers={"Cookie": cookie}, at=second)
    assert (without.status_code, without.json()["code"]) == (403, "csrf_failed")
    headers = {"Cookie": cookie, "X-CSRF-Token": me["csrf_token"]}
    # each step is taken at the other gateway, which knew nothing of the one before
    workspace = (await stand.api.json("POST", "/workspaces", {"name": "Second"}, headers=headers, at=second))["id"]
    scoped = {**headers, "X-Workspace": workspace}
    wanted = {"name": "test", "scopes": ["accounts:read", "accounts:write"]}
    key = await stand.api.json("POST", "/api-keys", wanted, headers=scoped, at=first)
    bearer = {"Authorization": f"Bearer {key['key']}"}
    await stand.api.json("POST", "/accounts", {"name": "Shop"}, headers=bearer, at=second)
    assert len((await stand.api.json("GET", "/accounts", headers=bearer, at=first))["data"]) == 1

    # rights that are taken at one are gone at the other, without waiting for what it remembers
    await stand.api.json("DELETE", f"/api-keys/{key['id']}", headers=scoped, at=first)

    async def refused() -> bool:
        return (await stand.api.request("GET", "/accounts", headers=bearer, at=second)).status_code == 401

    await eventually(refused, within_s=2, what="a revoked key is refused elsewhere")
    await stand.api.json("POST", "/auth/logout", headers=headers, at=second)

    async def signed_out() -> bool:
        return (await stand.api.request("GET", "/me", headers={"Cookie": cookie}, at=first)).status_code == 401

    await eventually(signed_out, within_s=2, what="a sign-out counts elsewhere")


async def test_guesses_are_counted_over_all_gateways(stand: ClusterStand) -> None:
    body = {"email": "guessed@example.org", "password": "not this one either"}
    answers = [
        (await stand.api.request("POST", "/auth/login", body, at=stand.gateways[number % 2])).status_code
        for number in range(11)
    ]
    assert answers[:10] == [401] * 10
    assert answers[10] == 429


async def test_a_message_that_is_sent_through_both_at_once_is_one(stand: ClusterStand) -> None:
    number = await stand.link()
    customer = await stand.customer()
    body = {"account_id": number.account_id, "to": f"+{customer}", "type": "text", "text": {"body": "once"}}
    headers = {**number.workspace.headers, "Idempotency-Key": "once"}
    answers = await asyncio.gather(
        *(
            stand.api.insist("POST", "/messages", body, headers=headers, at=stand.gateways[turn % 2])
            for turn in range(6)
        )
    )
    assert len({answer["id"] for answer in answers}) == 1
    other = await stand.api.request("POST", "/messages", {**body, "to": "+628110000999"}, headers=headers)
    assert other.status_code == 422
    await stand.traffic.we_write(number, customer)
    await eventually(lambda: len(stand.network.messages(customer)) == 2, what="both messages")


async def test_the_event_stream_goes_on_at_another_gateway(stand: ClusterStand) -> None:
    first, second = both(stand)
    workspace = await stand.workspace()

    async def happen(times: int, at: Role) -> None:
        for _ in range(times):
            await stand.api.json("POST", "/accounts", {"name": "Shop"}, headers=workspace.headers, at=at)

    async with Follower.open(urlsplit(first.ready["url"]).netloc, workspace.key) as follower:
        head = (await follower.frame())["head"]
        await happen(3, second)  # at the other one: the follower hears of it through Valkey
        seen = await follower.positions(3)
    await happen(2, first)
    async with Follower.open(urlsplit(second.ready["url"]).netloc, workspace.key, f"?after={seen[-1]}") as follower:
        await follower.frame()
        await happen(2, first)
        seen += await follower.positions(4)
    assert seen == list(range(head + 1, head + 8))
