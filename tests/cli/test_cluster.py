"""`blazz cluster`: the cluster in a terminal, on a database server, and what it says where there is none."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from blazz.admin import schemas, views
from blazz.cli import cluster_view
from blazz.kit.db import Tx
from tests.support.app import Person, Running, run_app
from tests.support.operators import TEST, Stand
from tests.support.waiting import eventually

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


async def blazz(*arguments: str, **environment: str) -> Ended:
    """Run `blazz cluster ...` to its end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "blazz", "cluster", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "200", **environment},
    )
    async with asyncio.timeout(90):
        out, err = await process.communicate()
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


async def test_the_plan_needs_no_installation(tmp_path: Path) -> None:
    shown, wrong = await asyncio.gather(
        blazz("plan", "--sessions", "3000", "--json"), blazz("plan", "--sessions", "0", "--months", "0")
    )
    assert shown.code == 0
    assert shown.json["instances"] == 8
    assert [row["original"] for row in shown.json["comparison"]] == [350, 520, 1305]
    assert wrong.code == 1
    assert "sessions: must be between 1 and 100,000" in wrong.err and "months: " in wrong.err


async def test_a_place_without_installation_is_told_from_one_that_is_taken(tmp_path: Path) -> None:
    nothing = await blazz("status", "--data-dir", str(tmp_path / "nowhere"))
    assert nothing.code == 1
    assert "There is no installation in" in nothing.err and "BLAZZ_DATABASE_URL" in nothing.err
    assert not (tmp_path / "nowhere").exists()
    async with run_app(tmp_path) as running:
        await Stand.of(running, await running.owner())
        taken = await blazz("status", "--data-dir", str(tmp_path))
    assert taken.code == 1
    assert "SQLite belongs to that process" in taken.err and "/cluster" in taken.err
    stopped = await blazz("status", "--data-dir", str(tmp_path), "--json")
    assert stopped.code == 0, stopped.err
    assert [one["id"] for one in stopped.json["instances"]] == ["instance-a", "instance-b"]
    (tmp_path / "cluster" / "postgres" / "data").mkdir(parents=True)
    ended = await blazz("status", "--data-dir", str(tmp_path / "cluster"))
    assert (ended.code, "is not running. Start it with: blazz up --instances" in ended.err) == (1, True)


@pytest.mark.every_server
async def test_an_operator_drains_and_follows_it_to_its_end(
    running: Running, owner: Person, database_url: str, tmp_path: Path
) -> None:
    stand = await Stand.of(running, owner)
    for _ in range(3):
        await stand.number()
    place = {"BLAZZ_DATABASE_URL": database_url, "BLAZZ_DATA_DIR": str(tmp_path / "elsewhere")}
    shown = await blazz("status", **place)
    assert shown.code == 0, shown.err
    assert "! no worker leads" in shown.out
    assert "instance-a" in shown.out and "3/5" in shown.out
    controller = await stand.lead()
    waiting = asyncio.create_task(blazz("drain", "instance-a", **place))

    async def step() -> bool:
        await controller.look()
        await stand.hand_over("instance-a")
        return waiting.done()

    await eventually(step, within_s=60, every_s=0.2)
    drained = await waiting
    assert drained.code == 0, drained.err
    lines = drained.out.splitlines()
    assert lines[0].startswith("drain instance-a: running ....................") and "0/3" in lines[0]
    assert lines[-1].startswith("drain instance-a: done ####################") and "3/3" in lines[-1]
    asked, moved, unknown, again = await asyncio.gather(
        blazz("operations", "--json", **place),
        blazz("moves", "--instance", "instance-b", **place),
        blazz("drain", "instance-x", **place),
        blazz("resume", "instance-a", **place),
    )
    assert (asked.json[0]["requested_as"], asked.json[0]["requested_by"]) == ("cli", None)
    assert moved.out.count("drain") == 3 and "Number 2" in moved.out and "Shop" in moved.out
    assert (unknown.code, unknown.err.strip()) == (1, "There is no such instance.")
    assert (again.code, "takes sessions again" in again.out) == (0, True)
    assert (await stand.see("/instances/instance-a"))["state"] == "healthy"


async def test_a_migration_is_asked_for_and_stopped(tmp_path: Path) -> None:
    async with run_app(tmp_path) as running:
        stand = await Stand.of(running, await running.owner())
        await stand.number()
    options = ("--data-dir", str(tmp_path))
    asked = await blazz("migrate", "1", "instance-b", "--no-wait", "--json", *options)
    assert asked.code == 0, asked.err
    assert (asked.json["workspace_name"], asked.json["state"], asked.json["total"]) == ("Shop", "running", 1)
    stopped = await blazz("cancel", asked.json["id"], *options)
    assert (stopped.code, stopped.out[:8]) == (0, "Stopped.")
    table = await blazz("operations", *options)
    assert "migrate Shop to instance-b" in table.out and "cancelled" in table.out


async def test_what_the_lists_look_like(running: Running, owner: Person) -> None:
    stand = await Stand.of(running, owner)
    workspace = (await running.stranger()).workspace_id
    await stand.do("/instances/instance-b/drain")
    await stand.number()
    for _ in range(2):
        await stand.number(workspace)
    await stand.do("/instances/instance-b/resume", status=200)

    def read(tx: Tx) -> tuple[str, str, list[str], list[str]]:
        overview = cluster_view.overview(views.overview(tx, stand.settings), views.advice(tx))
        preview = cluster_view.preview_lines(views.rebalance_preview(tx, stand.settings, "even"))
        events = [cluster_view.event_line(event) for event in views.events(tx, 0, None, 50).data]
        return overview, "\n".join(preview), events, cluster_view.queue_rows(views.queue_page(tx, None, 5))

    overview, preview, events, queue = await running.database.read(TEST, read)
    assert "2 of 2 instances take sessions: 3 of 10 places, 0 connected; imbalance 200%" in overview
    assert re.search(r"instance-a +healthy +3/5 +######\.\.\.\. ", overview)
    assert "1 session(s) would move; imbalance 200% now, 67% then." in preview
    assert "  Shop: instance-a -> instance-b, 1 session(s)" in preview
    assert re.match(r" +1  \S+ \S+Z  instance\.up +instance=instance-a generation=1 sessions=0", events[0])
    assert queue == ["  since  number  workspace  priority  was on  reason"]
    drained = (await stand.see("/operations"))["data"][0]
    row = cluster_view.operation_rows([schemas.Operation.model_validate(drained)])[1]
    assert "drain instance-b" in row and "done" in row and "Owner" in row
