"""What is known about backups of one session's store."""

from __future__ import annotations

import uuid


def backup_note(account_id: uuid.UUID) -> str:
    """Return one sentence that names the last backup of an account's store, or says that none is known.

    Blazz makes no backups by itself yet, so none is ever known; whoever adds them changes this function.
    """
    del account_id
    return "No backup is known."
