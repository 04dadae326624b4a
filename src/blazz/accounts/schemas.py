"""What the endpoints of accounts accept and answer."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from blazz.accounts.restrictions import RestrictionKind, Sending
from blazz.kit.http import Model, RequestModel

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=128)]
ShownStatus = Literal[
    "connecting",
    "qr_scanning",
    "authenticated",
    "connected",
    "passkey_required",
    "disconnected",
    "logged_out",
    "failed",
    "unknown",
]


class AccountStatistics(Model):
    """What is known of a number's life."""

    health_score: int = Field(description="0 to 100; healthy from 70.")
    healthy: bool
    session_restore_count: int = Field(description="How often its session was taken up again after a restart.")
    session_file_size_bytes: int | None = Field(description="Of its session store.")
    session_storage_verified_at: dt.datetime | None = Field(description="When that store was last found intact.")
    linked_at: dt.datetime | None
    connected_at: dt.datetime | None
    disconnected_at: dt.datetime | None
    last_activity_at: dt.datetime | None


class AssignedInstance(Model):
    """The instance that runs, or would run, a number's session."""

    id: str
    index: int | None


class Restriction(Model):
    """What WhatsApp forbids a number for now. Nothing is lost meanwhile: messages wait until it ends."""

    kind: RestrictionKind
    reason: str = Field(description="In words.")
    since: dt.datetime
    until: dt.datetime | None = Field(description="Null: it does not end by itself.")
    until_assumed: bool = Field(description="WhatsApp told no end; until then nothing is tried.")
    new_chats: Sending = Field(description="With people who have not written to this number.")
    existing_chats: Sending


class PhoneWarning(Model):
    """The phone has not been seen for long: WhatsApp unlinks the devices of a phone that is away for two weeks."""

    phone_seen_at: dt.datetime
    unlinked_about: dt.datetime = Field(description="When WhatsApp would remove this number's link.")


class Calls(Model):
    """What a number does with calls."""

    reject: bool = Field(description="Direct calls are declined as soon as they ring.")
    reply: str | None = Field(description="The text for whose call was declined.")


class Account(Model):
    """A WhatsApp number of the workspace."""

    id: uuid.UUID
    name: str
    provider: Literal["whatsapp_web"]
    phone: str | None = Field(description="E.164, known once linked.")
    push_name: str | None = Field(description="The name that customers see.")
    status: ShownStatus = Field(description="`unknown`: its instance has not confirmed the last one in time.")
    status_since: dt.datetime
    status_expires_at: dt.datetime | None
    status_detail: str | None
    is_primary: bool = Field(description="Sends what names no other number.")
    disconnect_reason: str | None = Field(
        description="user_initiated, instance_restart, timeout, error, qr_expired, logged_out_on_phone, replaced, "
        "banned, client_outdated, …"
    )
    disconnect_details: str | None
    disconnected_at: dt.datetime | None
    assigned_instance: AssignedInstance | None = Field(description="Null until it was first connected.")
    previous_instance_index: int | None = Field(description="Where its session was before its last move.")
    instance_migration_count: int = Field(description="How often its session moved to another instance.")
    last_instance_migration_at: dt.datetime | None
    waiting_reason: str | None = Field(
        description="Why its session has no instance: the former one is gone and no other has room."
    )
    restriction: Restriction | None = Field(description="The worst one that holds now.")
    phone_seen_at: dt.datetime | None = Field(description="The last sign of the phone itself.")
    phone_warning: PhoneWarning | None
    calls: Calls
    created_at: dt.datetime
    statistics: AccountStatistics | None = Field(None, description="Only when one number is read.")


class AccountCreate(RequestModel):
    """A new number; it is linked afterwards."""

    name: Name | None = None


class AccountPatch(RequestModel):
    """What to change; absent fields stay."""

    name: Name | None = None
    is_primary: bool | None = None


class PairingCodeRequest(RequestModel):
    """The phone that will type the code."""

    phone: Annotated[str, Field(min_length=1, max_length=64, examples=["+6281234567890"])]


class PairingCodeAnswer(Model):
    """Type this on the phone: Linked devices, Link with phone number instead."""

    code: str
    expires_at: dt.datetime


class Qr(Model):
    """The code that is valid now."""

    code: str
    number: int = Field(description="1 to 6.")
    expires_at: dt.datetime
    svg: str = Field(description="The code drawn, as an SVG element.")
