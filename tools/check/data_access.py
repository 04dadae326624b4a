"""Where SQL may be written: statements in repositories, SQL as text only in the kit, so that the guard sees all."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

# Functions of sqlalchemy that begin a statement.
_STATEMENTS = frozenset({"select", "insert", "update", "delete", "union", "union_all", "exists"})
# What sends SQL that nobody can analyse; the tenant guard cannot tie such a statement to a workspace.
_RAW = frozenset({"text", "literal_column", "exec_driver_sql"})

# Rooms whose whole subject is the database.
_STATEMENT_ROOMS = ("src/blazz/kit/", "src/blazz/events/", "src/blazz/migrations/")
_RAW_ROOMS = ("src/blazz/kit/db/", "src/blazz/migrations/")


def misplaced_sql(root: Path, names: Iterable[str]) -> Iterator[str]:
    """One line per tracked file of the product that builds SQL where it must not: "path:line: what is wrong"."""
    for name in names:
        if name.startswith("src/blazz/") and name.endswith(".py"):
            yield from _misplaced_in(name, ast.parse((root / name).read_text(), name))


def _misplaced_in(name: str, tree: ast.Module) -> Iterator[str]:
    statements_allowed = name.startswith(_STATEMENT_ROOMS) or _is_repository(name)
    raw_allowed = name.startswith(_RAW_ROOMS)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "sqlalchemy":
            for alias in node.names:
                if alias.name in _STATEMENTS and not statements_allowed:
                    yield f"{name}:{node.lineno}: builds SQL ({alias.name}); queries live in the room's repository"
                if alias.name in _RAW and not raw_allowed:
                    yield f"{name}:{node.lineno}: writes SQL as text ({alias.name}), which the tenant guard cannot read"
        elif isinstance(node, ast.Attribute) and node.attr == "exec_driver_sql" and not raw_allowed:
            yield f"{name}:{node.lineno}: writes SQL as text (exec_driver_sql), which the tenant guard cannot read"


def _is_repository(name: str) -> bool:
    path = PurePosixPath(name)
    return path.stem.startswith("repository") or path.stem.endswith("_repository") or "repository" in path.parts[:-1]
