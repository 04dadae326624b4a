"""Endpoints of what a number shows of itself: profile, presence, privacy, block list."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import Field, StringConstraints

from blazz.accounts import profiles, service
from blazz.cluster.people_commands import ProfileChange
from blazz.contacts import kept
from blazz.contacts import profiles as people
from blazz.identity.caller import Caller
from blazz.identity.dependencies import needs
from blazz.kit.db import Tx
from blazz.kit.errors import FieldError, invalid
from blazz.kit.http import CommandsDep, DatabaseDep, Model, RequestModel, problems
from blazz.media import service as media

router = APIRouter(tags=["accounts"])
ReaderDep = Annotated[Caller, Depends(needs("accounts:read"))]
WriterDep = Annotated[Caller, Depends(needs("accounts:write"))]
_PICTURES = frozenset({"image/jpeg"})
_PICTURE_MAX = 2 * 1024 * 1024  # bytes; what the engine host takes

Audience = Literal["all", "contacts", "contact_blacklist", "none"]


class Profile(Model):
    """What customers see of a number."""

    name: str | None
    business_name: str | None
    about: str | None
    picture_id: uuid.UUID | None = Field(description="The file of the picture.")
    presence: profiles.Presence = Field(description="Whether the number may show as online.")
    checked_at: dt.datetime | None = Field(description="When WhatsApp was last asked; null for never.")


class ProfilePatch(RequestModel):
    """What to change; absent fields stay. A picture of null is removed."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=25)] | None = None
    about: Annotated[str, StringConstraints(strip_whitespace=True, max_length=139)] | None = None
    picture: uuid.UUID | None = Field(None, description="The id of an uploaded JPEG, best square, at most 2 MiB.")
    presence: profiles.Presence | None = None


class Privacy(Model):
    """Who sees what of a number, in WhatsApp's words; null for what WhatsApp did not tell."""

    last_seen: str | None
    online: str | None
    picture: str | None
    about: str | None
    groups: str | None = Field(description="Who may add the number to groups.")
    read_receipts: str | None
    calls: str | None


class PrivacyPatch(RequestModel):
    """What to change; absent fields stay."""

    last_seen: Audience | None = None
    online: Literal["all", "match_last_seen"] | None = None
    picture: Audience | None = None
    about: Audience | None = None
    groups: Audience | None = None
    read_receipts: Literal["all", "none"] | None = None
    calls: Literal["all", "known"] | None = None


_WHATSAPP_NAMES = {
    "last_seen": "last",
    "online": "online",
    "picture": "profile",
    "about": "status",
    "groups": "groupadd",
    "read_receipts": "readreceipts",
    "calls": "calladd",
}


class BlockedStranger(Model):
    """Somebody whom a number has blocked and who is no contact; `name` is that of the phone's address book."""

    address: str
    name: str | None
    since: dt.datetime


class BlockList(Model):
    """Whom a number has blocked: ids of contacts, and people who are no contacts."""

    data: list[uuid.UUID]
    others: list[BlockedStranger]


@router.get(
    "/accounts/{account_id}/profile",
    summary="What customers see of a number, as last told",
    responses=problems(401, 403, 404, 422),
)
async def get_account_profile(account_id: uuid.UUID, caller: ReaderDep, database: DatabaseDep) -> Profile:
    return await database.read(caller.scope, _profile, account_id)


@router.patch(
    "/accounts/{account_id}/profile",
    summary="Change what customers see of a number",
    responses=problems(401, 403, 404, 409, 422, 503),
)
async def patch_account_profile(
    account_id: uuid.UUID, body: ProfilePatch, caller: WriterDep, database: DatabaseDep, commands: CommandsDep
) -> Profile:
    """Name, about text and picture are changed on WhatsApp, or not at all; the number must be connected for it."""

    def check(tx: Tx) -> None:
        service.get(tx, account_id)
        if body.picture is not None:
            _check_picture(tx, body.picture)

    await database.read(caller.scope, check)
    remove = "picture" in body.model_fields_set and body.picture is None
    change = ProfileChange(body.name, body.about, body.picture, remove)
    if change != ProfileChange():
        await commands.set_profile(account_id, change)
    if body.presence is not None:  # last: where WhatsApp refuses, nothing has changed
        await database.write(caller.scope, profiles.set_presence, account_id, body.presence)
    return await database.read(caller.scope, _profile, account_id)


