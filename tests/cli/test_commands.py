"""The command line as a person meets it: help that teaches, refusals that say what to do."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = (
    *("up", "demo", "gateway", "instance", "worker", "cluster"),
    *("db", "media", "secret", "accounts", "send", "simulate", "doctor", "openapi"),
)


def blazz(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "blazz", *arguments],
        capture_output=True,
        text=True,
        timeout=90,
        env={**os.environ, "NO_COLOR": "1", "TERM": "dumb", **environment},
        check=False,
    )


def test_help_lists_every_command_with_what_it_does() -> None:
    shown = blazz("--help")
    assert shown.returncode == 0
    for command in COMMANDS:
        assert re.search(rf"\b{command}\b +\w", shown.stdout), command


def test_the_database_is_made_checked_and_found_different(tmp_path: Path) -> None:
    options = ("--data-dir", str(tmp_path / "data"))
    assert blazz("db", "check", *options).returncode == 1
    assert blazz("db", "upgrade", *options).returncode == 0
    checked = blazz("db", "check", *options)
    assert (checked.returncode, "matches" in checked.stdout) == (0, True)
    import sqlite3

    with sqlite3.connect(tmp_path / "data" / "blazz.db") as connection:
        connection.execute("DROP TABLE outbox")
    differs = blazz("db", "check", *options)
    assert differs.returncode == 1
    assert "outbox" in differs.stdout


def test_doctor_reports_on_every_part(tmp_path: Path) -> None:
    options = ("--data-dir", str(tmp_path / "data"))
    assert blazz("db", "upgrade", *options).returncode == 0
    report = blazz("doctor", *options)
    assert report.returncode == 0, report.stdout + report.stderr
    for what in (
        "versions",
        "engine host",
        "port",
        "data directory",
        "database",
        "durability",
        "disk",
        "media store",
        "secret key",
        "converters",
    ):
        assert what in report.stdout


def test_doctor_fails_on_a_damaged_database(tmp_path: Path) -> None:
    (tmp_path / "blazz.db").write_bytes(b"not a database" * 100)
    report = blazz("doctor", "--data-dir", str(tmp_path))
    assert report.returncode == 1
    assert "Traceback" not in report.stderr


def test_a_taken_port_is_named_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = blazz("up", "--data-dir", str(tmp_path / "data"), "--port", str(port))
    assert refused.returncode == 1
    assert f"Port {port}" in refused.stderr
    assert not (tmp_path / "data" / "blazz.db").exists()


@pytest.mark.parametrize(
    "options",
    [
        ("--network", "simulated"),
        ("--network", "elsewhere"),
        ("--network-address", "127.0.0.1:1"),
        ("--network", "simulated", "--network-address", "192.0.2.1:443", "--network-ca", "README.md")
        + ("--network-root-key", "README.md", "--network-id", "sim-000000000000"),
    ],
)
def test_network_options_that_contradict_each_other_are_refused(tmp_path: Path, options: tuple[str, ...]) -> None:
    refused = blazz("up", "--data-dir", str(tmp_path / "data"), "--port", "0", *options)
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr


def test_remote_commands_ask_for_a_key_and_name_a_server_that_is_away() -> None:
    without = blazz("accounts", "list", BLAZZ_API_KEY="")
    assert (without.returncode, "API key" in without.stderr) == (1, True)
    away = blazz("send", "+628110000101", "hello", "--url", "http://127.0.0.1:9", BLAZZ_API_KEY="blz_x")
    assert (away.returncode, "blazz up" in away.stderr) == (1, True)


def test_the_openapi_document_is_all_that_is_printed() -> None:
    document = json.loads(blazz("openapi").stdout)
    assert document["openapi"].startswith("3.1")
    assert "/api/v1/messages" in document["paths"]


def test_failpoints_are_refused_outside_test_mode() -> None:
    refused = blazz("db", "check", BLAZZ_FAILPOINTS="ingest.before_store=kill", BLAZZ_TEST_MODE="0")
    assert refused.returncode != 0
    assert "test mode" in refused.stderr
