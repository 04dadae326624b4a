"""What can be asked about people of the instance that owns a session, and what it can be told to show of itself."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ProfileChange:
    """What customers shall see of a number; None leaves a thing as it is. `picture` is the id of an uploaded file."""

    name: str | None = None
    about: str | None = None
    picture: uuid.UUID | None = None
    remove_picture: bool = False


class PeopleCommands(Protocol):
    """The part of `SessionCommands` that is about people; errors as told there."""

    async def refresh_contact(self, account_id: uuid.UUID, contact_id: uuid.UUID) -> None:
        """Ask WhatsApp about a contact and store what it tells."""

    async def set_blocked(self, account_id: uuid.UUID, address: str, *, blocked: bool) -> None:
        """Block or unblock a person on WhatsApp."""

    async def sync_blocks(self, account_id: uuid.UUID) -> None:
        """Read the number's block list from WhatsApp and store it."""

    async def refresh_profile(self, account_id: uuid.UUID) -> None:
        """Ask WhatsApp what customers see of the number and store it."""

    async def set_profile(self, account_id: uuid.UUID, change: ProfileChange) -> None:
        """Change what customers see of the number, and store it."""

    async def privacy(self, account_id: uuid.UUID, changes: dict[str, str]) -> dict[str, str]:
        """Change privacy settings (by WhatsApp's names) and return all of them."""

    async def watch_chat(self, account_id: uuid.UUID, address: str, contact_id: uuid.UUID | None) -> None:
        """Note that somebody of the team looks at a chat now. Best effort; to be repeated while it is so."""
