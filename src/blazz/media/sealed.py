"""What media keep sealed: how a file that was announced is fetched."""

from __future__ import annotations

from blazz.kit.db.sealed import SealedColumn
from blazz.media.tables import media_downloads

SEALED = SealedColumn(
    media_downloads.c.reference, (media_downloads.c.media_id,), lambda row: f"media:{row['media_id']}"
)
