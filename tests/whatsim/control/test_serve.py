"""The network as a process of its own: it says when it is ready, is driven by the command line, and ends cleanly."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from whatsim.cli import app


class Serving:
    """A `whatsim serve` process on free ports."""

    def __init__(self, state: Path, *options: str) -> None:
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "whatsim",
                "serve",
                "--state",
                str(state),
                "--port",
                "0",
                "--wire-port",
                "0",
                *options,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.ready: dict[str, Any] = json.loads(self.process.stdout.readline())

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    started = Serving(tmp_path / "network", "--parent-stdin")
    yield started
    started.end()


def test_the_ready_line_says_where_everything_is(serving: Serving) -> None:
    ready = serving.ready
    assert ready["ready"] is True
    assert ready["pid"] == serving.process.pid
    assert ready["network_id"].startswith("sim-")
    assert Path(ready["ca"]).read_text().startswith("-----BEGIN CERTIFICATE-----")
    assert Path(ready["root_key"]).is_file()
    host, port = ready["wire"].rsplit(":", 1)
    socket.create_connection((host, int(port)), timeout=5).close()
    assert httpx.get(ready["control"] + "/phones", trust_env=False).json() == {"data": []}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(serving: Serving, number: signal.Signals) -> None:
    os.kill(serving.process.pid, number)
    assert serving.process.wait(10) == 0


def test_the_end_of_the_parent_ends_it(serving: Serving) -> None:
    assert serving.process.stdin is not None
    serving.process.stdin.close()
    assert serving.process.wait(10) == 0


def test_everything_is_there_again_after_kill_9(serving: Serving, tmp_path: Path) -> None:
    control = serving.ready["control"]
    run = CliRunner()

    def whatsim(*arguments: str, at: str = control) -> str:
        result = run.invoke(app, [*arguments, "--control", at])
        assert result.exit_code == 0, result.output
        return result.output.strip()

    ana, budi = whatsim("add", "--name", "Ana"), whatsim("add", "--name", "Budi")
    message_id = whatsim("send", ana, budi, "kept")
    os.kill(serving.process.pid, signal.SIGKILL)
    serving.process.wait(10)

    again = Serving(tmp_path / "network")
    try:
        assert again.ready["network_id"] == serving.ready["network_id"]
        assert "Ana" in whatsim("phones", at=again.ready["control"])
        assert "kept" in whatsim("messages", ana, at=again.ready["control"])
        sent = httpx.get(f"{again.ready['control']}/phones/{ana}/messages", trust_env=False).json()["data"]
        assert [message["message_id"] for message in sent] == [message_id]
        assert "phones" in whatsim("stats", at=again.ready["control"])
    finally:
        again.end()


def test_a_refusal_is_a_sentence_and_an_exit_code(serving: Serving) -> None:
    result = CliRunner().invoke(
        app, ["send", "628110000001", "628110000002", "hi", "--control", serving.ready["control"]]
    )
    assert result.exit_code == 1
    assert "404" in result.output
    result = CliRunner().invoke(app, ["phones", "--control", "http://127.0.0.1:9"])
    assert result.exit_code == 1
    assert "whatsim serve" in result.output


def test_a_taken_port_is_a_sentence_and_an_exit_code(serving: Serving, tmp_path: Path) -> None:
    port = serving.ready["control"].rsplit(":", 1)[1]
    command = [sys.executable, "-m", "whatsim", "serve", "--state", str(tmp_path / "other"), "--wire-port", "0"]
    result = subprocess.run([*command, "--port", port], capture_output=True, text=True, timeout=30, check=False)
    assert result.returncode == 1
    assert "cannot start" in result.stderr
    assert "Traceback" not in result.stderr
