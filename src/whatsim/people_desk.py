"""What a phone's owner does about their profile and about others: about, picture, privacy, blocks, a new number."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from whatsim.model import InvalidContent, InvalidNumber, PhoneExists
from whatsim.server.profiles import PRIVACY, Addressing, Business

if TYPE_CHECKING:
    from whatsim.server.core import Core
    from whatsim.server.entities import Phone

MAX_PICTURE = 2 * 1024 * 1024
_NUMBER = re.compile(r"[1-9]\d{6,14}")


@dataclass(frozen=True, slots=True)
class ProfileView:
    """A phone's profile. `picture_id` is empty without a picture, `username` without one."""

    about: str
    username: str
    picture_id: str
    business: Business | None
    privacy: Mapping[str, str]
    blocked: tuple[str, ...]
    addressing: Addressing


class PeopleDesk:
    """Profiles by phone number. All changes are durable when the call returns; PhoneNotFound for unknown numbers."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def profile(self, number: str) -> ProfileView:
        """Return a phone's profile."""
        return self._view(self._core.world.phone(number))

    async def change_profile(
        self, number: str, *, about: str | None = None, username: str | None = None, name: str | None = None
    ) -> ProfileView:
        """Change what is not None. An empty username is none."""
        phone = self._core.world.phone(number)
        people = self._core.phones.people
        if about is not None:
            people.set_about(phone, about)
        if username is not None:
            people.set_username(phone, username)
        if name is not None:
            phone.name = name
            self._core.world.save(phone)
            self._core.phones.phone_event("phone_changed", phone)
        return await self._changed(phone)

    async def set_picture(self, number: str, jpeg: bytes | None) -> ProfileView:
        """Change the picture (a JPEG of at most 2 MiB), or remove it. Raises InvalidContent."""
        if jpeg is not None and (len(jpeg) > MAX_PICTURE or not jpeg.startswith(b"\xff\xd8\xff")):
            raise InvalidContent("A profile picture is a JPEG of at most 2 MiB.")
        phone = self._core.world.phone(number)
        await self._core.phones.people.set_picture(phone, jpeg)
        return await self._changed(phone)

    async def set_business(self, number: str, business: Business | None) -> ProfileView:
        """Make the phone a business's, or nobody's."""
        phone = self._core.world.phone(number)
        self._core.phones.people.set_business(phone, business)
        return await self._changed(phone)

    async def set_privacy(self, number: str, settings: Mapping[str, str]) -> ProfileView:
        """Change privacy settings, by WhatsApp's names. Raises InvalidContent for one that there is not."""
        phone = self._core.world.phone(number)
        unknown = settings.keys() - set(PRIVACY)
        if unknown:
            raise InvalidContent(f"There is no privacy setting {min(unknown)}.")
        for name, value in settings.items():
            self._core.phones.people.set_privacy(phone, name, value)
        return await self._changed(phone)

    async def block(self, number: str, person: str, *, blocked: bool = True) -> ProfileView:
        """Block or unblock another phone."""
        phone = self._core.world.phone(number)
        self._core.phones.people.block(phone, self._core.world.phone(person), blocked=blocked)
        return await self._changed(phone)

    async def set_addressing(self, number: str, mode: Addressing) -> ProfileView:
        """Change how the phone's messages are addressed: in LID or number mode, telling the other along or not."""
        phone = self._core.world.phone(number)
        self._core.phones.people.set_addressing(phone, mode)
        return await self._changed(phone)

    async def change_number(self, number: str, new: str) -> ProfileView:
        """Move the account to another number; its LID stays.

        Raises InvalidNumber (also with linked devices, which would lose their addresses), PhoneExists.
        """
        phone, new = self._core.world.phone(number), new.removeprefix("+")
        if not _NUMBER.fullmatch(new) or phone.devices:
            raise InvalidNumber("The new number has 7 to 15 digits, and the phone must have no linked devices.")
        if new in self._core.world.by_number:
            raise PhoneExists(f"There is already a phone with the number {new}.")
        self._core.phones.people.change_number(phone, new)
        return await self._changed(phone)

    async def rotate_identity(self, number: str) -> ProfileView:
        """Install WhatsApp anew: new keys, no linked devices; everybody in touch is told."""
        phone = self._core.world.phone(number)
        self._core.phones.people.rotate_identity(phone)
        return await self._changed(phone)

    async def _changed(self, phone: Phone) -> ProfileView:
        await self._core.store.durable()
        return self._view(phone)

    def _view(self, phone: Phone) -> ProfileView:
        profile, by_id = phone.profile, self._core.world.by_id
        return ProfileView(
            about=profile.about,
            username=profile.username,
            picture_id=profile.picture.id if profile.picture is not None else "",
            business=profile.business,
            privacy=dict(profile.privacy),
            blocked=tuple(by_id[one].number for one in sorted(profile.blocked) if one in by_id),
            addressing=profile.addressing,
        )
