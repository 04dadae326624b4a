"""Profiles, blocking and phones that are known otherwise, through the control API."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest

from tests.whatsim.control.helpers import new_phone

pytestmark = pytest.mark.anyio
JPEG = base64.b64encode(b"\xff\xd8\xff\xe0 a picture").decode()


async def test_a_profile_is_changed_and_shown(client: httpx.AsyncClient) -> None:
    ana, budi = await new_phone(client, "Ana"), await new_phone(client, "Budi")
    business = {"verified_name": "Ana's", "hours": [{"day": "mon", "opens": 480, "closes": 1020}]}
    change = {"about": "Away", "username": "ana.k", "picture": JPEG, "business": business, "privacy": {"last": "none"}}
    shown = (await client.patch(f"/phones/{ana}/profile", json=change)).json()
    assert shown == (await client.get(f"/phones/{ana}/profile")).json()
    assert (shown["about"], shown["username"], shown["privacy"]) == ("Away", "ana.k", {"last": "none"})
    assert shown["picture_id"]
    assert shown["business"]["hours"] == business["hours"]
    shown = (await client.patch(f"/phones/{ana}/profile", json={"picture": None, "business": None})).json()
    assert (shown["picture_id"], shown["business"], shown["about"]) == ("", None, "Away")
    shown = (await client.post(f"/phones/{ana}/block", json={"person": budi})).json()
    assert shown["blocked"] == [budi]
    assert (await client.post(f"/phones/{ana}/addressing", json={"mode": "lid_only"})).json()[
        "addressing"
    ] == "lid_only"
    assert (await client.post(f"/phones/{ana}/rotate-identity")).status_code == 200
    assert (await client.post(f"/phones/{ana}/number", json={"number": "+628119990001"})).status_code == 200
    assert (await client.get(f"/phones/{ana}/profile")).status_code == 404
    assert (await client.get("/phones/628119990001/profile")).json()["about"] == "Away"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("profile", {"picture": "no base64!"}, 422),
        ("profile", {"picture": "AAAA"}, 422),
        ("profile", {"username": "A"}, 422),
        ("profile", {"privacy": {"nonsense": "all"}}, 422),
        ("profile", {"business": {}}, 422),
        ("profile", {"unknown": 1}, 422),
        ("block", {"person": "19998887777"}, 404),
        ("addressing", {"mode": "telepathy"}, 422),
        ("number", {"number": "12"}, 422),
    ],
)
async def test_nonsense_is_refused_and_changes_nothing(
    client: httpx.AsyncClient, path: str, body: dict[str, Any], status: int
) -> None:
    ana = await new_phone(client, "Ana")
    before = (await client.get(f"/phones/{ana}/profile")).json()
    method = "PATCH" if path == "profile" else "POST"
    answer = await client.request(method, f"/phones/{ana}/{path}", json=body)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert (await client.get(f"/phones/{ana}/profile")).json() == before
