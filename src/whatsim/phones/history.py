"""What a phone hands to a newly linked companion, and what it looks up when a companion asks.

A phone sends the newest messages of its chats (the bootstrap; inside of a message if the client reads that), then all
recent messages in chunks by way of the media host, then the names that people have chosen. Everything is durable before
it is announced.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from whatsim.phones.contents import Contents
from whatsim.phones.language import CHANGES
from whatsim.phones.noted import Noted, by_target
from whatsim.phones.outgoing import Sender
from whatsim.server.entities import Device, Message, Phone, now
from whatsim.server.groups import GROUP_SERVER, Group
from whatsim.wire.errors import WireError
from whatsim.wire.jid import LID_SERVER, USER_SERVER, parse_jid
from whatsim.wire.kinds import MessageKey
from whatsim.wire.media import seal
from whatsim.wire.peer import (
    REQUEST_HISTORY,
    REQUEST_PLACEHOLDER,
    SYNC_BOOTSTRAP,
    SYNC_ON_DEMAND,
    SYNC_PUSH_NAME,
    SYNC_RECENT,
    TYPE_HISTORY_NOTICE,
    TYPE_RESPONSE,
    Conversation,
    GroupMember,
    HistoryEntry,
    HistoryNotice,
    HistorySync,
    Mapping,
    PeerMessage,
    PeerProtocol,
    PushName,
    Request,
    ResentMessage,
    Response,
    Result,
    WebMessage,
)

if TYPE_CHECKING:
    from whatsim.server.core import Core

BOOTSTRAP_CHATS = 20  # with their newest message each
CHUNK_CHATS = 100
RECENT_S = 90 * 86_400.0
MAX_OLDER = 200  # messages in one answer
_RANKS = {"member": 0, "admin": 1, "superadmin": 2}
_STATUS = {"sent": 2, "delivered": 3, "read": 4, "played": 5}


class History:
    """Gives phones' messages to companions."""

    def __init__(self, core: Core, contents: Contents, sender: Sender) -> None:
        self._core = core
        self._contents = contents
        self._sender = sender
        self._noted = Noted(core, contents)

    def hand_over(self, device: Device) -> None:
        """Send a phone's history to a companion that was just linked. A phone without chats has nothing to say."""
        if device.phone.chats:
            self._core.phones.run(self._hand_over(device))

    def answer(self, phone: Phone, device: Device, message_id: str, request: Request) -> None:
        """Answer a companion's request; one that the simulated phone does not know stays unanswered."""
        if request.kind == REQUEST_HISTORY and request.older is not None:
            self._core.phones.run(self._older(phone, device, message_id, request))
        elif request.kind == REQUEST_PLACEHOLDER:
            self._resend(phone, device, message_id, request)
        else:
            self._core.counters.count_unknown(f"request {request.kind} to a phone")

    async def _hand_over(self, device: Device) -> None:
        phone = device.phone
        since = now() - RECENT_S
        past = _by_chat(message for message in phone.messages if message.timestamp > since)
        with_older = {message.chat for message in phone.messages if message.timestamp <= since}
        newest = sorted(past, key=lambda chat: past[chat][-1].timestamp, reverse=True)
        first = [self._conversation(phone, chat, past[chat], last=1, more=True) for chat in newest[:BOOTSTRAP_CHATS]]
        mappings = self._mappings(newest)
        blob = HistorySync(SYNC_BOOTSTRAP, first, 0, 0, mappings=mappings)
        notice = HistoryNotice(sync_type=SYNC_BOOTSTRAP, chunk_order=0, progress=0)
        if device.inline_history:
            notice.inline = zlib.compress(blob.encode())
            self._announce(phone, device, notice)
        else:
            await self._upload(phone, device, blob, notice)
        chunks = [newest[at : at + CHUNK_CHATS] for at in range(0, len(newest), CHUNK_CHATS)]
        for number, chunk in enumerate(chunks, 1):
            conversations = [self._conversation(phone, chat, past[chat], more=chat in with_older) for chat in chunk]
            progress = 100 * number // len(chunks)
            blob = HistorySync(SYNC_RECENT, conversations, number, progress, mappings=self._mappings(chunk))
            await self._upload(phone, device, blob, HistoryNotice(sync_type=SYNC_RECENT, progress=progress))
        names = [PushName(peer.jid(LID_SERVER), peer.name) for peer in self._peers(newest)]
        blob = HistorySync(SYNC_PUSH_NAME, names=names)
        await self._upload(phone, device, blob, HistoryNotice(sync_type=SYNC_PUSH_NAME))

    async def _older(self, phone: Phone, device: Device, message_id: str, request: Request) -> None:
        older = request.older
        assert older is not None
        chat = self._chat_of(older.chat or "")
        whole = _by_chat(phone.messages).get(chat, [])
        conversations = []
        if whole:
            shown = _shown(whole)
            known = next((at for at, message in enumerate(shown) if message.message_id == older.oldest_id), None)
            if known is None:
                known = sum(message.timestamp < (older.oldest_timestamp or 0) for message in shown)
            count = max(1, min(older.count or 50, MAX_OLDER))
            conversations = [
                self._conversation(phone, chat, whole, until=known, last=count, more=known > count),
            ]
        blob = HistorySync(SYNC_ON_DEMAND, conversations, 1, 100)
        notice = HistoryNotice(sync_type=SYNC_ON_DEMAND, progress=100, request_id=message_id)
        await self._upload(phone, device, blob, notice)

    def _resend(self, phone: Phone, device: Device, message_id: str, request: Request) -> None:
        results = []
        for placeholder in request.placeholders:
            key = placeholder.key
            message = self._named(phone, key) if key is not None else None
            web = self._web_message(phone, message) if message is not None and not message.undecryptable else None
            results.append(Result(None if web is None else ResentMessage(web.encode())))
        response = Response(REQUEST_PLACEHOLDER, message_id, results)
        content = PeerMessage(PeerProtocol(TYPE_RESPONSE, response=response))
        self._sender.push_peer(phone, device, content)

    def _named(self, phone: Phone, key: MessageKey) -> Message | None:
        """Return the message that a companion's key names."""
        author = self._core.world.find(parse_jid(key.participant)) if key.participant else None
        for message in phone.all_with_id(key.id or ""):
            if message.outgoing == bool(key.from_me) and (author is None or message.written_by == author.number):
                return message
        return None

    async def _upload(self, phone: Phone, device: Device, blob: HistorySync, notice: HistoryNotice) -> None:
        plain = await asyncio.to_thread(lambda: zlib.compress(blob.encode()))
        sealed = await asyncio.to_thread(seal, plain, "history")
        notice.direct_path = await self._core.media_host.keep(sealed)
        notice.file_sha256, notice.file_enc_sha256 = sealed.file_sha256, sealed.file_enc_sha256
        notice.media_key, notice.file_length = sealed.media_key, len(plain)
        notice.chunk_order = blob.chunk_order
        if device.device in phone.devices:
            self._announce(phone, device, notice)

    def _announce(self, phone: Phone, device: Device, notice: HistoryNotice) -> None:
        self._sender.push_peer(phone, device, PeerMessage(PeerProtocol(TYPE_HISTORY_NOTICE, notice)))

    def _chat_of(self, address: str) -> str:
        """Return the number or the group that an address belongs to; empty for nobody."""
        if address.endswith(f"@{GROUP_SERVER}"):
            return address
        try:
            peer = self._core.world.find(parse_jid(address))
        except WireError:
            return ""
        return "" if peer is None else peer.number

    def _conversation(
        self,
        phone: Phone,
        chat: str,
        whole: Sequence[Message],
        *,
        more: bool,
        until: int | None = None,
        last: int | None = None,
    ) -> Conversation:
        """Write a chat whose messages are `whole`: of those that are shown the first `until`, of these the `last`."""
        world = self._core.world
        peer = world.by_number.get(chat)
        lid = peer.jid(LID_SERVER) if peer is not None else None
        starred = self._core.phones.settings.starred(phone)
        messages = _shown(whole)[:until]
        messages = messages if last is None else messages[-last:]
        newest = int(messages[-1].timestamp) if messages else None
        changes = by_target(whole)
        found = (
            (message.id, self._web_message(phone, message, changes.get(message.message_id, ()), starred))
            for message in messages
        )
        settings = self._core.phones.settings.of_chat(phone, chat)
        group = self._core.groups.find(chat)
        conversation = Conversation(
            id=lid or (chat if group is not None else f"{chat}@{USER_SERVER}"),
            entries=[HistoryEntry(web, order) for order, web in found if web is not None],
            last_timestamp=newest,
            unread=sum(message.chat == chat for message in phone.unread.values()),
            end=0 if more else 1,
            timestamp=newest,
            name=None if group is None else group.subject,
            archived=settings.archived or None,
            marked_unread=settings.unread or None,
            pinned=int(now()) if settings.pinned else None,
            mute_end=settings.muted_until_ms or None,
            pn_jid=f"{chat}@{USER_SERVER}" if group is None else None,
            lid_jid=lid,
        )
        if group is not None:
            self._describe(conversation, group)
        return conversation

    def _describe(self, conversation: Conversation, group: Group) -> None:
        """Add what a phone remembers of a group."""
        people = self._core.groups.members(group)
        conversation.members = [GroupMember(one.jid(group.server), _RANKS[group.roles[one.id]]) for one in people]
        conversation.created = int(group.created)
        conversation.created_by = self._core.world.by_id[group.creator].jid(group.server)
        conversation.description = group.description or None

    def _web_message(
        self,
        phone: Phone,
        message: Message,
        changes: Sequence[Message] = (),
        starred: Collection[str] = (),
    ) -> WebMessage | None:
        content = self._contents.find(message)
        notice = message.extra.get("notice")
        if content is None and notice is None:
            return None  # it could never be read
        author = None if message.outgoing else self._core.world.by_number.get(message.written_by)
        status = max((_STATUS.get(state, 0) for state in message.receipts), default=0)
        key = self._noted.key(message)
        web = WebMessage(
            key=key,
            content=content,
            timestamp=int(message.timestamp),
            status=status if message.outgoing else None,
            participant=key.participant,
            starred=message.message_id in starred or None,
            push_name=None if author is None else author.name,
        )
        if notice is not None:
            web.stub, web.stub_parameters = notice["stub"], list(notice["parameters"])
        self._noted.write(web, message, changes)
        return web

    def _peers(self, chats: Iterable[str]) -> list[Phone]:
        found = (self._core.world.by_number.get(chat) for chat in chats)
        return [peer for peer in found if peer is not None]

    def _mappings(self, chats: Iterable[str]) -> list[Mapping]:
        return [Mapping(peer.jid(USER_SERVER), peer.jid(LID_SERVER)) for peer in self._peers(chats)]


def _by_chat(messages: Iterable[Message]) -> dict[str, list[Message]]:
    chats: dict[str, list[Message]] = {}
    for message in sorted(messages, key=lambda message: (message.timestamp, message.id)):
        if "@" not in message.chat or message.chat.endswith(f"@{GROUP_SERVER}"):
            chats.setdefault(message.chat, []).append(message)
    return chats


def _shown(messages: Sequence[Message]) -> Sequence[Message]:
    """Leave out changes: they stand in a history only at what they have changed."""
    return [message for message in messages if message.type not in CHANGES or message.extra.get("target") is None]
