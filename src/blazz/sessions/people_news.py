"""News of people that WhatsApp sends unasked: pictures, about texts, names, blocks, security codes.

What is missed is seen at the next look-up, but for a changed security code, which WhatsApp tells until it is stored.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable

import structlog

from blazz import events
from blazz._generated.engine import engine_pb2 as pb
from blazz.accounts import profiles as own_profiles
from blazz.accounts import service as accounts
from blazz.cluster import ownership
from blazz.contacts import kept, profiles
from blazz.contacts import service as contacts
from blazz.kit.db import Database, Tx, Workspace
from blazz.kit.time import from_unix_ms
from blazz.messaging import notices
from blazz.messaging.lookup import direct_chat
from blazz.sessions.addresses import lid_of, phone_of
from blazz.sessions.desk import Desk
from blazz.sessions.people import People, sort_people
from blazz.sessions.registry import Session

_log = structlog.get_logger(__name__)
_QUEUE = 2_000  # beyond it the stream is not read
NEWS = frozenset({"picture", "about", "business_name", "push_name", "block_list", "identity_change"})
"""The bodies of events that belong here."""


class PeopleNews:
    """Stores news in the order of their arrival; `desk` takes events whose body is one of `NEWS`."""

    def __init__(
        self, database: Database, people: People, answer: Callable[[Iterable[int], Iterable[int]], None]
    ) -> None:
        self._database = database
        self._people = people
        self.desk = Desk("people-news", _QUEUE, self._take, answer)
        self.group_picture: Callable[[Session, str], None] | None = None
        """Told when the picture of a group has changed."""

    async def _take(self, session: Session, event: pb.Event) -> bool:
        """Store one event; False when the session has a newer owner."""
        kind = event.WhichOneof("body")
        if kind == "block_list":
            change = event.block_list
            if not change.blocked and not change.unblocked:
                self._people.sync_blocks_soon(session)
                return True
        if kind == "picture" and event.picture.jid.endswith("@g.us"):
            if self.group_picture is not None:
                self.group_picture(session, event.picture.jid)
            return True

        def unit(tx: Tx) -> tuple[bool, uuid.UUID | None]:
            if ownership.check(tx, [(session.account_id, event.epoch)]):
                return False, None
            return True, _store(tx, session, event)

        owned, again = await self._database.write(Workspace(session.workspace_id), unit)
        if again is not None:
            self._people.freshen(session, again, again=True)
        return owned


def _store(tx: Tx, session: Session, event: pb.Event) -> uuid.UUID | None:
    """Store one event; returns the contact that should be looked up because of it."""
    match event.WhichOneof("body"):
        case "picture":
            return _picture(tx, event.picture)
        case "about":
            if (contact_id := _contact(tx, event.about.jid)) is not None:
                profiles.note_facts(tx, contact_id, profiles.Facts(about=event.about.text))
        case "business_name":
            if (contact_id := _contact(tx, event.business_name.jid)) is not None:
                profiles.note_name(tx, contact_id, "verified_name", event.business_name.name)
        case "push_name":
            _push_name(tx, session, event.push_name)
        case "block_list":
            blocked, strangers = sort_people(tx, event.block_list.blocked)
            unblocked, others = sort_people(tx, event.block_list.unblocked)
            profiles.change_blocks(tx, session.account_id, blocked, unblocked)
            kept.change_blocks(tx, session.account_id, strangers, others)
        case "identity_change":
            _identity_change(tx, session, event.identity_change)
    return None


def _picture(tx: Tx, change: pb.PictureChange) -> uuid.UUID | None:
    contact_id = _contact(tx, change.jid)
    if contact_id is None:
        return None
    profiles.picture_changed(tx, contact_id, removed=change.removed)
    return None if change.removed else contact_id


def _push_name(tx: Tx, session: Session, told: pb.PushName) -> None:
    own = accounts.get(tx, session.account_id)
    phone, lid = phone_of(told.jid, told.jid_alt), lid_of(told.jid, told.jid_alt)
    if (phone is not None and phone == own["phone"]) or (lid is not None and lid == lid_of(own["lid"] or "")):
        own_profiles.note_name(tx, session.account_id, told.name)
    elif (contact_id := contacts.find_by_identifiers(tx, phone, lid)) is not None:
        profiles.note_name(tx, contact_id, "push_name", told.name)


def _identity_change(tx: Tx, session: Session, change: pb.IdentityChange) -> None:
    """Keep that a person's security code is another one, and tell it in their chat, as WhatsApp does."""
    contact_id = _contact(tx, change.jid)
    if contact_id is None:
        return
    events.see_all_rows(tx, session.workspace_id)
    at = from_unix_ms(change.timestamp_ms) if change.timestamp_ms else None
    chat = direct_chat(tx, session.account_id, contact_id)
    if chat is not None:
        key = f"code:{contact_id}:{change.timestamp_ms}"
        if notices.add(tx, chat, "security_code_changed", {"contact_id": str(contact_id)}, key=key, at=at) is None:
            return  # told before
    profiles.security_code_changed(tx, session.account_id, contact_id)


def _contact(tx: Tx, address: str) -> uuid.UUID | None:
    phone, lid = phone_of(address), lid_of(address)
    return contacts.find_by_identifiers(tx, phone, lid) if phone or lid else None
