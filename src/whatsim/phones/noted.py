"""What a phone's history says of a message besides its content: reactions, votes, pins, edits, deletions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from whatsim.phones.contents import Contents
from whatsim.phones.details import option_hash
from whatsim.phones.language import CHANGES
from whatsim.server.entities import Message, Phone
from whatsim.wire import e2e
from whatsim.wire.jid import LID_SERVER, USER_SERVER
from whatsim.wire.kinds import MessageKey, PollVote
from whatsim.wire.peer import NotedDuration, NotedPin, NotedReaction, NotedVote, WebMessage

if TYPE_CHECKING:
    from whatsim.server.core import Core

STUB_DELETED = 1
_WEEK_S = 604_800


def by_target(messages: Iterable[Message]) -> dict[str, list[Message]]:
    """Return the changes among a chat's messages by the id of what they change, in order."""
    found: dict[str, list[Message]] = {}
    for message in messages:
        if message.type in CHANGES and message.extra.get("target"):
            found.setdefault(message.extra["target"], []).append(message)
    return found


class Noted:
    """Writes into a message as it is handed over what its changes have left at it."""

    def __init__(self, core: Core, contents: Contents) -> None:
        self._core = core
        self._contents = contents

    def key(self, message: Message) -> MessageKey:
        """Return how the phone names a message."""
        if "@" not in message.chat:
            return MessageKey(self.address(message.phone, message.chat), message.outgoing, message.message_id)
        author = None if message.outgoing else self.address(message.phone, message.written_by)
        return MessageKey(message.chat, message.outgoing, message.message_id, author)

    def address(self, phone: Phone, number: str) -> str:
        """Return the address under which a phone's history knows somebody."""
        person = self._core.world.by_number.get(number, phone if number == phone.number else None)
        return person.jid(LID_SERVER) if person is not None else f"{number}@{USER_SERVER}"

    def write(self, web: WebMessage, message: Message, changes: Iterable[Message]) -> None:
        """Complete `web` with what became of `message`."""
        if message.extra.get("deleted"):
            last = next((change for change in changes if change.type == "delete"), None)
            web.content, web.stub = None, STUB_DELETED
            web.revoked_at = int(last.timestamp) if last is not None else None
            return
        by_author = {(change.type, change.written_by): change for change in changes}
        for (kind, author), change in by_author.items():
            if kind == "reaction":
                self._reaction(web, message, author, change)
            elif kind == "poll_vote":
                self._vote(web, message, author, change)
            elif kind == "pin" and message.extra.get("pinned"):
                web.pin = NotedPin(1, self.key(change), _ms(change), NotedDuration(self._duration(change)))
            elif kind == "edit":
                self._edit(web, message, change)

    def _reaction(self, web: WebMessage, message: Message, author: str, change: Message) -> None:
        emoji = message.extra.get("reactions", {}).get(author)
        if emoji:
            web.reactions.append(NotedReaction(self.key(change), emoji, _ms(change)))

    def _vote(self, web: WebMessage, message: Message, author: str, change: Message) -> None:
        options = message.extra.get("votes", {}).get(author)
        if options:
            vote = PollVote([option_hash(name) for name in options])
            web.votes.append(NotedVote(self.key(change), vote, _ms(change)))

    def _edit(self, web: WebMessage, message: Message, change: Message) -> None:
        """A message that was edited is kept as its last edit, under the edit's own id."""
        if not message.extra.get("edited"):
            return
        new = e2e.Message(conversation=message.body).encode()
        key = MessageKey(web.key.chat if web.key else None, True, message.message_id)  # as its author wrote it
        protocol = e2e.ProtocolMessage(key, e2e.TYPE_EDIT, edited=new, timestamp_ms=_ms(change))
        web.key = self.key(change)
        web.content = e2e.Message(edited=e2e.FutureProof(e2e.Message(protocol=protocol).encode())).encode()

    def _duration(self, change: Message) -> int:
        kept = self._contents.find(change)
        about = e2e.unwrap(e2e.Message.decode(kept)).about if kept is not None else None
        return (about.addition_s if about is not None else None) or _WEEK_S


def _ms(message: Message) -> int:
    return int(message.timestamp * 1000)
