"""Alembic's environment: runs on the connection that `blazz.migrations` hands over."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext

from blazz.kit.db import metadata
from blazz.kit.db.types import Blob, JsonDoc, Key, LongText, UtcDateTime
from blazz.migrations import tables as _tables  # noqa: F401 - fills the metadata
from blazz.migrations.compare import types_differ


def render_item(kind: str, item: Any, autogen: AutogenContext) -> str | Literal[False]:
    """Write our column types as themselves, so that a revision means the same on every database."""
    if kind == "type" and isinstance(item, (Blob, JsonDoc, Key, LongText, UtcDateTime)):
        autogen.imports.add("from blazz.kit.db import types")
        arguments = str(item.length) if isinstance(item, Key) else ""
        return f"types.{type(item).__name__}({arguments})"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    compare_type=types_differ,
    transactional_ddl=True,
    render_item=render_item,
)
with context.begin_transaction():
    context.run_migrations()
