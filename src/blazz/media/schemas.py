"""What the endpoints of media answer."""

from __future__ import annotations

import datetime as dt
import uuid

from pydantic import Field

from blazz.kit.http import Model
from blazz.media.service import MediaStatus


class Details(Model):
    """What is seen or heard of a file; filled in some moments after it came."""

    seconds: float | None = None
    waveform: list[int] | None = Field(None, description="64 samples of 0 to 100.")
    pages: int | None = None
    animated: bool | None = None


class MediaUrl(Model):
    """An address under which a file can be read without signing in."""

    url: str
    expires_at: dt.datetime


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
    details: Details | None = None
    created_at: dt.datetime
