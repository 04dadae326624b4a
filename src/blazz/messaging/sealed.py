"""What messaging keeps sealed: how history that a phone has announced is fetched."""

from __future__ import annotations

from blazz.kit.db.sealed import SealedColumn
from blazz.messaging.state_tables import history_imports

SEALED = SealedColumn(
    history_imports.c.notification,
    (history_imports.c.account_id, history_imports.c.wa_message_id),
    lambda row: f"history:{row['account_id']}:{row['wa_message_id']}",
)
