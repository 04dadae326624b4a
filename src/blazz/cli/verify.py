"""`blazz db verify`: everything that must hold between schema, rows and session stores, and what to do where not."""

from __future__ import annotations

import dataclasses
import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import typer

from blazz import migrations
from blazz.accounts.verify import Known, known_accounts, verify_places
from blazz.cli.console import line
from blazz.cluster.verify import verify_assignments, verify_platform_log
from blazz.events.verify import verify_logs
from blazz.kit.db import Platform, Tx, metadata
from blazz.kit.db.verify import Finding, orphans
from blazz.migrations import Target, targets
from blazz.sessions.verify import Stores, verify_store_rows, verify_stores

_SCOPE = Platform("blazz db verify")


def findings(target: Target, sessions_dir: Path, *, in_database: bool = False) -> list[Finding]:
    """Return all that is wrong. Rows are read in one snapshot; a running cluster is no obstacle.

    `in_database`: session stores are rows as well, and no files are looked for.

    Raises BlazzError `database_unavailable`.
    """
    schema = [_of_schema(difference) for difference in migrations.check(target)]
    if any(finding.code == "schema_incomplete" for finding in schema):
        return schema  # our questions name columns that are not there
    if in_database:
        rows, _ = targets.reading(target, lambda connection: _of_rows(Tx(connection, _SCOPE), stores=True))
        return [*schema, *rows]
    stores = Stores.found_in(sessions_dir)
    rows, accounts = targets.reading(target, lambda connection: _of_rows(Tx(connection, _SCOPE)))
    return [*schema, *rows, *verify_stores(sessions_dir, stores, accounts)]


def report(found: list[Finding], name: str, *, as_json: bool) -> None:
    """Print findings for people, or as one JSON document."""
    if as_json:
        line(json.dumps({"database": name, "findings": [dataclasses.asdict(finding) for finding in found]}, indent=2))
        return
    for finding in found:
        line(typer.style(finding.code, fg=typer.colors.RED) + f"  {finding.where}: {finding.detail}")
        for example in finding.examples:
            line(f"    {example}")
        if finding.count > len(finding.examples) > 0:
            line(f"    ... and {finding.count - len(finding.examples)} more")
        line(f"  → {finding.advice}")
    if not found:
        line(f"{name}: schema, references, assignments, event logs and session stores are consistent.")


def _of_schema(difference: str) -> Finding:
    incomplete = difference.startswith(("revision", "add_table", "add_column"))
    return Finding(
        "schema_incomplete" if incomplete else "schema_differs",
        "schema",
        f"{difference}.",
        "Run: blazz db upgrade. If the difference stays, the schema was changed by hand: change it back, or restore "
        "the last backup." + (" Rows and session stores are checked once the schema is whole." if incomplete else ""),
    )


def _of_rows(tx: Tx, *, stores: bool = False) -> tuple[list[Finding], dict[uuid.UUID, Known]]:
    def checks() -> Iterator[Finding]:
        yield from orphans(tx, metadata)
        yield from verify_logs(tx)
        yield from verify_platform_log(tx)
        yield from verify_assignments(tx)
        yield from verify_places(tx)
        if stores:
            yield from verify_store_rows(tx, accounts)

    accounts = known_accounts(tx)
    return list(checks()), accounts
