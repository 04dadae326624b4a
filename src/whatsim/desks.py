"""What a phone's owner does besides writing messages: settings that all devices share, and a past to begin with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from whatsim.model import InvalidContent
from whatsim.phones.outgoing import new_message_id
from whatsim.phones.settings import ChatSettings, PhoneSettings
from whatsim.server.entities import Message, Phone, now
from whatsim.wire.actions import ActionValue
from whatsim.wire.e2e import Message as Content

if TYPE_CHECKING:
    from whatsim.server.core import Core

MAX_PAST = 200_000  # messages made up in one call
_CONTACT = "1777{:07d}"  # no country's numbers begin so


class SettingsDesk:
    """Settings by phone number. All changes are durable when the call returns; PhoneNotFound for unknown numbers."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def of_chat(self, number: str, chat: str) -> ChatSettings:
        """Return what is set for a chat, by the phone or by one of its devices."""
        world = self._core.world
        return self._core.phones.settings.of_chat(world.phone(number), world.phone(chat).number)

    def all(self, number: str) -> dict[tuple[str, ...], ActionValue]:
        """Return every setting of a phone by its index, whoever has set it."""
        return self._core.phones.settings.all(self._core.world.phone(number))

    async def change_chat(
        self,
        number: str,
        chat: str,
        *,
        archived: bool | None = None,
        pinned: bool | None = None,
        unread: bool | None = None,
        muted_until_ms: int | None = None,
    ) -> None:
        """Set what is not None. `muted_until_ms`: 0 ends the silence, -1 is for ever."""
        settings, phone, peer = self._of(number, chat)
        if archived is not None:
            settings.archive(phone, peer, archived=archived)
        if pinned is not None:
            settings.pin(phone, peer, pinned=pinned)
        if unread is not None:
            settings.mark(phone, peer, read=not unread)
        if muted_until_ms is not None:
            settings.mute(phone, peer, muted_until_ms)
        await self._core.store.durable()

    async def name_contact(self, number: str, person: str, name: str) -> None:
        """Write a name into the phone's address book."""
        settings, phone, peer = self._of(number, person)
        settings.name_contact(phone, peer, name)
        await self._core.store.durable()

    async def edit_label(self, number: str, label: str, name: str, colour: int = 0, *, deleted: bool = False) -> None:
        """Make, rename or delete a label."""
        phone = self._core.world.phone(number)
        self._core.phones.settings.edit_label(phone, label, name, colour, deleted=deleted)
        await self._core.store.durable()

    async def label_chat(self, number: str, chat: str, label: str, *, labelled: bool = True) -> None:
        """Put a label on a chat, or take it off."""
        settings, phone, peer = self._of(number, chat)
        settings.label_chat(phone, peer, label, labelled=labelled)
        await self._core.store.durable()

    async def star(self, number: str, chat: str, message_id: str, *, starred: bool = True) -> None:
        """Star one of the phone's messages, or no longer."""
        settings, phone, peer = self._of(number, chat)
        message = phone.find_message(peer.number, message_id)
        from_me = message is not None and message.outgoing
        settings.star(phone, peer, message_id, from_me=from_me, starred=starred)
        await self._core.store.durable()

    async def delete_for_me(self, number: str, chat: str, message_id: str) -> None:
        """Remove a message from the owner's devices."""
        settings, phone, peer = self._of(number, chat)
        message = phone.find_message(peer.number, message_id)
        settings.delete_for_me(phone, peer, message_id, from_me=message is not None and message.outgoing)
        await self._core.store.durable()

    async def delete_chat(self, number: str, chat: str) -> None:
        """Remove a chat from the owner's devices."""
        settings, phone, peer = self._of(number, chat)
        settings.delete_chat(phone, peer)
        await self._core.store.durable()

    def _of(self, number: str, chat: str) -> tuple[PhoneSettings, Phone, Phone]:
        world = self._core.world
        return self._core.phones.settings, world.phone(number), world.phone(chat)


class HistoryDesk:
    """Makes up a past for a phone, so that there is something to hand over when a device is linked."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def fill(
        self,
        number: str,
        chats: int,
        per_chat: int,
        *,
        days: float = 20.0,
        body: Callable[[int, int], str] | None = None,
    ) -> list[str]:
        """Add `chats` chats with new phones, `per_chat` messages each, half of them ours, spread over `days` days up to
        an hour ago; returns the new numbers. Texts are `body(chat, message)`. Raises InvalidContent beyond 200,000.
        """
        if chats * per_chat > MAX_PAST:
            raise InvalidContent(f"A past has at most {MAX_PAST} messages.")
        phone = self._core.world.phone(number)
        text = body or (lambda chat, message: f"Message {message + 1} of chat {chat + 1}")
        first, last = now() - days * 86_400, now() - 3_600
        numbers = []
        for chat in range(chats):
            peer = self._new_peer(chat)
            numbers.append(peer.number)
            for at in range(per_chat):
                moment = first + (last - first) * (at * chats + chat + 1) / (chats * per_chat)
                self._add(phone, peer, text(chat, at), moment, outgoing=at % 2 == 1)
        await self._core.store.durable()
        return numbers

    async def add(self, number: str, peer: str, body: str, at: float, *, outgoing: bool = False) -> str:
        """Add one text at a moment (seconds since 1970) and return its message id; nobody else hears of it."""
        world = self._core.world
        message_id = self._add(world.phone(number), world.phone(peer), body, at, outgoing=outgoing)
        await self._core.store.durable()
        return message_id

    async def add_notice(
        self, number: str, chat: str, stub: int, parameters: Sequence[str], at: float, *, author: str = ""
    ) -> str:
        """Add something that happened in a chat, by WhatsApp's number of it, and return its id. `chat` is a number or a
        group's address, `author` the number of who caused it.
        """
        world = self._core.world
        phone = world.phone(number)
        notice = Message(
            id=world.new_message_id(),
            phone=phone,
            message_id=new_message_id(),
            chat=chat if "@" in chat else world.phone(chat).number,
            outgoing=False,
            type="other",
            body="",
            timestamp=at,
            is_read=True,
            author=author,
            extra={"notice": {"stub": stub, "parameters": list(parameters)}},
        )
        world.add_message(notice)
        self._core.store.put("message_extras", notice.id, (notice.id, notice.dump_extra()))
        await self._core.store.durable()
        return notice.message_id

    def _new_peer(self, count: int) -> Phone:
        world = self._core.world
        at = len(world.by_number)
        while (free := _CONTACT.format(at)) in world.by_number:
            at += 1
        return world.add_phone(free, f"Customer {count + 1}")

    def _add(self, phone: Phone, peer: Phone, body: str, at: float, *, outgoing: bool) -> str:
        world = self._core.world
        message = Message(
            id=world.new_message_id(),
            phone=phone,
            message_id=new_message_id(),
            chat=peer.number,
            outgoing=outgoing,
            type="text",
            body=body,
            timestamp=at,
            deliveries=1,
            is_read=True,
            receipts={"sent": at, "delivered": at, "read": at} if outgoing else {"delivered": at, "read": at},
        )
        world.add_message(message)
        self._core.phones.contents.keep(message, Content(conversation=body).encode())
        return message.message_id
