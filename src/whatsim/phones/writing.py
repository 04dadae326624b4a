"""Builds what phones send beyond text and files."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from whatsim import language
from whatsim.model import InvalidContent
from whatsim.phones.contents import Contents, Prepared, media_of_reading
from whatsim.phones.details import option_hash
from whatsim.phones.language import Language
from whatsim.server.entities import Message as ShownMessage
from whatsim.server.entities import Phone
from whatsim.wire import e2e, kinds, message_secret
from whatsim.wire.jid import LID_SERVER

MAX_OPTIONS = 12
MAX_CARDS = 257


class Writer:
    """Writes for one phone into one chat. `chat` is a number or a group's address, `address` how it is addressed."""

    def __init__(self, contents: Contents, reader: Language, phone: Phone, chat: str, address: str) -> None:
        self._contents = contents
        self._language = reader
        self._phone = phone
        self._chat = chat
        self._address = address

    def write(self, content: language.LanguageContent) -> Prepared:
        """Check and serialise a content. Raises InvalidContent."""
        build: Callable[[Any], Prepared] = getattr(self, f"_{type(content).__name__.removesuffix('Content').lower()}")
        return build(content)

    def _location(self, content: language.LocationContent) -> Prepared:
        if not (abs(content.latitude) <= 90 and abs(content.longitude) <= 180):
            raise InvalidContent("There is no such place on earth.")
        if content.live:
            live = kinds.LiveLocation(content.latitude, content.longitude, caption=content.name, sequence=_now_ms())
            return _prepared(e2e.Message(live_location=live))
        place = kinds.Location(content.latitude, content.longitude, content.name, content.address)
        return _prepared(e2e.Message(location=place))

    def _move(self, content: language.MoveContent) -> Prepared:
        target = self._own(content.message_id)
        live = kinds.LiveLocation(content.latitude, content.longitude, sequence=_now_ms())
        return self._edited(target, e2e.Message(live_location=live))

    def _contacts(self, content: language.ContactsContent) -> Prepared:
        if not 1 <= len(content.cards) <= MAX_CARDS:
            raise InvalidContent(f"A message has 1 to {MAX_CARDS} cards.")
        cards = [kinds.Contact(name, _vcard(name, number)) for name, number in content.cards]
        if len(cards) == 1:
            return _prepared(e2e.Message(contact=cards[0]))
        return _prepared(e2e.Message(contacts=kinds.Contacts(f"{len(cards)} contacts", cards)))

    def _poll(self, content: language.PollContent) -> Prepared:
        if not content.question or not 2 <= len(set(content.options)) == len(content.options) <= MAX_OPTIONS:
            raise InvalidContent(f"A poll has a question and 2 to {MAX_OPTIONS} different options.")
        options = [kinds.PollOption(name) for name in content.options]
        poll = kinds.PollCreation(content.question, options, 0 if content.multiple else 1)
        # phones write polls with a single choice in their third form
        return _prepared(e2e.Message(poll=poll) if content.multiple else e2e.Message(poll_v3=poll), "poll")

    def _vote(self, content: language.VoteContent) -> Prepared:
        target = self._find(content.message_id)
        secret = self._language.secret_of(target)
        known = target.extra.get("details", {}).get("options", [])
        if target.type != "poll" or secret is None or not set(content.options) <= set(known):
            raise InvalidContent("There is no such poll, or it has no such option.")
        plain = kinds.PollVote([option_hash(name) for name in content.options]).encode()
        author, voter = (
            next(self._language.addresses(self._phone, number)) for number in (target.written_by, self._phone.number)
        )
        sealed = message_secret.seal(secret, message_secret.POLL_VOTE, target.message_id, author, voter, plain)
        update = kinds.PollUpdate(self._key(target), kinds.SealedVote(*sealed), _now_ms())
        return _prepared(e2e.Message(poll_update=update), "poll", secret=False)

    def _reaction(self, content: language.ReactionContent) -> Prepared:
        reaction = kinds.ReactionMessage(self._key(self._find(content.message_id)), content.emoji, _now_ms())
        return _prepared(e2e.Message(reaction=reaction), "reaction", secret=False)

    def _edit(self, content: language.EditContent) -> Prepared:
        target = self._own(content.message_id)
        if not content.body:
            raise InvalidContent("A text has at least one character.")
        new = _rewritten(target.type, content.body)
        secret = self._language.secret_of(target) if content.sealed else None
        if secret is None:
            return self._edited(target, new)
        protocol = e2e.ProtocolMessage(self._key(target), e2e.TYPE_EDIT, edited=new.encode(), timestamp_ms=_now_ms())
        plain = e2e.Message(protocol=protocol).encode()
        own = self._phone.jid(LID_SERVER)
        sealed = message_secret.seal(secret, message_secret.MESSAGE_EDIT, target.message_id, own, own, plain)
        return _prepared(e2e.Message(sealed=kinds.Sealed(self._key(target), *sealed, 2)), secret=False)

    def _edited(self, target: ShownMessage, new: e2e.Message) -> Prepared:
        protocol = e2e.ProtocolMessage(self._key(target), e2e.TYPE_EDIT, edited=new.encode(), timestamp_ms=_now_ms())
        wrapped = e2e.FutureProof(e2e.Message(protocol=protocol).encode())
        return _prepared(e2e.Message(edited=wrapped), secret=False)

    def _delete(self, content: language.DeleteContent) -> Prepared:
        own = self._phone.find_message(self._chat, content.message_id, self._phone.number)
        protocol = e2e.ProtocolMessage(self._key(own or self._find(content.message_id)), e2e.TYPE_REVOKE)
        return _prepared(e2e.Message(protocol=protocol), secret=False)

    def _pin(self, content: language.PinContent) -> Prepared:
        pin = kinds.Pin(self._key(self._find(content.message_id)), 1 if content.seconds else 2, _now_ms())
        about = kinds.MessageContext(addition_s=content.seconds) if content.seconds else None
        return _prepared(e2e.Message(pin=pin, about=about), secret=False)

    def _timer(self, content: language.TimerContent) -> Prepared:
        now = int(time.time())
        protocol = e2e.ProtocolMessage(type=e2e.TYPE_TIMER, expiration=content.seconds, expiration_set_at=now)
        return _prepared(e2e.Message(protocol=protocol), secret=False)

    def _forward(self, content: language.ForwardContent) -> Prepared:
        original = next(self._phone.all_with_id(content.message_id), None)
        kept = self._contents.find(original) if original is not None else None
        if original is None or kept is None or original.extra.get("deleted"):
            raise InvalidContent("There is no message with this id to forward.")
        copy = e2e.unwrap(e2e.Message.decode(kept))
        if original.extra.get("edited"):
            _put_text(copy, original.body)
        score = original.extra.get("details", {}).get("forwarded", 0) + (not original.outgoing)
        if copy.conversation is not None:
            copy.extended_text, copy.conversation = e2e.ExtendedTextMessage(copy.conversation), None
        _put_context(copy, kinds.ContextInfo(forwarding_score=score, is_forwarded=True) if score else None)
        copy.about = None
        return _prepared(copy)

    def _answer(self, content: language.AnswerContent) -> Prepared:
        target = self._find(content.message_id)
        author = next(self._language.addresses(self._phone, target.written_by))
        quoted = e2e.Message(conversation=target.body).encode()
        context = kinds.ContextInfo(target.message_id, author, quoted)
        if content.kind == "list":
            reply = kinds.ListReply(content.title, kinds.Picked(content.id), context)
            return _prepared(e2e.Message(list_reply=reply))
        return _prepared(e2e.Message(buttons_reply=kinds.ButtonsReply(content.id, content.title, context, 1)))

    def _find(self, message_id: str) -> ShownMessage:
        found = self._phone.find_message(self._chat, message_id)
        if found is None:
            raise InvalidContent("There is no message with this id in the chat.")
        return found

    def _own(self, message_id: str) -> ShownMessage:
        found = self._phone.find_message(self._chat, message_id, self._phone.number)
        if found is None:
            raise InvalidContent("There is no message with this id in the chat that this phone has written.")
        return found

    def _key(self, target: ShownMessage) -> kinds.MessageKey:
        author = None
        if target.author and not target.outgoing:
            author = next(self._language.addresses(self._phone, target.author))
        return kinds.MessageKey(self._address, target.outgoing, target.message_id, author)


