"""`python -m tools.check [--tests | --prove | --format | --rules]`: runs every check and says which failed, and how."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

from tools.check.data_access import misplaced_sql
from tools.check.rules import broken_rules, tracked_files
from tools.setup import paths
from tools.setup.system import in_ci
from tools.setup.toolchains import find_go, find_node, go_environment, node_environment

_CHECK_TIMEOUT_S = 900.0
_SUITE_TIMEOUT_S = 2400.0
_WORKERS = 2


def _environment() -> dict[str, str]:
    """Ours, but Python may keep what it compiled: the tests start hundreds of processes from the same sources."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


@dataclass(frozen=True)
class Check:
    """A command that must succeed; `silent` ones must also print nothing (gofmt lists files and exits with 0)."""

    name: str
    command: Sequence[str | Path]
    cwd: Path = paths.ROOT
    env: Mapping[str, str] = field(default_factory=_environment)
    silent: bool = False


def python_sources() -> list[str]:
    """The directories of Python sources that hold any."""
    names = ("src", "tests", "benchmarks", "tools")
    return [name for name in names if next((paths.ROOT / name).rglob("*.py"), None) is not None]


def checks() -> list[Check]:
    """Everything of `make check` that is a command, slowest first."""
    scripts = paths.VENV / "bin"
    go = go_environment(find_go())
    node = node_environment(find_node())
    host = paths.ENGINE_HOST
    return [
        Check("types of Python (mypy)", [scripts / "mypy", *python_sources()]),
        Check("types and style of the web application", ["npm", "run", "--silent", "check"], paths.WEB, node),
        Check("staticcheck", [paths.TOOL_BIN / "staticcheck", "./..."], host, go),
        Check("go vet", ["go", "vet", "./..."], host, go),
        Check("gofmt", ["gofmt", "-l", *_go_directories()], host, go, silent=True),
        Check("table of proof (docs/kinds.md)", [paths.VENV_PYTHON, "-m", "tools.kinds_table", "--check"]),
        Check("imports between rooms (import-linter)", [scripts / "lint-imports", "--no-logo"]),
        Check("ruff", [scripts / "ruff", "check", "."]),
        Check("format of Python (ruff)", [scripts / "ruff", "format", "--check", "."]),
    ]


# Tests that mostly wait: for leases, restarts, whole clusters, the network. They need little of the machine, but soon.
_WAITING = ("tests/cluster/faults", "tests/processes", "tests/storage", "tests/faults", "tests/sessions")
# Tests that start programs; behind the waiting ones, so that both parts end at about the same time.
_PROGRAMS = ("tests/cli", "tests/docs", "tests/migrations")
_NICE = 5  # of the suite that runs beside them
_MODEL = "tests/cluster/faults/test_model.py"


def suites() -> list[Check]:
    """The test suites of `make test` that run one after the other, with their output shown."""
    go = go_environment(find_go())
    race = _race_flags()
    if race:
        go["CGO_ENABLED"] = "1"
    return [
        Check("Go tests", ["go", "test", *race, "./..."], paths.ENGINE_HOST, go),
        Check("web tests", ["npm", "run", "--silent", "test"], paths.WEB, node_environment(find_node())),
    ]


def python_suites() -> tuple[list[Check], list[Check]]:
    """The Python tests in two parts that run side by side: those that mostly wait or start programs, and all others."""
    pytest: list[str | Path] = [paths.VENV_PYTHON, "-m", "pytest", "-m", "not prove"]
    aside = [path for path in (*_WAITING, *_PROGRAMS) if (paths.ROOT / path).exists()]
    others: list[str | Path] = ["nice", "-n", str(_NICE), *pytest, *(f"--ignore={path}" for path in aside)]
    return (
        [Check("Python tests of processes and programs", [*pytest, "-p", "no:cacheprovider", *aside])],
        [Check("Python and browser tests", others)],
    )


def proof() -> tuple[list[Check], list[Check]]:
    """The long fault matrix: what runs side by side, unseen, with what runs one after the other, its output shown.

    The model only computes. The cuts of one database are quiet enough to run beside those of the other; the random
    ones, under the traffic of thousands of messages, are alone with the model.
    """
    pytest: list[str | Path] = [paths.VENV_PYTHON, "-m", "pytest", "-m", "prove or fire", "-p", "no:cacheprovider"]

    def part(name: str, title: str, command: Sequence[str | Path]) -> Check:
        env = {**_environment(), "BLAZZ_PROVE_DIR": "docs/prove", "BLAZZ_PROVE_PART": name}
        return Check(title, command, env=env)

    cuts = [*pytest, f"--ignore={_MODEL}", "-k"]
    beside = [
        part("model", "model of ownership", ["nice", "-n", "10", *pytest, _MODEL]),
        part("mariadb", "cuts on MariaDB", [*cuts, "mariadb and not matrix"]),
    ]
    shown = [
        part("postgresql", "cuts on PostgreSQL", [*cuts, "not mariadb and not matrix"]),
        part("matrix", "random cuts under traffic", [*cuts, "matrix"]),
    ]
    return beside, shown


