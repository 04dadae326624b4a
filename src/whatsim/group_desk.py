"""What phones' owners do in groups: make them, change them, write, read, join and leave. Status posts, channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from whatsim.model import (
    GroupNotFound,
    GroupRefused,
    InvalidContent,
    MessageView,
    OutgoingContent,
    RawContent,
    TextContent,
)
from whatsim.phones.contents import prepare_text
from whatsim.phones.views import message_view
from whatsim.server.groups import GROUPS_JID, Addressing, Group, GroupRefusal
from whatsim.wire.e2e import Message
from whatsim.wire.kinds import GroupInvite

if TYPE_CHECKING:
    from whatsim.server.core import Core
    from whatsim.server.entities import Phone

Action = Literal["add", "remove", "promote", "demote", "approve", "reject"]


def is_group(chat: str) -> bool:
    """Tell whether a chat is a group's address (and not a number)."""
    return chat.endswith(GROUPS_JID)


@dataclass(frozen=True, slots=True)
class GroupView:
    """A group; `members` are roles by number, `requests` the numbers that wait for an admin's approval."""

    jid: str
    subject: str
    description: str
    addressing: Addressing
    announcement: bool
    locked: bool
    approval: bool
    add_mode: str
    link: str
    members: dict[str, str]
    requests: list[str]
    has_picture: bool


