"""Which machines, Pythons, Gos and Nodes set-up accepts, and what it tells the others."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tools.setup import paths
from tools.setup.platforms import Machine, unsupported_reason
from tools.setup.versions import go_usable, node_usable, parse_version


@pytest.mark.parametrize(
    ("output", "version"),
    [
        ("go version go1.26.8 linux/amd64", (1, 26, 8)),
        ("go version go1.26 darwin/arm64", (1, 26, 0)),
        ("go version go1.27rc1 linux/arm64", (1, 27, 0)),
        ("v20.20.2\n", (20, 20, 2)),
        ("pyenv: node: command not found", None),
        ("", None),
    ],
)
def test_the_version_is_read_from_what_a_tool_prints(output: str, version: tuple[int, int, int] | None) -> None:
    assert parse_version(output) == version


@pytest.mark.parametrize(("text", "usable"), [("1.25.9", False), ("1.26.0", True), ("1.27.3", True), ("2.0.0", True)])
def test_go_is_used_from_1_26_on(text: str, usable: bool) -> None:
    assert go_usable(parse_version(text)) is usable


@pytest.mark.parametrize(
    ("text", "usable"),
    [
        ("v18.20.8", False),
        ("v20.18.1", False),
        ("v20.19.0", True),
        ("v21.7.3", False),
        ("v22.11.0", False),
        ("v22.12.0", True),
        ("v24.1.0", True),
        ("v26.0.0", True),
    ],
)
def test_node_is_used_when_the_bundler_runs_on_it(text: str, usable: bool) -> None:
    assert node_usable(parse_version(text)) is usable


def test_a_tool_that_reports_no_version_is_not_used() -> None:
    assert not go_usable(None)
    assert not node_usable(None)


@pytest.mark.parametrize(
    "machine",
    [Machine("Linux", "x64", "glibc"), Machine("Linux", "arm64", "glibc"), Machine("Darwin", "arm64", "")],
)
def test_supported_machines_are_accepted(machine: Machine) -> None:
    assert unsupported_reason(machine) is None


@pytest.mark.parametrize(
    ("machine", "advice"),
    [
        (Machine("Linux", "x64", "musl"), "Debian"),
        (Machine("Linux", "riscv64", "glibc"), "This is Linux riscv64"),
        (Machine("Darwin", "x64", ""), "Rosetta"),
        (Machine("Windows", "x64", ""), "WSL 2"),
        (Machine("FreeBSD", "x64", ""), "This is FreeBSD x64"),
    ],
)
def test_other_machines_are_told_what_is_supported_and_what_they_are(machine: Machine, advice: str) -> None:
    reason = unsupported_reason(machine)
    assert reason is not None
    assert "Linux x64 and arm64 (glibc) and on macOS arm64" in reason
    assert advice in reason


def _fake_python(directory: Path, name: str, version: tuple[int, int]) -> None:
    """A program that answers the version question like a Python of that version."""
    script = directory / name
    passes = 0 if version >= (3, 11) else 1
    major, minor = version
    script.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "Python {major}.{minor}.0" && exit 0\nexit {passes}\n')
    script.chmod(0o755)


def _find_python(directory: Path, root: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs a copy of the finder, so that it does not see this repository's own environment."""
    finder = root / "tools" / "find-python"
    finder.parent.mkdir(parents=True)
    finder.write_text((paths.ROOT / "tools" / "find-python").read_text())
    environment = {"PATH": f"{directory}:/nowhere", **variables}
    for tool in ("dirname", "cat"):
        (directory / tool).symlink_to(Path("/usr/bin") / tool if Path("/usr/bin", tool).exists() else f"/bin/{tool}")
    return subprocess.run(["/bin/sh", finder], env=environment, capture_output=True, text=True, check=False)


def test_without_a_new_enough_python_the_message_says_what_to_install(tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    _fake_python(tools, "python3", (3, 9))
    result = _find_python(tools, tmp_path / "tree")
    assert result.returncode == 1
    assert result.stdout == ""
    assert "needs Python 3.11 or newer; found: Python 3.9.0" in result.stderr
    assert "apt install python3" in result.stderr


def test_a_newer_python_beside_an_old_python3_is_found(tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    _fake_python(tools, "python3", (3, 9))
    _fake_python(tools, "python3.12", (3, 12))
    result = _find_python(tools, tmp_path / "tree")
    assert result.stdout == "python3.12\n"


def test_a_named_python_that_is_too_old_is_refused_instead_of_replaced(tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    _fake_python(tools, "python3", (3, 13))
    _fake_python(tools, "old", (3, 8))
    result = _find_python(tools, tmp_path / "tree", PYTHON="old")
    assert result.returncode == 1
    assert "PYTHON=old is not Python 3.11 or newer" in result.stderr
