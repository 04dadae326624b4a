"""Restrictions, bans, client versions, calls and passkeys through the control API."""

from __future__ import annotations

import httpx
import pytest

from tests.whatsim.control.helpers import assert_problem
from whatsim.network import Network

pytestmark = pytest.mark.anyio
ANNA, BUDI = "628110000001", "628110000002"


@pytest.fixture
async def phones(network: Network) -> None:
    await network.create_phone(ANNA, "Anna")
    await network.create_phone(BUDI, "Budi")


@pytest.mark.usefixtures("phones")
async def test_rules_are_set_and_told_off(client: httpx.AsyncClient) -> None:
    for path, body in (
        ("timelock", {"seconds": 60}),
        ("timelock", {"seconds": 0}),
        ("new-chat-cap", {"status": "CAPPED", "used": 25, "total": 25}),
        ("new-chat-cap", {"status": "NONE"}),
        ("ban", {"seconds": 60, "code": 104}),
        ("ban", {"seconds": None}),
        ("ban", {"seconds": 0}),
        ("passkey", {"required": True}),
    ):
        assert (await client.post(f"/phones/{ANNA}/{path}", json=body)).status_code == 204, path
    assert (await client.post("/client-versions", json={"minimum": 1, "newest": 2})).status_code == 204
    for path, wrong in (
        ("timelock", {"seconds": -1}),
        ("timelock", {"seconds": 1e12}),
        ("new-chat-cap", {"status": "FULL"}),
        ("ban", {}),
        ("ban", {"seconds": 60, "code": 9}),
        ("passkey", {"required": "perhaps"}),
    ):
        assert_problem(await client.post(f"/phones/{ANNA}/{path}", json=wrong), 422, "invalid_request")
    assert_problem(await client.post("/phones/628999999999/timelock", json={"seconds": 1}), 404, "phone_not_found")


@pytest.mark.usefixtures("phones")
async def test_phones_call_each_other(client: httpx.AsyncClient) -> None:
    made = (await client.post(f"/phones/{ANNA}/calls", json={"to": f"+{BUDI}", "video": True})).json()
    assert (made["caller"], made["callee"], made["video"], made["state"]) == (ANNA, BUDI, True, "ringing")
    ended = (await client.post(f"/calls/{made['id']}/end", json={"reason": "accepted_elsewhere"})).json()
    assert ended["state"] == "answered"
    assert [call["id"] for call in (await client.get("/calls")).json()["data"]] == [made["id"]]
    assert_problem(await client.post("/calls/NONE/end", json={}), 404, "call_not_found")
    assert_problem(await client.post(f"/phones/{ANNA}/calls", json={"to": ANNA}), 422, "invalid_rule")


@pytest.mark.usefixtures("phones")
async def test_nobody_signs_while_nobody_asks(client: httpx.AsyncClient) -> None:
    state = (await client.get(f"/phones/{ANNA}/passkey")).json()
    assert state == {"required": False, "step": "none", "code": None, "refused": None}
    assert_problem(await client.post(f"/phones/{ANNA}/passkey/assertion"), 404, "phone_not_found")