@router.post(
    "/accounts/{account_id}/profile/refresh",
    summary="Ask WhatsApp what customers see of a number",
    responses=problems(401, 403, 404, 409, 422, 503),
)
async def refresh_account_profile(
    account_id: uuid.UUID, caller: WriterDep, database: DatabaseDep, commands: CommandsDep
) -> Profile:
    await database.read(caller.scope, service.get, account_id)
    await commands.refresh_profile(account_id)
    return await database.read(caller.scope, _profile, account_id)


@router.get(
    "/accounts/{account_id}/privacy",
    summary="Privacy settings of a number",
    responses=problems(401, 403, 404, 409, 422, 503),
)
async def get_account_privacy(
    account_id: uuid.UUID, caller: ReaderDep, database: DatabaseDep, commands: CommandsDep
) -> Privacy:
    """Asked from WhatsApp, so the number must be connected."""
    await database.read(caller.scope, service.get, account_id)
    return _privacy(await commands.privacy(account_id, {}))


@router.patch(
    "/accounts/{account_id}/privacy",
    summary="Change privacy settings of a number",
    responses=problems(401, 403, 404, 409, 422, 503),
)
async def patch_account_privacy(
    account_id: uuid.UUID, body: PrivacyPatch, caller: WriterDep, database: DatabaseDep, commands: CommandsDep
) -> Privacy:
    await database.read(caller.scope, service.get, account_id)
    wanted = body.model_dump(exclude_none=True)
    return _privacy(await commands.privacy(account_id, {_WHATSAPP_NAMES[name]: wanted[name] for name in wanted}))


@router.get(
    "/accounts/{account_id}/block-list",
    summary="Whom a number has blocked",
    responses=problems(401, 403, 404, 422),
)
async def get_block_list(account_id: uuid.UUID, caller: ReaderDep, database: DatabaseDep) -> BlockList:
    return await database.read(caller.scope, _blocked, account_id)


@router.post(
    "/accounts/{account_id}/block-list/sync",
    summary="Read a number's block list from WhatsApp",
    responses=problems(401, 403, 404, 409, 422, 503),
)
async def sync_block_list(
    account_id: uuid.UUID, caller: WriterDep, database: DatabaseDep, commands: CommandsDep
) -> BlockList:
    """People on it who become contacts of the workspace later are blocked contacts then."""
    await database.read(caller.scope, service.get, account_id)
    await commands.sync_blocks(account_id)
    return await database.read(caller.scope, _blocked, account_id)


def _profile(tx: Tx, account_id: uuid.UUID) -> Profile:
    told = profiles.profile(tx, account_id)
    return Profile(
        name=told.name,
        business_name=told.business_name,
        about=told.about,
        picture_id=told.picture_id,
        presence=profiles.presence(tx, account_id),
        checked_at=told.checked_at,
    )


def _blocked(tx: Tx, account_id: uuid.UUID) -> BlockList:
    service.get(tx, account_id)
    strangers = kept.blocked_by(tx, account_id)
    return BlockList(
        data=list(people.blocked_by(tx, account_id)),
        others=[BlockedStranger(address=one.address, name=one.name, since=one.since) for one in strangers],
    )


def _check_picture(tx: Tx, media_id: uuid.UUID) -> None:
    file = media.facts_for_sending(tx, media_id)
    if file.mime_type not in _PICTURES or file.size > _PICTURE_MAX:
        text = "A profile picture is a JPEG of at most 2 MiB."
        raise invalid(text, code="picture_refused", errors=[FieldError("picture", text)])


def _privacy(settings: dict[str, str]) -> Privacy:
    told: dict[str, Any] = {name: settings.get(theirs) or None for name, theirs in _WHATSAPP_NAMES.items()}
    return Privacy(**told)
