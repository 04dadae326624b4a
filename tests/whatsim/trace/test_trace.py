"""A trace shows who said what and when, keeps keys and bodies to itself unless asked, and stays within its bounds."""

from __future__ import annotations

import re
from pathlib import Path

import anyio
import httpx
import pytest
from typer.testing import CliRunner

from tests.whatsim.companion import Companion
from tests.whatsim.control.helpers import until
from whatsim.cli import app
from whatsim.control import ControlServer, create_app
from whatsim.model import TextContent
from whatsim.network import Network
from whatsim.trace import Tap, TraceFile, Watch, render
from whatsim.wire.binary import Node

pytestmark = pytest.mark.anyio

SECRET = "the secret body"


@pytest.mark.parametrize("contents", [False, True])
async def test_a_conversation_is_traced_in_both_directions(
    wire_network: Network, shop: str, customer: str, companion: Companion, contents: bool
) -> None:
    entries: list[str] = []
    end = wire_network.watch_stanzas(Watch(entries.append, contents))
    await wire_network.send_message(customer, shop, TextContent(SECRET))
    await companion.text(SECRET)
    to = f"{wire_network.get_phone(customer).lid}@lid"
    await companion.send_text(to, SECRET, "ID1")
    end()
    await companion.iq("w:p", "get")
    text = "\n".join(entries)
    device = companion.jid.partition("@")[0]
    assert re.search(rf'^\d\d:\d\d:\d\d\.\d{{3}} {device} < <message from=".*', text, re.MULTILINE)
    assert re.search(rf'^\d\d:\d\d:\d\d\.\d{{3}} {device} > <message .*id="ID1"', text, re.MULTILINE)
    assert re.search(r'^ +<enc .*type="pkmsg".*> (\[\d+ bytes\]|0x[0-9a-f]+)$', text, re.MULTILINE)
    assert "w:p" not in text, "nothing comes after the end"
    assert (SECRET in text) is contents
    assert ("0x" in text) is contents


async def test_a_watch_of_one_phone_sees_only_its_devices() -> None:
    tap = Tap()
    seen: list[str] = []
    tap.add(Watch(seen.append, number="628110000001"))
    tap.stanza("628110000001:2", ">", Node("presence"))
    tap.stanza("628110000002:1", ">", Node("presence"))
    assert [entry.partition(" ")[2] for entry in seen] == ["628110000001:2 > <presence/>"]


def test_what_clients_write_cannot_forge_lines_or_show_tokens() -> None:
    node = Node("iq", {"id": 'a" >\n12:00:00.000 forged', "auth": "hidden"}, [Node("value", {}, b"body")])
    shown = render.stanza(node, contents=False)
    assert len(shown.splitlines()) == 2
    assert "hidden" not in shown
    assert shown.endswith("<value> [4 bytes]")


async def test_a_disk_that_is_full_ends_the_trace_and_not_the_network(
    wire_network: Network, shop: str, customer: str, companion: Companion
) -> None:
    def refuse(_entry: str) -> None:
        raise OSError(28, "No space left on device")

    wire_network.watch_stanzas(Watch(refuse))
    await wire_network.send_message(customer, shop, TextContent("goes on"))
    await companion.text("goes on")


def test_a_full_file_is_begun_anew_and_the_oldest_part_goes(tmp_path: Path) -> None:
    path = tmp_path / "run.trace"
    with TraceFile(path, max_bytes=100, kept=2) as file:
        for number in range(39):
            file.write(f"entry {number:03}")
    parts = sorted(tmp_path.iterdir())
    assert [part.name for part in parts] == ["run.trace", "run.trace.1", "run.trace.2"]
    assert all(part.stat().st_size <= 100 and part.stat().st_mode & 0o077 == 0 for part in parts)
    lines = "".join(part.read_text() for part in (parts[2], parts[1], parts[0])).split("\n")[:-1]
    assert lines[-1] == "entry 038"
    assert lines == [f"entry {number:03}" for number in range(39 - len(lines), 39)]
    with TraceFile(path, max_bytes=100, kept=2) as file:
        file.write("goes on")
    assert path.read_text().endswith("entry 038\ngoes on\n")


async def test_the_command_records_a_running_network(
    wire_network: Network, shop: str, companion: Companion, tmp_path: Path
) -> None:
    output = tmp_path / "run.trace"
    async with ControlServer(create_app(wire_network), port=0) as server:
        command = ["trace", "--output", str(output), "--number", shop, "--control", server.url]
        async with anyio.create_task_group() as group:
            result = {}

            async def record() -> None:
                result["done"] = await anyio.to_thread.run_sync(CliRunner().invoke, app, command)

            group.start_soon(record)

            async def pinged() -> bool:
                await companion.iq("w:p", "get")
                return output.exists() and "w:p" in output.read_text()

            await until(pinged)
            await server.close()
        assert result["done"].exit_code in (0, 1), result["done"].output
    text = output.read_text()
    assert text.startswith(f"# trace of {wire_network.network_id}\n")
    assert f"{companion.jid.partition('@')[0]} > <iq" in text


async def test_a_trace_of_an_unknown_phone_is_refused(wire_network: Network) -> None:
    transport = httpx.ASGITransport(create_app(wire_network))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:7070") as client:
        answer = await client.get("/trace", params={"number": "6289999999"})
    assert (answer.status_code, answer.json()["code"]) == (404, "phone_not_found")
