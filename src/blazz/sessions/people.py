"""What WhatsApp tells of people and of our own numbers: looked up when somebody looks, stored, and asked again by news.

Nothing is asked for people whom nobody looks at: what WhatsApp sends unasked (names in messages, news of pictures) is
enough for them.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar

import structlog

from blazz._generated.engine import people_pb2 as pb
from blazz.accounts import profiles as own_profiles
from blazz.cluster import ownership
from blazz.cluster.people_commands import ProfileChange
from blazz.contacts import kept, profiles
from blazz.contacts import service as contacts
from blazz.contacts.peers import Peer
from blazz.engine_client import EngineClient, EngineError, StaleEpoch
from blazz.engine_client.people import PeopleClient
from blazz.kit.db import Database, Tx, Workspace
from blazz.kit.errors import BlazzError
from blazz.messaging import identities
from blazz.sessions.addresses import bare, lid_of, phone_of
from blazz.sessions.pictures import Picture, Pictures
from blazz.sessions.registry import Session
from blazz.sessions.tasks import TaskSet

P = ParamSpec("P")
T = TypeVar("T")
_log = structlog.get_logger(__name__)
_AT_ONCE = 4  # look-ups in the background, over all sessions
_WAITING = 200  # of them; more are dropped: who looks at a chat again asks again
_RECENT_S = 600.0  # a look-up in the background is not repeated within
_REMEMBERED = 10_000


class People:
    """Look-ups and changes about people through the sessions of this instance."""

    def __init__(self, database: Database, client: Callable[[], EngineClient], pictures: Pictures) -> None:
        self._database = database
        self._client = client
        self._pictures = pictures
        self._tasks = TaskSet()
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0
        self._recent: OrderedDict[tuple[uuid.UUID, uuid.UUID], float] = OrderedDict()

    async def stop(self) -> None:
        """End the look-ups in the background."""
        await self._tasks.stop()

    # -- contacts -----------------------------------------------------------------------------------------------

    def freshen(self, session: Session, contact_id: uuid.UUID, *, again: bool = False) -> None:
        """Look a contact up in the background unless what is known is fresh; `again`: something has changed."""
        key, now = (session.account_id, contact_id), asyncio.get_running_loop().time()
        if self._waiting >= _WAITING or (not again and now - self._recent.get(key, -_RECENT_S) < _RECENT_S):
            return
        self._recent[key] = now
        self._recent.move_to_end(key)
        while len(self._recent) > _REMEMBERED:
            self._recent.popitem(last=False)
        self._waiting += 1
        self._tasks.start(self._freshen(session, contact_id), "contact-look-up")

    async def _freshen(self, session: Session, contact_id: uuid.UUID) -> None:
        try:
            async with self._slots:
                subject = await self._database.read(Workspace(session.workspace_id), profiles.subject, contact_id)
                if session.connected and not subject.fresh:
                    await self.refresh(session, contact_id)
        except (BlazzError, EngineError) as error:
            _log.info("contact not looked up", account=str(session.account_id), error=str(error)[:200])
        finally:
            self._waiting -= 1

    async def refresh(self, session: Session, contact_id: uuid.UUID) -> None:
        """Ask WhatsApp about a contact and store what it tells. Raises EngineError or BlazzError."""
        scope = Workspace(session.workspace_id)
        subject = await self._database.read(scope, profiles.subject, contact_id)
        people = PeopleClient(self._client())
        told = await people.user_info(session.ref, [subject.address])
        if told:
            business: dict[str, Any] = {}
            if told[0].verified_name:
                business = _business(await people.business_profile(session.ref, subject.address))
            contact_id = await self._write(session, _note, contact_id, told[0], business)
        else:
            await self._write(session, profiles.note_facts, contact_id, profiles.Facts())
        picture = await self._pictures.fetch(session, people, subject.address, subject.picture_id)
        if picture.unchanged:
            await self._write(session, profiles.picture_unchanged, contact_id)
        else:
            await self._write(session, profiles.note_picture, contact_id, picture.media_id, picture.whatsapp_id)

    async def picture(self, session: Session, address: str, known: str | None) -> Picture:
        """Fetch the picture of a person or group unless it is the known one. Raises EngineError or BlazzError."""
        return await self._pictures.fetch(session, PeopleClient(self._client()), address, known)

    # -- block list ---------------------------------------------------------------------------------------------

    async def set_blocked(self, session: Session, address: str, *, blocked: bool) -> None:
        """Block or unblock a person on WhatsApp."""
        await PeopleClient(self._client()).set_blocked(session.ref, address, blocked=blocked)

    async def sync_blocks(self, session: Session) -> None:
        """Read the block list and store it."""
        listed = await PeopleClient(self._client()).block_list(session.ref)
        await self._write(session, _note_blocks, session.account_id, listed)

    def sync_blocks_soon(self, session: Session) -> None:
        """The same, in the background."""

        async def work() -> None:
            try:
                async with self._slots:
                    await self.sync_blocks(session)
            except (BlazzError, EngineError) as error:
                _log.info("block list not read", account=str(session.account_id), error=str(error)[:200])

        self._tasks.start(work(), "block-list")

    # -- ourselves ----------------------------------------------------------------------------------------------

    async def refresh_profile(self, session: Session) -> None:
        """Ask WhatsApp what customers see of the number and store it."""
        scope = Workspace(session.workspace_id)
        own = await self._database.read(scope, own_profiles.own, session.account_id)
        people = PeopleClient(self._client())
        told = await people.user_info(session.ref, [own.address])
        picture = await self._pictures.fetch(session, people, own.address, own.picture_id)
        facts: dict[str, Any] = {"about": told[0].about} if told else {}
        if not picture.unchanged:
            facts |= {"media_id": picture.media_id, "picture_id": picture.whatsapp_id}
        await self._write(session, own_profiles.note_profile, session.account_id, facts)

    async def set_profile(self, session: Session, change: ProfileChange) -> None:
        """Change what customers see of the number and store it, one thing after the other."""
        people = PeopleClient(self._client())
        if change.name is not None:
            await people.set_own_profile(session.ref, name=change.name)
            await self._write(session, own_profiles.note_name, session.account_id, change.name)
        facts: dict[str, Any] = {}
        if change.about is not None:
            await people.set_own_profile(session.ref, about=change.about)
            facts["about"] = change.about
        if change.picture is not None:
            async with self._pictures.handed_over(session, change.picture) as path:
                picture_id = await people.set_own_profile(session.ref, picture_path=path)
            facts |= {"media_id": change.picture, "picture_id": picture_id}
        elif change.remove_picture:
            await people.set_own_profile(session.ref, picture_path="")
            facts |= {"media_id": None, "picture_id": None}
        if facts:
            await self._write(session, own_profiles.note_profile, session.account_id, facts)

    async def privacy(self, session: Session, changes: dict[str, str]) -> dict[str, str]:
        """Change privacy settings and return all of them."""
        people = PeopleClient(self._client())
        settings = None
        for name, value in changes.items():
            settings = await people.set_privacy(session.ref, name, value)
        return settings if settings is not None else await people.privacy(session.ref)

    async def _write(
        self, session: Session, work: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        def unit(tx: Tx) -> T:
            if ownership.check(tx, [(session.account_id, session.epoch)]):
                raise StaleEpoch("stale_epoch", "the session has a newer owner")
            return work(tx, *args, **kwargs)

        return await self._database.write(Workspace(session.workspace_id), unit)


def _note(tx: Tx, contact_id: uuid.UUID, told: pb.PersonInfo, business: dict[str, Any]) -> uuid.UUID:
    """Store what a look-up told; returns the contact, which may have proved to be another one too.

    What the person does not show (any more) is forgotten. A username that is not told may be one that we may not see.
    """
    phone, lid = phone_of(told.phone, told.jid), lid_of(told.lid, told.jid)
    if phone is not None and lid is not None:
        peer = Peer(tx.workspace_id, phone, lid, reason="lookup")
        contact_id = identities.learn(tx, [peer]).contact_ids[peer]
    facts = profiles.Facts(told.about, told.verified_name, told.username or None, business)
    profiles.note_facts(tx, contact_id, facts)
    return contact_id


def _note_blocks(tx: Tx, account_id: uuid.UUID, addresses: list[str]) -> None:
    people, strangers = sort_people(tx, addresses)
    profiles.note_blocks(tx, account_id, people)
    kept.note_blocks(tx, account_id, strangers)


def sort_people(tx: Tx, addresses: Sequence[str]) -> tuple[set[uuid.UUID], set[str]]:
    """Return the contacts behind addresses, and the device-less addresses of those who are none."""
    found = contacts.find_many(tx, [(phone_of(address), lid_of(address)) for address in addresses])
    people = {contact_id for contact_id in found if contact_id is not None}
    unknown = (address for address, contact_id in zip(addresses, found, strict=True) if contact_id is None)
    return people, {bare(address) for address in unknown if phone_of(address) or lid_of(address)}


def _business(told: pb.BusinessProfileReply) -> dict[str, Any]:
    if not told.found:
        return {}
    hours = [{"day": one.day, "mode": one.mode, "opens": one.opens, "closes": one.closes} for one in told.hours]
    facts = {
        "address": told.address,
        "email": told.email,
        "categories": list(told.categories),
        "timezone": told.timezone,
        "hours": hours,
    }
    return {name: value for name, value in facts.items() if value}
