"""Groups of the sessions here: read from WhatsApp after a login, and changed as it tells of changes."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import structlog

from blazz._generated.engine import engine_pb2 as pb
from blazz._generated.engine import groups_pb2
from blazz.cluster import ownership
from blazz.engine_client import EngineClient, EngineError
from blazz.engine_client.groups import GroupsClient
from blazz.groups import pictures, storing
from blazz.groups.facts import GroupChange, GroupFacts, Person
from blazz.kit import failpoints
from blazz.kit.db import Database, Tx, Workspace
from blazz.kit.errors import BlazzError, conflict, not_found
from blazz.messaging import invitations
from blazz.sessions.desk import Desk
from blazz.sessions.pictures import Picture
from blazz.sessions.registry import Session
from blazz.sessions.tasks import TaskSet

_log = structlog.get_logger(__name__)
NEWS = frozenset({"group_change", "group_joined"})
_AT_ONCE = 4  # sessions whose groups are read at the same time
_PER_UNIT = 20  # groups stored in one unit of work
# WhatsApp tells of every change, also of those while we were away; the whole list is a safety net against lost news.
_AGAIN_S = 6 * 3600.0
_MAX_QUEUE = 200
_PATIENCE_S = 30.0

PictureFetcher = Callable[[Session, str, str | None], Awaitable[Picture]]
"""Fetches the picture at an address unless it is the known one."""


class GroupKeeper:
    """Stores news of groups in order (`desk` takes them), and reads all groups of a session now and then."""

    def __init__(
        self,
        database: Database,
        client: Callable[[], EngineClient | None],
        answer: Callable[[Iterable[int], Iterable[int]], None],
        fetch_picture: PictureFetcher,
    ) -> None:
        self._fetch_picture = fetch_picture
        self._database = database
        self._client = client
        self._answer = answer
        self._tasks = TaskSet()
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._read_at: dict[uuid.UUID, float] = {}
        self._looking: dict[tuple[uuid.UUID, str], bool] = {}  # and whether it changed again meanwhile
        self.desk = Desk("group-news", _MAX_QUEUE, self._take, answer, self._read_soon)

    async def stop(self) -> None:
        """End; what waits is delivered again after the next start."""
        await self.desk.stop()
        await self._tasks.stop()

    # -- news ---------------------------------------------------------------------------------------------------

    async def _take(self, session: Session, event: pb.Event) -> bool:
        failpoints.reach("groups.before_store")
        scope = Workspace(session.workspace_id)
        if event.HasField("group_joined"):
            joined = event.group_joined
            facts = GroupFacts.of(groups_pb2.Group.FromString(joined.group))
            actor = Person.of(joined.actor, joined.actor_alt)
            return await self._database.write(scope, _store_joined, session.account_id, event.epoch, facts, actor)
        change = GroupChange.of(event.group_change)
        known = await self._database.write(scope, _store_change, session.account_id, event.epoch, change)
        if known is None:
            return False
        if not known or event.group_change.incomplete:
            self._tasks.start(self._refresh(session, change.address), "group-refresh")
        return True

    # -- reading ------------------------------------------------------------------------------------------------

    def connected(self, session: Session) -> None:
        """Read the session's groups in the background, unless that was done lately."""
        last = self._read_at.get(session.account_id)
        if last is None or time.monotonic() - last > _AGAIN_S:
            self._read_soon(session)

    def _read_soon(self, session: Session) -> None:
        self._read_at[session.account_id] = time.monotonic()
        self._tasks.start(self._read_quietly(session), "groups-read")

    async def _read_quietly(self, session: Session) -> None:
        async with self._slots:
            try:
                await self._read(session)
            except (EngineError, BlazzError) as error:
                self._read_at.pop(session.account_id, None)
                _log.info("groups not read", account=str(session.account_id), error=str(error))

    async def _read(self, session: Session) -> None:
        client = self._client()
        if client is None or not session.connected:
            self._read_at.pop(session.account_id, None)
            return
        listed = [GroupFacts.of(group) for group in await GroupsClient(client).list(session.ref)]
        scope = Workspace(session.workspace_id)
        for at in range(0, len(listed), _PER_UNIT):
            some = listed[at : at + _PER_UNIT]
            await self._database.write(scope, _store_all, session.account_id, session.epoch, some)
        addresses = {facts.address for facts in listed}
        if await self._database.read(scope, storing.missing, session.account_id, addresses):
            await self._database.write(scope, _leave_missing, session.account_id, session.epoch, addresses)

    async def _refresh(self, session: Session, address: str) -> None:
        client = self._client()
        if client is None or not session.connected:
            self._read_at.pop(session.account_id, None)
            return
        with contextlib.suppress(EngineError, BlazzError):
            async with self._slots:
                facts = GroupFacts.of(await GroupsClient(client).info(session.ref, address))
            scope = Workspace(session.workspace_id)
            await self._database.write(scope, _store_all, session.account_id, session.epoch, [facts])

    def look_at(self, session: Session, address: str, *, again: bool = False) -> None:
        """Somebody looks at a group: fetch its picture in the background unless what is known is fresh.

        `again`: it has changed.
        """
        key = (session.account_id, address)
        if key in self._looking:
            self._looking[key] |= again
        else:
            self._looking[key] = False
            self._tasks.start(self._picture(session, address, again=again), "group-picture")

    async def _picture(self, session: Session, address: str, *, again: bool) -> None:
        try:
            await self._look(session, address, again=again)
        except (EngineError, BlazzError) as error:
            _log.info("picture of a group not fetched", account=str(session.account_id), error=str(error)[:200])
        finally:
            changed = self._looking.pop((session.account_id, address))
        if changed:
            self.look_at(session, address, again=True)

    async def _look(self, session: Session, address: str, *, again: bool) -> None:
        scope = Workspace(session.workspace_id)
        known = await self._database.read(scope, pictures.known, session.account_id, address)
        if known is None or (known.fresh and not again) or not session.connected:
            return
        async with self._slots:
            found = await self._fetch_picture(session, address, known.picture_id)
        if found.unchanged:
            await self._database.write(scope, pictures.unchanged, known.group_id)
        else:
            await self._database.write(scope, pictures.note, known.group_id, found.media_id, found.whatsapp_id)

    # -- commands -----------------------------------------------------------------------------------------------

    async def ask(self, session: Session, method: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Call the engine contract's service about groups. Raises BlazzError with a code of its own, or EngineError."""
        client = self._client()
        if client is None:
            raise BlazzError("engine_unavailable", "The engine host is starting. Try again in a moment.", 503)
        try:
            return await GroupsClient(client).ask(session.ref, method, body)
        except EngineError as error:
            raise _public(error) from error


def _public(error: EngineError) -> Exception:
    match error.word:
        case "no_such_group":
            return not_found("group")
        case "not_in_group":
            return conflict("not_a_group_member", "This number is not a member of the group, or may not do this there.")
        case "not_admin":
            return conflict("not_a_group_admin", "Only admins of the group may do this.")
        case "invitation_over":
            return invitations.over()
        case "link_revoked":
            return conflict("invite_link_reset", "This invite link was reset; ask for the new one.")
        case "link_invalid":
            return conflict("invite_link_invalid", "This is not an invite link of WhatsApp.")
    return error


def _store_joined(tx: Tx, account_id: uuid.UUID, epoch: int, facts: GroupFacts, actor: Person | None) -> bool:
    if ownership.check(tx, [(account_id, epoch)]):
        return False
    storing.store_group(tx, tx.workspace_id, account_id, facts, actor=actor, entered=True)
    return True


def _store_change(tx: Tx, account_id: uuid.UUID, epoch: int, change: GroupChange) -> bool | None:
    """None when the session is no longer ours; False when the group is not known."""
    if ownership.check(tx, [(account_id, epoch)]):
        return None
    return storing.store_change(tx, tx.workspace_id, account_id, change)


def _store_all(tx: Tx, account_id: uuid.UUID, epoch: int, listed: Sequence[GroupFacts]) -> None:
    if not ownership.check(tx, [(account_id, epoch)]):
        for facts in listed:
            storing.store_group(tx, tx.workspace_id, account_id, facts)


def _leave_missing(tx: Tx, account_id: uuid.UUID, epoch: int, addresses: Collection[str]) -> None:
    if not ownership.check(tx, [(account_id, epoch)]):
        storing.leave_missing(tx, account_id, addresses)
