"""Two simulated phones talk to each other through the network, driven by the control API alone."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.whatsim.control.helpers import assert_problem, new_phone, picture, shown, until

pytestmark = pytest.mark.anyio


async def only_message(client: httpx.AsyncClient, number: str) -> dict[str, Any]:
    """Wait for the phone's first message and return it."""
    messages = await until(lambda: shown(client, number))
    assert len(messages) == 1
    message: dict[str, Any] = messages[0]
    return message


async def send_text(client: httpx.AsyncClient, number: str, to: str, body: str) -> dict[str, Any]:
    answer = await client.post(f"/phones/{number}/messages", json={"to": to, "type": "text", "text": {"body": body}})
    assert answer.status_code == 201, answer.text
    message: dict[str, Any] = answer.json()
    return message


async def test_a_text_reaches_the_other_phone_once_and_is_confirmed(client: httpx.AsyncClient) -> None:
    ana, budi = await new_phone(client, "Ana"), await new_phone(client, "Budi")
    sent = await send_text(client, ana, budi, "hello")
    assert (sent["from"], sent["to"], sent["chat"], sent["direction"]) == (ana, budi, budi, "out")

    got = await only_message(client, budi)
    assert (got["from"], got["to"], got["type"], got["body"]) == (ana, budi, "text", "hello")
    assert got["message_id"] == sent["message_id"]
    assert (got["direction"], got["deliveries"], got["decrypt_failures"], got["read"]) == ("in", 1, 0, False)

    async def delivered() -> bool:
        return any(receipt["state"] == "delivered" for receipt in (await shown(client, ana))[0]["receipts"])

    await until(delivered)
    assert (await client.get(f"/phones/{budi}")).json()["unread"] == 1


async def test_reading_a_chat_tells_the_sender(client: httpx.AsyncClient) -> None:
    ana, budi = await new_phone(client, "Ana"), await new_phone(client, "Budi")
    await send_text(client, ana, budi, "seen?")
    await only_message(client, budi)

    answer = await client.post(f"/phones/{budi}/read", json={"chat": ana})
    assert answer.json() == {"read": 1}

    async def read() -> bool:
        return any(receipt["state"] == "read" for receipt in (await shown(client, ana))[0]["receipts"])

    await until(read)
    assert (await client.get(f"/phones/{budi}")).json()["unread"] == 0
    assert (await client.post(f"/phones/{budi}/read", json={"chat": ana})).json() == {"read": 0}


async def test_a_picture_arrives_with_the_same_bytes(client: httpx.AsyncClient) -> None:
    ana, budi = await new_phone(client, "Ana"), await new_phone(client, "Budi")
    image = {"base64": base64.b64encode(picture()).decode(), "caption": "look"}
    answer = await client.post(f"/phones/{ana}/messages", json={"to": budi, "type": "image", "image": image})
    assert answer.status_code == 201, answer.text

    got = await only_message(client, budi)
    assert (got["type"], got["body"], got["media"]["mimetype"]) == ("image", "look", "image/png")
    media = await client.get(got["media"]["url"])
    assert media.content == picture()
    assert media.headers["content-type"] == "image/png"
    assert media.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in media.headers["content-security-policy"]


async def test_a_picture_is_sent_by_path_only_from_the_allowed_directory(
    client: httpx.AsyncClient, files: Path, tmp_path: Path
) -> None:
    ana, budi = await new_phone(client, "Ana"), await new_phone(client, "Budi")
    (files / "shirt.png").write_bytes(picture())
    (tmp_path / "secret.png").write_bytes(picture())
    (files / "link.png").symlink_to(tmp_path / "secret.png")

    async def send(path: str) -> httpx.Response:
        return await client.post(f"/phones/{ana}/messages", json={"to": budi, "type": "image", "image": {"path": path}})

    for path in ("../secret.png", str(tmp_path / "secret.png"), "link.png", "nowhere.png", ".", "a\0b"):
        assert_problem(await send(path), 422, "path_refused")
    assert (await send("shirt.png")).status_code == 201


async def test_messages_are_read_in_stretches_by_position(client: httpx.AsyncClient) -> None:
    ana, budi = await new_phone(client, "Ana"), await new_phone(client, "Budi")
    for number in range(5):
        await send_text(client, ana, budi, f"text {number}")

    seen: list[str] = []
    after, more = 0, True
    while more:
        page = (await client.get(f"/phones/{ana}/messages?after={after}&limit=2")).json()
        seen += [message["body"] for message in page["data"]]
        after, more = page["next_after"], page["more"]
    assert seen == [f"text {number}" for number in range(5)]


async def test_an_echoing_phone_answers_and_a_script_answers_by_its_rules(client: httpx.AsyncClient) -> None:
    ana, budi = await new_phone(client, "Ana"), await new_phone(client, "Budi")
    answer = await client.post(f"/phones/{budi}/behaviour", json={"kind": "echo", "prefix": "you said: "})
    assert answer.json()["behaviour"] == {"kind": "echo", "prefix": "you said: ", "delay_s": 0, "rules": None}
    await send_text(client, ana, budi, "ping")

    async def bodies() -> list[str]:
        return [message["body"] for message in await shown(client, ana) if message["direction"] == "in"]

    assert await until(bodies) == ["you said: ping"]

    rules = [{"match": "price", "reply": "It costs 5."}, {"match": "", "reply": "Pardon?"}]
    answer = await client.post(f"/phones/{budi}/behaviour", json={"kind": "script", "rules": rules})
    assert [rule["reply"] for rule in answer.json()["behaviour"]["rules"]] == ["It costs 5.", "Pardon?"]
    await send_text(client, ana, budi, "What PRICE?")

    async def answered() -> bool:
        return "It costs 5." in await bodies()

    await until(answered)


async def test_an_offline_phone_gets_its_messages_when_it_is_back(client: httpx.AsyncClient) -> None:
    ana, budi = await new_phone(client, "Ana"), await new_phone(client, "Budi")
    assert (await client.post(f"/phones/{budi}/online", json={"online": False})).json()["online"] is False
    sent = await send_text(client, ana, budi, "are you there?")
    assert await shown(client, budi) == []
    assert all(receipt["state"] == "sent" for receipt in sent["receipts"])

    await client.post(f"/phones/{budi}/online", json={"online": True})
    assert (await only_message(client, budi))["body"] == "are you there?"
