"""The installation's identity: which WhatsApp network its data belongs to. Networks never mix."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from sqlalchemy import Column, Integer, Table, insert, select

from blazz import __version__
from blazz.kit.db.database import Database, Tx
from blazz.kit.db.metadata import metadata
from blazz.kit.db.scope import Platform
from blazz.kit.db.types import Key, UtcDateTime
from blazz.kit.errors import BlazzError
from blazz.kit.files import write_private
from blazz.kit.time import utc_now

NETWORK_FILE = "network.json"

installation = Table(
    "installation",
    metadata,
    Column("id", Integer(), primary_key=True, autoincrement=False),  # always 1
    Column("network_id", Key(64), nullable=False),
    Column("created_at", UtcDateTime(), nullable=False),
    Column("version", Key(32), nullable=False),  # of the Blazz that made it
)


async def claim_network(database: Database, data_dir: Path, network_id: str) -> None:
    """Bind data directory and database to `network_id` at the first start. Call it before any socket is opened.

    Raises BlazzError `network_mismatch` when either belongs to another network.
    """
    path = data_dir / NETWORK_FILE
    _check(await asyncio.to_thread(_read, path), network_id, f"The data directory {data_dir}")
    stored = await database.write(Platform("start-up"), _claim, network_id)
    _check(stored, network_id, "The database")
    content = json.dumps({"network_id": network_id}).encode() + b"\n"
    await asyncio.to_thread(write_private, path, content)


def _claim(tx: Tx, network_id: str) -> str:
    stored = tx.scalar(select(installation.c.network_id).where(installation.c.id == 1))
    if stored is None:
        row = {"id": 1, "network_id": network_id, "created_at": utc_now(), "version": __version__}
        tx.execute(insert(installation), row)
        return network_id
    return str(stored)


def _read(path: Path) -> str | None:
    if not path.exists():
        return None
    try:
        return str(json.loads(path.read_text())["network_id"])
    except (ValueError, KeyError, TypeError):
        raise BlazzError("network_mismatch", f"{path} cannot be read; it says which network this is.", 500) from None


def _check(stored: str | None, wanted: str, what: str) -> None:
    if stored not in (None, wanted):
        raise BlazzError(
            "network_mismatch",
            f"{what} belongs to the network {stored!r}, not to {wanted!r}. Choose another --data-dir.",
            500,
        )
