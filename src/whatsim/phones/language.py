"""What phones make of messages beyond text and files: what a message holds, and what changes do to others.

A change is a message of its own that names another one. It may come first; then it waits for the other one. Phones
believe only the author's edits, and deletions of the author's, or in groups of an admin's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from whatsim.phones.contents import Contents
from whatsim.phones.details import details_of, option_hash
from whatsim.server.entities import Message, Phone
from whatsim.server.groups import GROUP_SERVER
from whatsim.wire import e2e, kinds, message_secret
from whatsim.wire.errors import WireError
from whatsim.wire.jid import LID_SERVER, USER_SERVER, parse_jid

if TYPE_CHECKING:
    from whatsim.server.core import Core

CHANGES = frozenset({"reaction", "poll_vote", "edit", "delete", "pin"})


class Language:
    """Reads contents when they are kept, and lets changes take effect."""

    def __init__(self, core: Core, contents: Contents) -> None:
        self._core = core
        self._contents = contents
        self._waiting: dict[tuple[int, str], list[Message]] = {}

    def take(self, message: Message, data: bytes) -> None:
        """A message's content is known now."""
        outer = e2e.Message.decode(data)
        content = e2e.unwrap(outer)
        details = details_of(outer, content)
        if details:
            message.extra["details"] = details
        if message.type in CHANGES or message.type == "timer":
            message.is_read = True  # nothing to read
            message.phone.unread.pop(message.id, None)
        if message.type in CHANGES and message.quoted_id is not None:
            message.extra["target"] = message.quoted_id
            author = self._target_author(message, content)
            target = message.phone.find_message(message.chat, message.quoted_id, author)
            if target is None:
                self._waiting.setdefault((message.phone.id, message.quoted_id), []).append(message)
            else:
                self._apply(message, target, content)
        self.save(message)
        key = (message.phone.id, message.message_id)
        for change in self._waiting.pop(key, ()):
            content = e2e.unwrap(e2e.Message.decode(self._contents.find(change) or b""))
            if change.chat == message.chat and self._target_author(change, content) in (None, message.written_by):
                self._apply(change, message, content)
            else:
                self._waiting.setdefault(key, []).append(change)

    def save(self, message: Message) -> None:
        """Write what is known of a message beyond its row."""
        if message.extra:
            self._core.store.put("message_extras", message.id, (message.id, message.dump_extra()))

    def secret_of(self, message: Message) -> bytes | None:
        """Return the secret that a message came with."""
        kept = self._contents.find(message)
        about = e2e.unwrap(e2e.Message.decode(kept)).about if kept is not None else None
        return about.secret if about is not None else None

    def addresses(self, phone: Phone, number: str) -> Iterator[str]:
        """Yield the addresses that somebody may use, the LID first."""
        person = self._core.world.by_number.get(number, phone)
        yield person.jid(LID_SERVER)
        yield person.jid(USER_SERVER)

    def _target_author(self, change: Message, content: e2e.Message) -> str | None:
        """Return whose message a change is about (a number); None when it does not say."""
        key = e2e.target_key(content)
        if key is None:
            return None
        if key.from_me:
            return change.written_by
        if key.participant:
            person = self._core.world.find(parse_jid(key.participant))
            return person.number if person is not None else key.participant
        if GROUP_SERVER in change.chat:
            return None
        return change.chat if change.outgoing else change.phone.number

    def _apply(self, change: Message, target: Message, content: e2e.Message) -> None:
        mine = change.written_by == target.written_by
        match change.type:
            case "reaction" if content.reaction is not None and not target.extra.get("deleted"):
                _set(target, "reactions", change.written_by, content.reaction.text or None)
            case "poll_vote" if content.poll_update is not None and not target.extra.get("deleted"):
                options = self._open_vote(change, target, content.poll_update)
                if options is not None:
                    _set(target, "votes", change.written_by, options or None)
            case "pin" if content.pin is not None:
                target.extra["pinned"] = content.pin.type == 1
            case "edit" if mine and not target.extra.get("deleted"):
                self._edit(change, target, content)
            case "delete" if mine or GROUP_SERVER in change.chat:
                target.body, target.media = "", None
                target.extra = {"deleted": True, "target": target.extra.get("target")}
            case _:
                return
        self._core.world.save(target)
        self.save(target)
        self._core.phones.shown(target, added=False)

    def _edit(self, change: Message, target: Message, content: e2e.Message) -> None:
        if content.sealed is not None:
            plain = self._unseal(change, target, message_secret.MESSAGE_EDIT, content.sealed.payload, content.sealed.iv)
            if plain is None:
                return
            try:
                content = e2e.unwrap(e2e.Message.decode(plain))
            except WireError:
                return
        protocol = content.protocol
        if protocol is None or protocol.edited is None:
            return
        new = e2e.Message.decode(protocol.edited)
        if new.live_location is not None:
            target.extra["details"] = {**target.extra.get("details", {}), **details_of(new, new)}
            return
        reading = e2e.read(new)
        # phones take a caption from a part of the file's own kind only, and an edit takes no text away
        if reading.type == target.type and reading.body:
            target.body = change.body = reading.body
            target.extra["edited"] = True

    def _open_vote(self, change: Message, target: Message, update: kinds.PollUpdate) -> list[str] | None:
        if update.vote is None:
            return None
        plain = self._unseal(change, target, message_secret.POLL_VOTE, update.vote.payload, update.vote.iv)
        if plain is None:
            return None
        picked = set(kinds.PollVote.decode(plain).picked)
        names: list[str] = target.extra.get("details", {}).get("options", [])
        options = [name for name in names if option_hash(name) in picked]
        change.body = ", ".join(options)
        return options

    def _unseal(
        self, change: Message, target: Message, use: str, payload: bytes | None, iv: bytes | None
    ) -> bytes | None:
        secret = self.secret_of(target)
        if secret is None or payload is None or iv is None:
            return None
        for author in self.addresses(target.phone, target.written_by):
            for changer in self.addresses(target.phone, change.written_by):
                plain = message_secret.unseal(secret, use, target.message_id, author, changer, payload, iv)
                if plain is not None:
                    return plain
        return None


def _set(message: Message, name: str, number: str, value: Any) -> None:
    entries = {key: kept for key, kept in message.extra.get(name, {}).items() if key != number}
    if value is not None:
        entries[number] = value
    message.extra[name] = entries