def formatters() -> list[Check]:
    scripts = paths.VENV / "bin"
    go = go_environment(find_go())
    return [
        Check("ruff", [scripts / "ruff", "check", "--fix", "--quiet", "."]),
        Check("format of Python (ruff)", [scripts / "ruff", "format", "."]),
        Check("gofmt", ["gofmt", "-l", "-w", *_go_directories()], paths.ENGINE_HOST, go),
        Check("web", ["npm", "run", "--silent", "--if-present", "format"], paths.WEB, node_environment(find_node())),
    ]


def run_quietly(wanted: Sequence[Check]) -> list[str]:
    """Runs checks side by side, prints a line for each and the output of those that fail; returns their names."""
    failed = []
    with ThreadPoolExecutor(_WORKERS) as pool:
        futures: dict[Future[tuple[bool, str, float]], Check] = {pool.submit(_run, check): check for check in wanted}
        for future in as_completed(futures):
            check = futures[future]
            passed, text, seconds = future.result()
            _say(f"  {'ok  ' if passed else 'FAIL'}  {check.name} ({seconds:.1f} s)")
            if not passed:
                failed.append(check.name)
                _say("\n".join("        " + line for line in text.strip().splitlines()))
    return failed


def run_openly(wanted: Sequence[Check]) -> list[str]:
    """Runs suites one after the other with their output shown; returns the names of those that failed."""
    failed = []
    times = []
    for check in wanted:
        _say(f"\n=== {check.name}")
        begun = time.monotonic()
        try:
            code = subprocess.run(
                [str(word) for word in check.command],
                cwd=check.cwd,
                env=dict(check.env),
                timeout=_SUITE_TIMEOUT_S,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            _say(f"No end after {_SUITE_TIMEOUT_S:.0f} s.")
            code = 1
        times.append(f"  {'ok  ' if code == 0 else 'FAIL'}  {check.name} ({time.monotonic() - begun:.0f} s)")
        if code != 0:
            failed.append(check.name)
    _say("\n" + "\n".join(times))
    return failed


def run_beside(quiet: Sequence[Check], shown: Sequence[Check]) -> list[str]:
    """Runs the first ones at once and beside the others, their output shown at the end; returns who failed."""
    with ThreadPoolExecutor(len(quiet)) as pool:
        futures = [(check, pool.submit(_run, check, _SUITE_TIMEOUT_S)) for check in quiet]
        failed = run_openly(shown)
        for check, future in futures:
            passed, text, seconds = future.result()
            _say(f"\n=== {check.name}\n{text}\n  {'ok  ' if passed else 'FAIL'}  {check.name} ({seconds:.0f} s)")
            if not passed:
                failed.append(check.name)
    return failed


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 0 when all passed, else 1 after naming what failed."""
    parser = argparse.ArgumentParser(prog="python -m tools.check", description=__doc__)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--tests", action="store_true", help="run the test suites instead of the checks")
    mode.add_argument("--prove", action="store_true", help="run the long fault matrix instead of the checks")
    mode.add_argument("--format", action="store_true", help="format all sources instead of checking them")
    mode.add_argument("--rules", action="store_true", help="check only the rules of the repository")
    options = parser.parse_args(arguments)
    begun = time.monotonic()
    if options.format:
        failed = run_openly(formatters())
    elif options.tests:
        failed = run_openly(suites()) + run_beside(*python_suites())
    elif options.prove:
        failed = run_beside(*proof())
    elif options.rules:
        failed = _repository_rules()
    else:
        _say("Checking:")
        failed = _repository_rules() + run_quietly(checks())
    seconds = time.monotonic() - begun
    if failed:
        _say(f"\nFailed after {seconds:.0f} s: {', '.join(failed)}")
        return 1
    _say(f"\nAll passed in {seconds:.0f} s.")
    return 0


def _repository_rules() -> list[str]:
    names = tracked_files(paths.ROOT)
    broken = [*broken_rules(paths.ROOT, names), *misplaced_sql(paths.ROOT, names)]
    _say(f"  {'FAIL' if broken else 'ok  '}  rules of the repository")
    for line in broken:
        _say("        " + line)
    return ["rules of the repository"] if broken else []


def _run(check: Check, timeout_s: float = _CHECK_TIMEOUT_S) -> tuple[bool, str, float]:
    begun = time.monotonic()
    try:
        result = subprocess.run(
            [str(word) for word in check.command],
            cwd=check.cwd,
            env=dict(check.env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return False, str(error), time.monotonic() - begun
    passed = result.returncode == 0 and not (check.silent and result.stdout.strip())
    return passed, result.stdout, time.monotonic() - begun


def _go_directories() -> list[str]:
    """The engine host's directories with sources written by people; the generated contract is not formatted."""
    found = {path.parent for path in paths.ENGINE_HOST.rglob("*.go")} - {paths.GENERATED_GO}
    return [str(path.relative_to(paths.ENGINE_HOST)) for path in sorted(found)]


def _race_flags() -> list[str]:
    """The race detector needs a C compiler: always used in CI, elsewhere where there is one."""
    return ["-race"] if in_ci() or shutil.which("cc") or shutil.which("gcc") else []


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
