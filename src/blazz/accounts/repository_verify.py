"""Reads of `blazz db verify` in the table of accounts."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import RowMapping, select

from blazz.accounts.tables import accounts
from blazz.kit.db import Tx


def all_accounts(tx: Tx) -> Sequence[RowMapping]:
    """Return what `verify` compares of every account, deleted ones too."""
    table = accounts.c
    wanted = (table.id, table.workspace_id, table.name, table.jid, table.status, table.deleted_at)
    return tx.all(select(*wanted).order_by(table.id))
