"""A CI run in which a required test was skipped is a failed run."""

from __future__ import annotations

import pytest

SUITE = """
import pytest

@pytest.mark.{marker}
def test_with_a_server():
    pytest.skip("no server here")

def test_without():
    pass
"""

CONFIG = """
import pytest
pytest_plugins = ["tests.required_tests"]
def pytest_configure(config):
    for name in ("browser", "database", "slow"):
        config.addinivalue_line("markers", name)
"""


def _run(pytester: pytest.Pytester, source: str) -> pytest.RunResult:
    pytester.makeconftest(CONFIG)
    pytester.makepyfile(source)
    return pytester.runpytest_subprocess("-p", "no:cacheprovider")


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config) -> None:
    monkeypatch.setenv("PYTHONPATH", str(pytestconfig.rootpath))


@pytest.mark.parametrize("marker", ["browser", "database"])
def test_a_skipped_required_test_fails_the_run_in_ci(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, marker: str
) -> None:
    monkeypatch.setenv("CI", "true")
    result = _run(pytester, SUITE.format(marker=marker))
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*skipped, but required in CI*", "*::test_with_a_server"])


def test_a_skipped_optional_test_does_not(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    assert _run(pytester, SUITE.format(marker="slow")).ret == pytest.ExitCode.OK


def test_on_a_persons_machine_a_skip_is_a_skip(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    assert _run(pytester, SUITE.format(marker="browser")).ret == pytest.ExitCode.OK


def test_a_module_that_skips_itself_fails_the_run_in_ci(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    result = _run(pytester, "import pytest\npytest.importorskip('no_such_module_here')\n")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
