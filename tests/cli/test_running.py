"""`blazz up` and `blazz demo` as processes: links, signals, networks that never mix, commands by API."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import httpx
import pytest

from benchmarks.stand import Child, poll, stand
from tests.cli.test_commands import blazz
from tests.e2e.support import start_demo, stop_demo

pytestmark = [pytest.mark.anyio, pytest.mark.engine]


async def test_numbers_and_messages_can_be_handled_from_a_terminal() -> None:
    async with stand() as built:
        environment = {"BLAZZ_URL": built.url, "BLAZZ_API_KEY": built.api_key}
        for number in ("628110000100", "628110000101"):
            await built.phones.json("POST", "/phones", {"number": number})
        connecting = subprocess.Popen(
            [sys.executable, "-m", "blazz", "accounts", "connect", "--name", "Terminal", "--timeout", "60"],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        printed: list[str] = []
        assert connecting.stdout is not None
        reading = threading.Thread(target=printed.extend, args=(iter(partial(connecting.stdout.read, 1), ""),))
        reading.start()
        try:

            async def added() -> str | None:
                accounts = (await built.api.json("GET", "/accounts"))["data"]
                return accounts[0]["id"] if accounts else None

            account = await poll(added, 30)

            async def drawn() -> bool:
                return bool({"\u2588", "\u2580"} & set(printed))

            await poll(drawn, 30)
            code = (await built.api.json("GET", f"/accounts/{account}/qr"))["code"]
            await built.phones.json("POST", "/phones/628110000100/link", {"qr": code})
            assert connecting.wait(timeout=60) == 0
        finally:
            connecting.kill()
            reading.join(timeout=10)
        assert "Linked: +628110000100 is connected." in "".join(printed)
        listed = blazz("accounts", "list", **environment)
        assert "+628110000100" in listed.stdout
        sent = blazz("send", "+628110000101", "hello from a terminal", **environment)
        assert sent.returncode == 0, sent.stderr
        assert sent.stdout.split()[1] in ("sent", "delivered")
        page = await built.phones.json("GET", "/phones/628110000101/messages")
        assert [message["body"] for message in page["data"]] == ["hello from a terminal"]


async def test_data_of_one_network_is_refused_by_another_before_any_connection(tmp_path: Path) -> None:
    demo = start_demo(tmp_path / "demo")
    stop_demo(demo)
    real = blazz("up", "--data-dir", str(tmp_path / "demo" / "blazz"), "--port", "0")
    assert real.returncode == 1
    assert "network" in real.stderr
    assert "Traceback" not in real.stderr


async def test_a_second_process_on_the_same_data_is_refused(tmp_path: Path) -> None:
    demo = start_demo(tmp_path / "demo")
    try:
        second = blazz("demo", "--data-dir", str(tmp_path / "demo"), "--port", "0", "--phones-port", "0")
        assert second.returncode == 1
        assert "Traceback" not in second.stderr
    finally:
        stop_demo(demo)


async def test_the_sign_in_link_of_the_demo_works_once(tmp_path: Path) -> None:
    demo = start_demo(tmp_path / "demo")
    try:
        token = demo.ready["sign_in_url"].split("#token=")[1]
        async with httpx.AsyncClient(base_url=demo.url + "/api/v1", trust_env=False) as browser:
            assert (await browser.post("/auth/login-link", json={"token": token})).status_code == 200
            again = await browser.post("/auth/login-link", json={"token": token})
            assert (again.status_code, again.json()["code"]) == (403, "link_used_or_expired")
    finally:
        stop_demo(demo)


async def test_everything_ends_with_the_demo_even_when_it_is_killed(tmp_path: Path) -> None:
    import psutil

    demo = start_demo(tmp_path / "demo")
    family = psutil.Process(demo.process.pid).children(recursive=True)
    assert any("engine" in process.name() for process in family)
    demo.process.send_signal(signal.SIGKILL)
    demo.process.wait()
    _, alive = psutil.wait_procs(family, timeout=20)
    assert alive == []


async def test_the_first_owners_code_is_kept_in_a_private_file_until_it_was_used() -> None:
    async with stand() as built:
        code_file = built.directory / "data" / "setup-code.txt"
        assert built.product.ready["setup_code"]
        assert not code_file.exists()  # the stand has used it
        again = Child([*built.product.command], log=built.directory / "again.log")
        await built.product.stop()
        assert (await again.start())["setup_code"] is None
        await again.stop()