class GroupDesk:
    """Groups by address, phones by number. Changes are durable when a call returns.

    Every function raises PhoneNotFound or GroupNotFound; GroupRefused when the group's rules forbid it.
    """

    def __init__(self, core: Core) -> None:
        self._core = core

    async def create(
        self, number: str, subject: str, members: Sequence[str], addressing: Addressing = "lid"
    ) -> GroupView:
        """Make a group of which `number` is the owner."""
        world = self._core.world
        people = [world.phone(member) for member in members]
        try:
            group = self._core.groups.create(world.phone(number), subject, people, addressing=addressing)
        except GroupRefusal as refusal:
            raise GroupRefused(refusal.code, refusal.text) from None
        return await self._done(group)

    def all(self) -> list[GroupView]:
        """Return all groups."""
        return [self._view(group) for group in self._core.groups.by_id.values()]

    def get(self, jid: str) -> GroupView:
        """Return one group."""
        return self._view(self._group(jid))

    async def change_members(self, jid: str, number: str, action: Action, members: Sequence[str]) -> list[int]:
        """Let `number` change members; returns a code for each, 200 when it was done."""
        groups, group = self._core.groups, self._group(jid)
        actor = self._core.world.phone(number)
        people = [self._core.world.by_number.get(member.removeprefix("+")) for member in members]
        try:
            match action:
                case "add":
                    codes = groups.add(group, actor, people)
                case "remove":
                    codes = groups.remove(group, actor, people)
                case "promote" | "demote":
                    codes = groups.set_role(group, actor, people, "admin" if action == "promote" else "member")
                case "approve" | "reject":
                    codes = groups.answer_requests(group, actor, people, approve=action == "approve")
        except GroupRefusal as refusal:
            raise GroupRefused(refusal.code, refusal.text) from None
        await self._core.store.durable()
        return codes

    async def change(
        self,
        jid: str,
        number: str,
        *,
        subject: str | None = None,
        description: str | None = None,
        announcement: bool | None = None,
        locked: bool | None = None,
        approval: bool | None = None,
        add_mode: str | None = None,
    ) -> GroupView:
        """Let `number` change what is not None."""
        groups, group, actor = self._core.groups, self._group(jid), self._core.world.phone(number)
        try:
            if subject is not None:
                groups.set_subject(group, actor, subject)
            if description is not None:
                groups.set_description(group, actor, description, f"d{group.version}", group.description_id)
            if announcement is not None:
                groups.set_flag(group, actor, "announcement", value=announcement)
            if locked is not None:
                groups.set_flag(group, actor, "locked", value=locked)
            if approval is not None:
                groups.set_approval(group, actor, value=approval)
            if add_mode is not None:
                groups.set_add_mode(group, actor, add_mode)
        except GroupRefusal as refusal:
            raise GroupRefused(refusal.code, refusal.text) from None
        return await self._done(group)

    async def join(self, jid: str, number: str) -> bool:
        """Enter as by the group's link; False when an admin must approve first."""
        try:
            entered = self._core.groups.join(self._group(jid), self._core.world.phone(number))
        except GroupRefusal as refusal:
            raise GroupRefused(refusal.code, refusal.text) from None
        await self._core.store.durable()
        return entered

    async def invite(self, jid: str, number: str, person: str) -> MessageView:
        """Let a member send somebody an invitation; returns the message."""
        phone, group = self._member(number, jid)
        peer = self._core.world.phone(person)
        try:
            code, until = self._core.groups.invite(group, phone, peer)
        except GroupRefusal as refusal:
            raise GroupRefused(refusal.code, refusal.text) from None
        content = Message(group_invite=GroupInvite(group.jid, code, until, group.subject, "Join us"))
        prepared = await self._core.phones.prepare(RawContent(content.encode()), phone, peer)
        message = self._core.phones.sender.send(phone, peer, prepared)
        await self._core.store.durable()
        return message_view(message)

    async def accept(self, jid: str, number: str, code: str) -> None:
        """Enter by an invitation that the phone was sent."""
        try:
            self._core.groups.accept(self._group(jid), self._core.world.phone(number), code)
        except GroupRefusal as refusal:
            raise GroupRefused(refusal.code, refusal.text) from None
        await self._core.store.durable()

    async def leave(self, jid: str, number: str) -> None:
        """Leave a group."""
        try:
            self._core.groups.leave(self._group(jid), self._core.world.phone(number))
        except GroupRefusal as refusal:
            raise GroupRefused(refusal.code, refusal.text) from None
        await self._core.store.durable()

    async def send(self, number: str, jid: str, content: OutgoingContent) -> MessageView:
        """Write to a group and return the stored message once it is durable. Raises InvalidContent, too."""
        phone, group = self._member(number, jid)
        if not self._core.groups.may_write(group, phone):
            raise GroupRefused(403, "Only members (here: only admins) write to this group.")
        quoted = phone.find_message(jid, content.quoted_id or "") if isinstance(content, TextContent) else None
        author = self._core.world.by_number.get(quoted.author, phone) if quoted is not None else phone
        prepared = await self._core.phones.prepare(content, phone, author, group=jid)
        message = self._core.phones.groups.send(phone, group, prepared)
        await self._core.store.durable()
        return message_view(message)

    async def mark_read(self, number: str, jid: str, up_to: int | None = None) -> int:
        """Send read receipts for the group's unread messages with `id` up to `up_to` (None: all); returns how many."""
        phone, group = self._member(number, jid)
        count = self._core.phones.groups.mark_read(phone, group, up_to)
        await self._core.store.durable()
        return count

    def typing(self, number: str, jid: str, *, composing: bool) -> None:
        """Show the other members' devices that this phone types (or has stopped)."""
        phone, group = self._member(number, jid)
        self._core.phones.groups.typing(phone, group, composing=composing)

    async def post_status(self, number: str, content: OutgoingContent) -> str:
        """Post a status, seen by everybody the phone has a chat with; returns its message id."""
        phone = self._core.world.phone(number)
        prepared = await self._core.phones.prepare(content, phone, phone)
        message_id = self._core.phones.groups.post_status(phone, prepared)
        await self._core.store.durable()
        return message_id

    async def publish(
        self, channel: str, followers: Sequence[str], content: TextContent, *, name: str | None = None
    ) -> str:
        """Post to a channel (`...@newsletter`): the companions of its followers receive it; returns its message id.

        `name` is what the channel is called from now on.
        """
        if name is not None:
            self._core.channels.rename(channel, name)
        phones = [self._core.world.phone(number) for number in followers]
        message_id = self._core.phones.groups.publish(channel, phones, prepare_text(content, phones[0], phones[0]))
        await self._core.store.durable()
        return message_id

    async def forget_sender_key(self, number: str, jid: str, peer: str, device: int) -> None:
        """Make a phone lose what it reads a device's messages with, so that it must ask for the next one again."""
        phone, group = self._member(number, jid)
        found = self._core.world.phone(peer).devices.get(device)
        if found is None:
            raise InvalidContent(f"The phone {peer} has no linked device {device}.")
        self._core.phones.groups.forget_sender(phone, group, found)
        await self._core.store.durable()

    def _member(self, number: str, jid: str) -> tuple[Phone, Group]:
        return self._core.world.phone(number), self._group(jid)

    def _group(self, jid: str) -> Group:
        group = self._core.groups.find(jid)
        if group is None:
            raise GroupNotFound(f"There is no group {jid}.")
        return group

    async def _done(self, group: Group) -> GroupView:
        await self._core.store.durable()
        return self._view(group)

    def _view(self, group: Group) -> GroupView:
        by_id = self._core.world.by_id
        return GroupView(
            jid=group.jid,
            subject=group.subject,
            description=group.description,
            addressing=group.addressing,
            announcement=group.announcement,
            locked=group.locked,
            approval=group.approval,
            add_mode=group.add_mode,
            link=f"https://chat.whatsapp.com/{group.code}",
            members={by_id[phone_id].number: role for phone_id, role in group.roles.items()},
            requests=[by_id[phone_id].number for phone_id in group.requests],
            has_picture=group.picture is not None,
        )
