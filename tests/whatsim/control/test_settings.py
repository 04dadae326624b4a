"""Settings that a phone shares with its devices, and a made-up past, by the control API."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.whatsim.control.helpers import assert_problem, new_phone, shown

pytestmark = pytest.mark.anyio


async def settings(client: httpx.AsyncClient, number: str, chat: str) -> dict[str, Any]:
    answer = await client.get(f"/phones/{number}/chat-settings", params={"chat": chat})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_settings_of_a_chat_are_kept_until_they_are_changed(client: httpx.AsyncClient) -> None:
    ana, budi = await new_phone(client, "Ana"), await new_phone(client, "Budi")
    unset = {"archived": False, "pinned": False, "unread": False, "muted_until_ms": 0, "labels": []}
    assert await settings(client, ana, budi) == unset
    change = {"chat": budi, "archived": True, "unread": True, "muted_s": -1}
    assert (await client.post(f"/phones/{ana}/chat-settings", json=change)).status_code == 204
    label = {"id": "3", "name": "Paid", "colour": 2, "chat": budi}
    assert (await client.post(f"/phones/{ana}/labels", json=label)).status_code == 204
    expected = {"archived": True, "pinned": False, "unread": True, "muted_until_ms": -1, "labels": ["3"]}
    assert await settings(client, ana, budi) == expected
    assert await settings(client, budi, ana) == unset, "the other side knows nothing of it"
    off = {"chat": budi, "archived": False, "muted_s": 0}
    assert (await client.post(f"/phones/{ana}/chat-settings", json=off)).status_code == 204
    assert await settings(client, ana, budi) == {**expected, "archived": False, "muted_until_ms": 0}


async def test_a_past_is_made_up_in_order(client: httpx.AsyncClient) -> None:
    ana = await new_phone(client, "Ana")
    made = await client.post(f"/phones/{ana}/past", json={"chats": 3, "messages_each": 4, "days": 5})
    assert made.status_code == 201
    numbers = made.json()["numbers"]
    messages = await shown(client, ana)
    assert (len(set(numbers)), len(messages)) == (3, 12)
    for number in numbers:
        own = [message for message in messages if message["chat"] == number]
        assert [message["direction"] for message in own] == ["in", "out", "in", "out"]
        assert sorted(message["timestamp"] for message in own) == [message["timestamp"] for message in own]


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("past", {"chats": 0}, 422, "invalid_request"),
        ("past", {"chats": 2_000, "messages_each": 1_000}, 422, "invalid_content"),
        ("chat-settings", {"chat": "1", "archived": True}, 422, "invalid_request"),
        ("chat-settings", {"chat": "19995550000", "archived": True}, 404, "phone_not_found"),
        ("labels", {"id": "x"}, 422, "invalid_request"),
        ("stars", {"chat": "19995550000"}, 422, "invalid_request"),
    ],
)
async def test_what_makes_no_sense_is_refused(
    client: httpx.AsyncClient, path: str, body: dict[str, Any], status: int, code: str
) -> None:
    ana = await new_phone(client, "Ana")
    assert_problem(await client.post(f"/phones/{ana}/{path}", json=body), status, code)
