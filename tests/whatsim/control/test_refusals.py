"""The control API refuses what is wrong, too large or from elsewhere, with problem details, and changes nothing."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest

from tests.whatsim.control.helpers import assert_problem, new_phone, shown
from whatsim.control.guard import MESSAGE_BODY, SMALL_BODY

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "number", ["12345", "1234567890123456", "abcdefgh", "62 811", "", "-6281100000", "٦٢٨١١٠٠٠٠٠٠١"]
)
async def test_a_number_that_is_not_7_to_15_digits_is_refused(client: httpx.AsyncClient, number: str) -> None:
    assert_problem(await client.post("/phones", json={"number": number}), 422, "invalid_request")
    assert (await client.get("/phones")).json() == {"data": []}


async def test_a_leading_plus_sign_is_understood(client: httpx.AsyncClient) -> None:
    answer = await client.post("/phones", json={"number": "+628110000077", "name": "Ana"})
    assert answer.json()["number"] == "628110000077"
    assert (await client.get("/phones/628110000077")).json()["name"] == "Ana"


async def test_a_number_exists_once(client: httpx.AsyncClient) -> None:
    assert (await client.post("/phones", json={"number": "628110000077"})).status_code == 201
    assert_problem(await client.post("/phones", json={"number": "628110000077"}), 409, "phone_exists")


async def test_unknown_phones_messages_and_devices_are_not_found(client: httpx.AsyncClient) -> None:
    ana = await new_phone(client, "Ana")
    text = {"to": "628119999999", "type": "text", "text": {"body": "hi"}}
    assert_problem(await client.get("/phones/628119999999"), 404, "phone_not_found")
    assert_problem(await client.get("/phones/628119999999/messages"), 404, "phone_not_found")
    assert_problem(await client.post(f"/phones/{ana}/messages", json=text), 404, "phone_not_found")
    assert_problem(await client.get(f"/phones/{ana}/messages/3EB0/media"), 404, "message_not_found")
    assert_problem(await client.post(f"/phones/{ana}/unlink", json={"device": 7}), 404, "device_not_found")
    assert_problem(await client.get("/nowhere"), 404, "not_found")
    assert_problem(await client.put("/phones"), 405, "method_not_allowed")


@pytest.mark.parametrize(
    "body",
    [
        {"type": "text", "text": {"body": "to is missing"}},
        {"to": "628110000001", "type": "text"},
        {"to": "628110000001", "type": "text", "text": {"body": ""}},
        {"to": "628110000001", "type": "text", "text": {"body": 5}},
        {"to": "628110000001", "type": "text", "text": {"body": "x"}, "raw": {"base64": "AAAA"}},
        {"to": "628110000001", "type": "text", "text": {"body": "x", "extra": 1}},
        {"to": "628110000001", "type": "poll", "poll": {}},
        {"to": "628110000001", "type": "image", "image": {}},
        {"to": "628110000001", "type": "image", "image": {"base64": "AAAA", "path": "a.png"}},
        {"to": "628110000001", "type": "image", "image": {"base64": "AAAA", "mimetype": "text/html"}},
        [],
        None,
    ],
)
async def test_a_malformed_message_is_refused_and_nothing_is_sent(client: httpx.AsyncClient, body: Any) -> None:
    ana = await new_phone(client, "Ana")
    await client.post("/phones", json={"number": "628110000001"})
    assert_problem(await client.post(f"/phones/{ana}/messages", json=body), 422, "invalid_request")
    assert await shown(client, ana) == []


@pytest.mark.parametrize(
    ("image", "code"),
    [
        ({"base64": "this is not base64"}, "invalid_base64"),
        ({"base64": base64.b64encode(b"<svg onload=alert(1)>").decode()}, "not_an_image"),
    ],
)
async def test_what_is_no_picture_is_refused(client: httpx.AsyncClient, image: dict[str, str], code: str) -> None:
    ana, budi = await new_phone(client, "Ana"), await new_phone(client, "Budi")
    body = {"to": budi, "type": "image", "image": image}
    assert_problem(await client.post(f"/phones/{ana}/messages", json=body), 422, code)


async def test_a_code_and_a_qr_text_that_nobody_shows_are_refused(client: httpx.AsyncClient) -> None:
    ana = await new_phone(client, "Ana")
    assert_problem(await client.post(f"/phones/{ana}/link", json={"qr": "2@nobody,a,b,c"}), 409, "link_refused")
    assert_problem(await client.post(f"/phones/{ana}/link", json={"code": "ABCD-1234"}), 409, "link_refused")
    assert_problem(await client.post(f"/phones/{ana}/link", json={}), 422, "invalid_request")
    assert_problem(
        await client.post(f"/phones/{ana}/link", json={"qr": "x", "code": "ABCD1234"}), 422, "invalid_request"
    )


async def test_bodies_are_bounded(client: httpx.AsyncClient) -> None:
    ana = await new_phone(client, "Ana")
    assert_problem(await client.post("/phones", content=b"x" * (SMALL_BODY + 1)), 413, "body_too_large")
    assert_problem(
        await client.post(f"/phones/{ana}/messages", content=b"x" * (MESSAGE_BODY + 1)), 413, "body_too_large"
    )

    async def endless() -> Any:
        for _ in range(SMALL_BODY // 1024 + 1):
            yield b"x" * 1024

    assert_problem(await client.post("/phones", content=endless()), 413, "body_too_large")


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example:7070", "192.168.1.5:7070", "", "[::", "0.0.0.0"]
)
async def test_a_foreign_host_name_is_refused(client: httpx.AsyncClient, host: str) -> None:
    assert_problem(await client.get("/phones", headers={"Host": host}), 403, "host_refused")


@pytest.mark.parametrize("host", ["127.0.0.1:7070", "localhost:1234", "[::1]:7070", "LOCALHOST"])
async def test_loopback_host_names_are_answered(client: httpx.AsyncClient, host: str) -> None:
    assert (await client.get("/phones", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:8080"},
        {"Origin": "http://localhost:7070"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate"},
    ],
)
async def test_a_page_of_another_origin_changes_nothing(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    answer = await client.post("/phones", json={"name": "Mallory"}, headers=headers)
    assert_problem(answer, 403, "origin_refused")
    assert (await client.get("/phones")).json() == {"data": []}


async def test_the_own_page_may_ask_and_a_link_from_elsewhere_may_open_it(client: httpx.AsyncClient) -> None:
    own = {"Origin": "http://127.0.0.1:7070", "Sec-Fetch-Site": "same-origin"}
    assert (await client.post("/phones", json={}, headers=own)).status_code == 201
    page = await client.get("/", headers={"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate"})
    assert page.status_code == 200
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert "unsafe-inline" not in page.headers["content-security-policy"]


async def test_the_description_is_openapi_3_1_with_problem_documents(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    for path in ("/phones/{number}/messages", "/phones/{number}/link", "/faults", "/stats", "/events", "/product"):
        assert path in document["paths"]
    for operations in document["paths"].values():
        for operation in operations.values():
            assert "application/problem+json" in operation["responses"]["4XX"]["content"]
            assert "422" not in operation["responses"]
