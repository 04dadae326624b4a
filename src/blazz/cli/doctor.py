"""`blazz doctor`: look at the machine and the installation, say what is wrong and what to do."""

from __future__ import annotations

import json
import os
import platform
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import typer
from sqlalchemy.exc import DBAPIError

from blazz import __version__, migrations
from blazz.cli.console import fail, line
from blazz.cli.database import settings_for
from blazz.cli.doctor_findings import Finding, Level
from blazz.cli.doctor_media import check_converters, check_media_store
from blazz.cli.doctor_servers import check_database_server, check_redis
from blazz.cli.fleet.mode import read_mode
from blazz.engine_client.binary import find_engine_binary
from blazz.kit.errors import BlazzError
from blazz.kit.secret_keys import KEY_FILE, load_keys
from blazz.kit.settings import Settings
from blazz.sessions.storage.database import database_address
from blazz.sessions.storage.probe import probe_storage

_MIN_FREE_BYTES = 1 << 30
_SLOW_FSYNC_MS = 20.0


def run(data_dir: Path | None, port: int | None) -> None:
    """Print all findings; exit code 1 when one of them is a failure."""
    settings = settings_for(data_dir)
    checks: list[Callable[[], Finding]] = [
        _check_versions,
        lambda: _check_engine(settings),
        lambda: _check_port(settings.host, port or settings.port),
        lambda: _check_data_directory(settings),
        lambda: _check_secret_key(settings),
        lambda: _check_database(settings),
        lambda: check_redis(settings),
        lambda: _check_durability(settings),
        lambda: _check_disk(settings),
        lambda: _check_sessions(settings),
        lambda: check_media_store(settings),
        check_converters,
        _check_files,
    ]
    findings = [_safely(check) for check in checks]
    colours = {"ok": typer.colors.GREEN, "warn": typer.colors.YELLOW, "fail": typer.colors.RED}
    for finding in findings:
        line(typer.style(f"{finding.level:>5}", fg=colours[finding.level]) + f"  {finding.what}: {finding.detail}")
    failures = sum(finding.level == "fail" for finding in findings)
    if failures:
        fail(f"{failures} check(s) failed.")


def _safely(check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except DBAPIError as error:
        return Finding("fail", "database", f"cannot be read ({error.orig}); restore the last backup")
    except (BlazzError, OSError, sqlite3.Error, subprocess.SubprocessError) as error:
        return Finding("fail", "check", str(error))


def _check_versions() -> Finding:
    detail = f"Blazz {__version__}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    return Finding("ok", "versions", detail)


def _check_engine(settings: Settings) -> Finding:
    binary = find_engine_binary(settings)
    said = subprocess.run([binary, "version"], capture_output=True, text=True, timeout=10, check=False)
    if said.returncode:
        return Finding("fail", "engine host", f"{binary} does not run: {said.stderr.strip()[:200]}; run: make setup")
    return Finding("ok", "engine host", f"{binary}, {' '.join(said.stdout.split())[:160]}")


def _check_port(host: str, port: int) -> Finding:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return Finding("warn", "port", f"{host}:{port} cannot be bound ({error.strerror}); running already?")
    return Finding("ok", "port", f"{host}:{port} is free")


def _check_data_directory(settings: Settings) -> Finding:
    path = settings.data_dir
    if not path.exists():
        return Finding("ok", "data directory", f"{path} will be made at the first start")
    if path.stat().st_mode & 0o077:
        return Finding("warn", "data directory", f"{path} can be read by others; run: chmod 700 {path}")
    network = path / "network.json"
    name = json.loads(network.read_text())["network_id"] if network.exists() else "not yet chosen"
    return Finding("ok", "data directory", f"{path}, network: {name}")


def _check_secret_key(settings: Settings) -> Finding:
    where = "BLAZZ_SECRET_KEY" if settings.secret_key else str(settings.data_dir / KEY_FILE)
    if not settings.secret_key and not (settings.data_dir / KEY_FILE).exists():
        return Finding("ok", "secret key", f"{where} will be made at the first start")
    keys = load_keys(settings.data_dir, settings.secret_key, settings.secret_key_previous, create=False)
    if keys.previous is not None:
        detail = f"{where}, and a previous one: it is being changed. End that with: blazz secret rotate"
        return Finding("warn", "secret key", detail)
    return Finding("ok", "secret key", where)


def _check_database(settings: Settings) -> Finding:
    if settings.database_url is not None:
        return check_database_server(settings)
    if read_mode(settings.data_dir) == "instances":
        detail = f"PostgreSQL beneath {settings.data_dir}; it runs and is checked with: blazz up --instances N"
        return Finding("ok", "database", detail)
    path = settings.database_path
    if not path.exists():
        return Finding("ok", "database", f"{path} will be made at the first start")
    differences = migrations.check(path)
    if differences:
        return Finding("fail", "database", f"schema differs ({differences[0]}, ...); run: blazz db upgrade")
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        return Finding("fail", "database", f"{path} is damaged: {verdict}; restore the last backup")
    return Finding("ok", "database", f"{path}, {path.stat().st_size / 1e6:.1f} MB, integrity ok")


def _check_durability(settings: Settings) -> Finding:
    """Measure what an fsync costs where the data will be; SQLite always runs with synchronous=FULL here."""
    directory = settings.data_dir if settings.data_dir.exists() else Path.cwd()
    samples = []
    with tempfile.TemporaryFile(dir=directory) as file:
        for _ in range(10):
            began = time.perf_counter()
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
            samples.append((time.perf_counter() - began) * 1000)
    median = sorted(samples)[len(samples) // 2]
    level: Level = "warn" if median > _SLOW_FSYNC_MS else "ok"
    return Finding(level, "durability", f"synchronous=FULL; an fsync takes {median:.1f} ms here")


def _check_disk(settings: Settings) -> Finding:
    directory = settings.data_dir if settings.data_dir.exists() else Path.cwd()
    free = shutil.disk_usage(directory).free
    level: Level = "fail" if free < _MIN_FREE_BYTES // 8 else "warn" if free < _MIN_FREE_BYTES else "ok"
    return Finding(level, "disk", f"{free / 1e9:.1f} GB free at {directory}")


def _check_sessions(settings: Settings) -> Finding:
    """Look at the storage of the session stores as an instance does when it starts; storage that hangs is a finding."""
    if settings.session_store == "database":
        return _check_session_database(settings)
    directory = settings.sessions_dir
    if settings.sessions_path is None and not directory.is_dir():  # on our own disk, so this look cannot hang
        return Finding("ok", "session stores", f"{directory} will be made at the first start")
    report = probe_storage(directory, journal=settings.session_journal)
    return Finding(report.level, "session stores", report.summary + (f". {report.why}" if report.why else ""))


def _check_session_database(settings: Settings) -> Finding:
    try:
        database_address(settings)
    except BlazzError as error:
        return Finding("fail", "session stores", error.detail)
    detail = "rows of the PostgreSQL database (schema blazz_sessions); no sessions directory is used"
    return Finding("ok", "session stores", detail)


def _check_files() -> Finding:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    level: Level = "warn" if hard < 8192 else "ok"
    return Finding(level, "open files", f"limit {soft} (up to {hard}); one number needs about three")
