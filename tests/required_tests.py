"""A pytest plugin: in CI a skipped browser or database test fails the run, so that a missing server is not a pass."""

from __future__ import annotations

import os

import pytest

REQUIRED_MARKERS = ("browser", "database")


def _in_ci() -> bool:
    return os.environ.get("CI", "").lower() in ("1", "true", "yes")


class RequiredTests:
    """Collects the required tests that were skipped, by node id, and turns a passed run into a failed one."""

    def __init__(self) -> None:
        self.required: set[str] = set()
        self.skipped: list[str] = []

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        self.required = {
            item.nodeid for item in items if any(item.get_closest_marker(name) for name in REQUIRED_MARKERS)
        }

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        # A module that skips itself is gone before its markers can be read, so in CI none may.
        if report.skipped:
            self.skipped.append(report.nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and report.nodeid in self.required and not hasattr(report, "wasxfail"):
            self.skipped.append(report.nodeid)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.skipped and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.skipped:
            terminalreporter.section("skipped, but required in CI", red=True)
            for node in self.skipped:
                terminalreporter.line(node)


def pytest_configure(config: pytest.Config) -> None:
    if _in_ci():
        config.pluginmanager.register(RequiredTests(), "required-tests")