def _prepared(content: e2e.Message, stanza_type: str = "text", *, secret: bool = True) -> Prepared:
    """Serialise a message; one that is no change of another has a secret."""
    if secret:
        content.about = kinds.MessageContext(secret=message_secret.new_secret())
    reading = e2e.read(content)
    is_file = reading.media is not None
    return Prepared(
        content.encode(),
        reading.type,
        reading.body,
        "media" if is_file else stanza_type,
        reading.type if is_file else "",
        reading.quoted_id,
        media_of_reading(reading),
    )


def _rewritten(kind: str, body: str) -> e2e.Message:
    """Return the new content of a message of this kind: of a file the caption alone. Raises InvalidContent."""
    match kind:
        case "text":
            return e2e.Message(conversation=body)
        case "image":
            return e2e.Message(image=e2e.ImageMessage(caption=body))
        case "video":
            return e2e.Message(video=e2e.VideoMessage(caption=body))
        case "document":
            inner = e2e.Message(document=e2e.DocumentMessage(caption=body))
            return e2e.Message(document_with_caption=e2e.FutureProof(inner.encode()))
        case _:
            raise InvalidContent("This message has no text to edit.")


def _put_text(content: e2e.Message, body: str) -> None:
    """Replace a message's text or caption."""
    if content.conversation is not None:
        content.conversation = body
    if content.extended_text is not None:
        content.extended_text.text = body
    for part in (content.image, content.video, content.document):
        if part is not None:
            part.caption = body


def _put_context(content: e2e.Message, context: kinds.ContextInfo | None) -> None:
    for name in ("extended_text", "image", "video", "audio", "document", "sticker", "location", "contact", "contacts"):
        part = getattr(content, name)
        if part is not None:
            part.context = context
    for part in (content.poll, content.poll_v3):
        if part is not None:
            part.context = context


def _vcard(name: str, number: str) -> str:
    return f"BEGIN:VCARD\nVERSION:3.0\nN:;{name};;;\nFN:{name}\nTEL;type=CELL;waid={number}:+{number}\nEND:VCARD"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
