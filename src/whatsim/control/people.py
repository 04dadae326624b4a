"""Endpoints about a phone's profile, its privacy, whom it blocks, and how it is known."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field, StringConstraints

from whatsim.control.errors import invalid
from whatsim.control.phones import Net
from whatsim.control.schemas import Body, Number
from whatsim.people_desk import MAX_PICTURE, ProfileView
from whatsim.server.profiles import Addressing, Business

router = APIRouter(prefix="/phones/{number}", tags=["people"])
_Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=256)]
_Minutes = Annotated[int, Field(ge=0, le=1440)]


class Hours(BaseModel):
    """When a business is open on a day; minutes since midnight."""

    day: Literal["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
    opens: _Minutes
    closes: _Minutes


class BusinessBody(Body):
    """What a business tells of itself."""

    verified_name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=128)]
    address: _Text = ""
    email: _Text = ""
    categories: list[_Text] = Field(default_factory=list, max_length=10)
    timezone: _Text = "UTC"
    hours: list[Hours] = Field(default_factory=list, max_length=14)


class ProfileChange(Body):
    """What to change; what is left out stays. A username of "" is none; a business or picture of null is removed."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)] | None = None
    about: _Text | None = None
    username: Annotated[str, StringConstraints(pattern=r"^([a-z0-9._]{3,35})?$")] | None = None
    picture: Annotated[str, StringConstraints(max_length=(MAX_PICTURE + 2) // 3 * 4)] | None = Field(
        default=None, description="A JPEG as base64"
    )
    business: BusinessBody | None = None
    privacy: dict[str, Annotated[str, StringConstraints(max_length=32)]] | None = Field(
        default=None, description="By WhatsApp's names: last, online, profile, status, readreceipts, groupadd, calladd"
    )


class Blocking(Body):
    """Block another phone, or unblock it."""

    person: Number
    blocked: bool = True


class AddressingBody(Body):
    """How the phone's messages are addressed; `_only`: the other address is not told along."""

    mode: Addressing


class NewNumber(Body):
    """The number that the account moves to."""

    number: Number


class Profile(BaseModel):
    """A phone's profile."""

    about: str
    username: str
    picture_id: str
    business: BusinessBody | None
    privacy: dict[str, str]
    blocked: list[str]
    addressing: Addressing

    @classmethod
    def of(cls, view: ProfileView) -> Profile:
        business = None
        if view.business is not None:
            business = BusinessBody(
                verified_name=view.business.verified_name,
                address=view.business.address,
                email=view.business.email,
                categories=view.business.categories,
                timezone=view.business.timezone,
                hours=[
                    Hours.model_validate({"day": day, "opens": opens, "closes": closes})
                    for day, opens, closes in view.business.hours
                ],
            )
        return cls(
            about=view.about,
            username=view.username,
            picture_id=view.picture_id,
            business=business,
            privacy=dict(view.privacy),
            blocked=list(view.blocked),
            addressing=view.addressing,
        )


@router.get("/profile", summary="The phone's profile")
async def get_profile(network: Net, number: Number) -> Profile:
    return Profile.of(network.people.profile(number))


@router.patch("/profile", summary="Change the phone's profile")
async def change_profile(network: Net, number: Number, body: ProfileChange) -> Profile:
    people = network.people
    view = await people.change_profile(number, about=body.about, username=body.username, name=body.name)
    if "picture" in body.model_fields_set:
        view = await people.set_picture(number, None if body.picture is None else _decode(body.picture))
    if "business" in body.model_fields_set:
        view = await people.set_business(number, None if body.business is None else _business(body.business))
    if body.privacy is not None:
        view = await people.set_privacy(number, body.privacy)
    return Profile.of(view)


@router.post("/block", summary="Block another phone, or unblock it")
async def block(network: Net, number: Number, body: Blocking) -> Profile:
    return Profile.of(await network.people.block(number, body.person, blocked=body.blocked))


@router.post("/addressing", summary="Change how the phone's messages are addressed")
async def set_addressing(network: Net, number: Number, body: AddressingBody) -> Profile:
    return Profile.of(await network.people.set_addressing(number, body.mode))


@router.post("/number", summary="Move the account to another number; its LID stays")
async def change_number(network: Net, number: Number, body: NewNumber) -> Profile:
    return Profile.of(await network.people.change_number(number, body.number))


@router.post("/rotate-identity", summary="Install WhatsApp anew: new keys, no linked devices")
async def rotate_identity(network: Net, number: Number) -> Profile:
    return Profile.of(await network.people.rotate_identity(number))


def _business(body: BusinessBody) -> Business:
    hours: list[tuple[str, int, int]] = [(one.day, one.opens, one.closes) for one in body.hours]
    return Business(body.verified_name, body.address, body.email, list(body.categories), body.timezone, hours)


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise invalid("picture", "This is not base64.", "invalid_base64") from None
