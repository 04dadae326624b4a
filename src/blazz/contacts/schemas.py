"""What the endpoints of contacts accept and answer."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Annotated

from pydantic import Field, StringConstraints

from blazz.kit.http import Model, RequestModel

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=128)]


class Identifier(Model):
    """One address of a person."""

    kind: str = Field(description="phone, lid, username or business_id.")
    value: str


class Contact(Model):
    """A person who writes to, or is written to by, this workspace."""

    id: uuid.UUID
    name: str | None = Field(description="Given by the team.")
    push_name: str | None = Field(description="Chosen by the person on WhatsApp.")
    phone: str | None = Field(description="E.164; null while only a hidden identity is known.")
    identifiers: list[Identifier]
    created_at: dt.datetime


class ContactCreate(RequestModel):
    """A person to be written to."""

    phone: Annotated[str, Field(min_length=1, max_length=64, examples=["+6281234567890"])]
    name: Name | None = None


class ContactPatch(RequestModel):
    """What to change; absent fields stay. A name of null is removed."""

    name: Name | None = None
