"""What the endpoints of contacts accept and answer."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints

from blazz.kit.http import Model, RequestModel

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=128)]
USERNAME = r"^[a-z0-9][a-z0-9._]{2,34}$"
BUSINESS_ID = r"^[A-Z]{2}\.[A-Za-z0-9]{1,61}$"
Username = Annotated[
    str,
    StringConstraints(strip_whitespace=True, to_lower=True, max_length=36),
    AfterValidator(lambda text: text.removeprefix("@")),
    StringConstraints(pattern=USERNAME),
]
BusinessId = Annotated[str, StringConstraints(strip_whitespace=True, pattern=BUSINESS_ID)]


class Identifier(Model):
    """One address of a person."""

    kind: str = Field(description="phone, lid, username or business_id.")
    value: str


class Contact(Model):
    """A person who writes to, or is written to by, this workspace."""

    id: uuid.UUID
    display_name: str = Field(description="The first of the names that there is, else an address.")
    name: str | None = Field(description="Given by the team.")
    book_name: str | None = Field(description="In the address book of the phone of one of your numbers.")
    verified_name: str | None = Field(description="Of a business, verified by WhatsApp.")
    push_name: str | None = Field(description="Chosen by the person on WhatsApp.")
    phone: str | None = Field(description="E.164; null while only a hidden identity is known.")
    lid: str | None = Field(description="WhatsApp's hidden identity, digits.")
    username: str | None
    business_id: str | None = Field(description="The business-scoped user id.")
    identifiers: list[Identifier]
    about: str | None
    business: dict[str, Any] | None = Field(description="What a business tells of itself: address, email, hours, …")
    picture_id: uuid.UUID | None = Field(description="The file of the profile picture.")
    blocked_by: list[uuid.UUID] = Field(description="Numbers that have blocked this person.")
    profile_checked_at: dt.datetime | None = Field(description="When WhatsApp was last asked about this person.")
    created_at: dt.datetime


class ContactCreate(RequestModel):
    """A person to be written to."""

    phone: Annotated[str, Field(min_length=1, max_length=64, examples=["+6281234567890"])]
    name: Name | None = None


class ContactPatch(RequestModel):
    """What to change; absent fields stay. A field of null is removed."""

    name: Name | None = None
    username: Username | None = None
    business_id: BusinessId | None = Field(None, examples=["US.13491208655302741918"])


class HistoryEntry(Model):
    """Something that was learned about who a person is."""

    id: uuid.UUID
    event: str = Field(
        description="merged, mapping_learned, number_changed, number_form, number_lost, number_taken, identifier_set, "
        "security_code_changed, blocked or unblocked."
    )
    reason: str = Field(description="Where it was learned: message, lookup, history or team.")
    data: dict[str, Any]
    user_id: uuid.UUID | None
    created_at: dt.datetime
