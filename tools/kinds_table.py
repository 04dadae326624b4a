"""`python -m tools.kinds_table [--check]`: writes docs/kinds.md, which test shows which message kind in which column.

The tests themselves say so: `@pytest.mark.kind("reaction", "send")`, one column or several; "live location" is the row
live_location. The rows, and why a cell cannot have a test, stand in tools/kinds.toml.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tools.setup import paths

COLUMNS = {
    "send": "Send",
    "receive": "Receive",
    "page": "Inbox page",
    "api": "API",
    "network": "Simulated network",
    "baileys": "Baileys",
}
PAGE = paths.ROOT / "docs" / "kinds.md"
ROWS = Path(__file__).with_name("kinds.toml")
_MARK = "mark.kind("
_HEAD = """\
# Message kinds and what shows that they work

Each cell names a test that fails when the kind stops working there. *Baileys* is a second real WhatsApp client which
exchanges the kind with a Blazz number over the simulated network. Written by `python -m tools.kinds_table` from the
marks of the test-suite; `make check` says when it is out of date.

"""
_OPEN = "not shown yet"


@dataclass(frozen=True)
class Kind:
    """A row: `without` holds, by column, why there can be no test."""

    name: str
    title: str
    without: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Proof:
    """A test (`path::name`, without parameters) that shows a kind in a column."""

    kind: str
    column: str
    test: str


class TableError(Exception):
    """A mark or the data file names what does not exist; the text says which."""


class Collector:
    """A pytest plugin that notes the marks of collected tests and runs nothing."""

    def __init__(self) -> None:
        self.proofs: set[Proof] = set()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            test = item.nodeid.partition("[")[0]
            for mark in item.iter_markers("kind"):
                name, *columns = mark.args
                kind = str(name).replace(" ", "_")
                self.proofs.update(Proof(kind, str(column), test) for column in columns)


def read_rows(path: Path = ROWS) -> list[Kind]:
    """Return the rows of the data file. Raises TableError."""
    rows = [Kind(row["name"], row["title"], row.get("without", {})) for row in tomllib.loads(path.read_text())["kind"]]
    for row in rows:
        if unknown := row.without.keys() - COLUMNS.keys():
            raise TableError(f"tools/kinds.toml: {row.name} has no column {', '.join(sorted(unknown))}.")
    return rows


def collect(root: Path) -> set[Proof]:
    """Return what the marks of all tests below `root`/tests say. Raises TableError when they cannot be collected."""
    files = [str(path) for path in sorted((root / "tests").rglob("test_*.py")) if _MARK in path.read_text()]
    if not files:
        return set()
    collector = Collector()
    # Without the terminal, whose options are then unknown; what is collected must not depend on them.
    options = ["--collect-only", "-p", "no:terminal", "-o", "addopts=--strict-markers --import-mode=importlib"]
    code = pytest.main([*options, "--rootdir", str(root), *files], plugins=[collector])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        raise TableError("The marked tests cannot be collected; pytest --collect-only says why.")
    return collector.proofs


def render(rows: Sequence[Kind], proofs: Iterable[Proof]) -> str:
    """Return the page. Raises TableError for a mark of an unknown kind or column, or of a cell that cannot be had."""
    cells: dict[tuple[str, str], list[str]] = {}
    known = {row.name: row for row in rows}
    for proof in sorted(proofs, key=lambda proof: proof.test):
        if proof.kind not in known:
            raise TableError(f"{proof.test}: there is no kind {proof.kind} in tools/kinds.toml.")
        if proof.column not in COLUMNS:
            raise TableError(f"{proof.test}: there is no column {proof.column}; columns are {', '.join(COLUMNS)}.")
        if proof.column in known[proof.kind].without:
            raise TableError(f"{proof.test}: tools/kinds.toml says that {proof.kind} cannot have {proof.column}.")
        cells.setdefault((proof.kind, proof.column), []).append(proof.test)
    lines = [
        f"| Kind | {' | '.join(COLUMNS.values())} |",
        f"|---|{'---|' * len(COLUMNS)}",
    ]
    for row in rows:
        texts = [_cell(row, column, cells.get((row.name, column), [])) for column in COLUMNS]
        lines.append(f"| {row.title} (`{row.name}`) | {' | '.join(texts)} |")
    return _HEAD + "\n".join(lines) + "\n"


def _cell(row: Kind, column: str, tests: list[str]) -> str:
    if tests:
        path, _, name = tests[0].partition("::")
        more = f" and {len(tests) - 1} more" if len(tests) > 1 else ""
        return f"[{name.removeprefix('test_').replace('_', ' ')}](../{path}){more}"
    return f"*{row.without[column]}*" if column in row.without else _OPEN


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 when the page is written or (with --check) up to date, else 1 after saying what to do."""
    parser = argparse.ArgumentParser(prog="python -m tools.kinds_table", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say whether the page is up to date")
    check: bool = parser.parse_args(arguments).check
    try:
        page = render(read_rows(), collect(paths.ROOT))
    except TableError as error:
        print(error, file=sys.stderr)
        return 1
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == page:
        return 0
    if check:
        print("docs/kinds.md is out of date. Run: .venv/bin/python -m tools.kinds_table", file=sys.stderr)
        return 1
    PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
