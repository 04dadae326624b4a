"""The database: units of work under a tenant scope, group commit, portable column types."""

from blazz.kit.db.database import Database, Tx
from blazz.kit.db.metadata import metadata, same_workspace, scoped_table, workspace_key
from blazz.kit.db.options import ServerOptions
from blazz.kit.db.scope import Platform, Scope, ScopeError, Workspace, Workspaces
from blazz.kit.db.statements import insert_new, insert_or_ignore, upsert
from blazz.kit.db.types import Blob, JsonDoc, Key, LongText, UtcDateTime

__all__ = [
    "Blob",
    "Database",
    "JsonDoc",
    "Key",
    "LongText",
    "Platform",
    "Scope",
    "ScopeError",
    "ServerOptions",
    "Tx",
    "UtcDateTime",
    "Workspace",
    "Workspaces",
    "insert_new",
    "insert_or_ignore",
    "metadata",
    "same_workspace",
    "scoped_table",
    "upsert",
    "workspace_key",
]
