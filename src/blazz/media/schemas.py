"""What the endpoints of media answer."""

from __future__ import annotations

import datetime as dt
import uuid

from pydantic import Field

from blazz.kit.http import Model
from blazz.media.service import MediaStatus


class Media(Model):
    """A file of the workspace."""

    id: uuid.UUID
    mime_type: str = Field(description="Decided by the content.")
    size: int | None = Field(description="Bytes.")
    sha256: str | None = Field(description="Of the content, in hex; null until it is here.")
    width: int | None
    height: int | None
    filename: str | None
    status: MediaStatus
    failure: str | None = Field(description="Why a file of a message never came.")
    created_at: dt.datetime
