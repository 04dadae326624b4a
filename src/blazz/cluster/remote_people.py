"""Commands about people to sessions of other processes."""

from __future__ import annotations

import uuid
from typing import Protocol, TypeVar

import structlog

from blazz.cluster import wire, wire_people
from blazz.cluster.people_commands import ProfileChange
from blazz.kit.errors import BlazzError

_log = structlog.get_logger(__name__)
_A = TypeVar("_A", bound=wire.Body)


class _Caller(Protocol):
    async def _call(
        self,
        account_id: uuid.UUID,
        name: str,
        body: wire.Command,
        answer: type[_A],
        *,
        quick: bool = False,
        ends: bool = False,
    ) -> _A: ...


class RemotePeople:
    """Implements `PeopleCommands` for `RemoteCommands`."""

    async def refresh_contact(self: _Caller, account_id: uuid.UUID, contact_id: uuid.UUID) -> None:
        """Ask WhatsApp about a contact and store what it tells."""
        await self._call(account_id, "refresh_contact", wire_people.OfContact(contact_id=contact_id), wire.Done)

    async def set_blocked(self: _Caller, account_id: uuid.UUID, address: str, *, blocked: bool) -> None:
        """Block or unblock a person on WhatsApp."""
        await self._call(account_id, "set_blocked", wire_people.SetBlocked(address=address, blocked=blocked), wire.Done)

    async def sync_blocks(self: _Caller, account_id: uuid.UUID) -> None:
        """Read the number's block list from WhatsApp and store it."""
        await self._call(account_id, "sync_blocks", wire.Command(), wire.Done)

    async def refresh_profile(self: _Caller, account_id: uuid.UUID) -> None:
        """Ask WhatsApp what customers see of the number and store it."""
        await self._call(account_id, "refresh_profile", wire.Command(), wire.Done)

    async def set_profile(self: _Caller, account_id: uuid.UUID, change: ProfileChange) -> None:
        """Change what customers see of the number, and store it."""
        body = wire_people.SetProfile.model_validate(change)
        await self._call(account_id, "set_profile", body, wire.Done)

    async def privacy(self: _Caller, account_id: uuid.UUID, changes: dict[str, str]) -> dict[str, str]:
        """Change privacy settings (by WhatsApp's names) and return all of them."""
        body = wire_people.ChangePrivacy(changes=changes)
        return (await self._call(account_id, "privacy", body, wire_people.Privacy)).settings

    async def watch_chat(self: _Caller, account_id: uuid.UUID, address: str, contact_id: uuid.UUID | None) -> None:
        """Note that somebody of the team looks at a chat now. Best effort; to be repeated while it is so."""
        body = wire_people.WatchChat(address=address, contact_id=contact_id)
        try:
            await self._call(account_id, "watch_chat", body, wire.Done, quick=True)
        except BlazzError as error:
            _log.debug("chat not watched", code=error.code)
