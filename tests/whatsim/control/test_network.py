"""Faults are listed and ended, counters are shown, changes are streamed, the program under trial is switched."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import anyio
import httpx
import pytest

from tests.whatsim.control.helpers import assert_problem, new_phone
from whatsim.control import ControlServer, ProductState, create_app
from whatsim.network import Network

pytestmark = pytest.mark.anyio


async def test_faults_are_listed_and_ended(client: httpx.AsyncClient) -> None:
    ana = await new_phone(client, "Ana")
    first = await client.post("/faults", json={"kind": "lose_acks", "count": 3})
    assert first.status_code == 201, first.text
    assert (first.json()["kind"], first.json()["remaining"], first.json()["hits"]) == ("lose_acks", 3, 0)
    second = await client.post("/faults", json={"kind": "refuse_login", "code": 401, "number": ana})
    assert (second.json()["code"], second.json()["number"]) == ("401", ana)

    listed = (await client.get("/faults")).json()["data"]
    assert [fault["id"] for fault in listed] == [first.json()["id"], second.json()["id"]]
    assert (await client.delete(f"/faults/{first.json()['id']}")).json() == {"cleared": 1}
    assert_problem(await client.delete(f"/faults/{first.json()['id']}"), 404, "fault_not_found")
    assert (await client.delete("/faults")).json() == {"cleared": 1}
    assert (await client.get("/faults")).json() == {"data": []}


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "earthquake"},
        {"kind": "lose_acks", "count": 0},
        {"kind": "delay", "seconds": -1},
        {"kind": "silence", "number": "12"},
        {"kind": "refuse_login", "code": "200; drop"},
    ],
)
async def test_a_malformed_fault_is_refused(client: httpx.AsyncClient, body: dict[str, Any]) -> None:
    assert_problem(await client.post("/faults", json=body), 422, "invalid_request")
    assert (await client.get("/faults")).json() == {"data": []}


async def test_a_fault_whose_fields_do_not_fit_is_refused(client: httpx.AsyncClient) -> None:
    assert_problem(await client.post("/faults", json={"kind": "refuse_login", "code": 200}), 422, "invalid_fault")
    assert_problem(await client.post("/faults", json={"kind": "delay"}), 422, "invalid_fault")


async def test_counters_name_the_network(client: httpx.AsyncClient, network: Network) -> None:
    await new_phone(client, "Ana")
    stats = (await client.get("/stats")).json()
    assert stats["network_id"] == network.network_id
    assert stats["phones"] == 1
    assert stats["replaced"] == 0
    assert stats["stanzas_from_older_connection"] == 0


async def events(response: httpx.Response) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """Yield the stream's events as (name, data)."""
    name = ""
    async for line in response.aiter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


async def test_changes_are_streamed(server: ControlServer) -> None:
    async with httpx.AsyncClient(base_url=server.url, trust_env=False) as client:
        ana, budi = await new_phone(client, "Ana"), await new_phone(client, "Budi")
        with anyio.fail_after(15):
            async with client.stream("GET", "/events") as response:
                assert response.headers["content-type"].startswith("text/event-stream")
                stream = events(response)
                assert await anext(stream) == ("ready", {})
                await client.post(
                    f"/phones/{ana}/messages", json={"to": budi, "type": "text", "text": {"body": "live"}}
                )
                async for name, change in stream:
                    assert name == "change"
                    if change["kind"] == "message_added" and change["number"] == budi:
                        assert (change["message"]["body"], change["unread"]) == ("live", 1)
                        break
                await client.post(f"/phones/{budi}/typing", json={"to": ana, "composing": True})
                async for _, change in stream:
                    if change["kind"] == "typing":
                        assert (change["number"], change["chat"], change["composing"]) == (ana, budi, True)
                        break


async def test_open_streams_do_not_hold_up_the_end(network: Network) -> None:
    server = ControlServer(create_app(network), port=0)
    await server.start()
    async with httpx.AsyncClient(base_url=server.url, trust_env=False) as client:
        with anyio.fail_after(10):
            async with client.stream("GET", "/events") as response:
                stream = events(response)
                assert await anext(stream) == ("ready", {})
                await server.close()
                assert [event async for event in stream] == []


async def test_a_host_that_others_reach_is_refused(network: Network) -> None:
    with pytest.raises(ValueError, match="loopback"):
        ControlServer(create_app(network), host="0.0.0.0")


class Switch:
    """A program that starts and stops at once."""

    def __init__(self) -> None:
        self.now: ProductState = "running"

    async def state(self) -> ProductState:
        return self.now

    async def stop(self) -> None:
        self.now = "stopped"

    async def start(self) -> None:
        self.now = "running"


async def test_the_program_under_trial_is_stopped_and_started(network: Network) -> None:
    transport = httpx.ASGITransport(create_app(network, Switch()))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:7070") as client:
        assert (await client.get("/product")).json() == {"available": True, "state": "running"}
        assert (await client.post("/product", json={"action": "stop"})).json()["state"] == "stopped"
        assert (await client.post("/product", json={"action": "start"})).json()["state"] == "running"
        assert_problem(await client.post("/product", json={"action": "explode"}), 422, "invalid_request")


async def test_without_a_program_there_is_nothing_to_switch(client: httpx.AsyncClient) -> None:
    assert (await client.get("/product")).json() == {"available": False, "state": None}
    assert_problem(await client.post("/product", json={"action": "stop"}), 409, "no_product_switch")
