"""The cluster of these tests, one per kind of database, and the table at the end of a run."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import pytest

from tests.cluster.faults import record
from tests.cluster.faults.fire import Fire, Kind, fire_on

_began = time.monotonic()
ON_MARIADB = "on_mariadb"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{ON_MARIADB}: also runs on MariaDB in the short run")
    config.addinivalue_line(
        "markers", "fire: a cut of a cluster under traffic; `make prove` runs all, the short ones, too"
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run on PostgreSQL and MariaDB; in the short run on MariaDB only what is marked for it."""
    if "fire_kind" in metafunc.fixturenames:
        short = metafunc.definition.get_closest_marker(ON_MARIADB) is not None
        mariadb = pytest.param("mariadb", marks=[] if short else [pytest.mark.prove])
        metafunc.parametrize("fire_kind", ["postgresql", mariadb], indirect=True, scope="package")


@pytest.fixture(scope="package")
def fire_kind(request: pytest.FixtureRequest) -> Kind:
    """The kind of database server."""
    kind: Kind = request.param
    return kind


@pytest.fixture(scope="package")
async def fire(fire_kind: Kind, tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncIterator[Fire]:
    """A running cluster with eight linked numbers, used by one test after the other."""
    async with fire_on(fire_kind, tmp_path_factory.mktemp("fire")) as started:
        yield started


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what all cuts did, and keep it when asked to."""
    if record.CUTS:
        terminalreporter.section("cuts under fire")
        for line in record.table(record.CUTS):
            terminalreporter.line(line)
    outcomes = {
        outcome: [report.nodeid for report in terminalreporter.stats.get(outcome, []) if hasattr(report, "nodeid")]
        for outcome in ("passed", "failed", "error", "skipped")
    }
    path = record.write(outcomes, time.monotonic() - _began)
    if path is not None:
        terminalreporter.line(f"kept in {path}")
