"""Who owns a session, remembered: a gateway asks the database about an account once, and again when it has changed.

What is remembered is a guess. Hints take entries away; a call that reaches the wrong instance does the rest.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Concatenate, ParamSpec, TypeVar

import structlog
from sqlalchemy import RowMapping

from blazz.cluster import repository
from blazz.events.wakeups import Topic, Wakeups
from blazz.kit import metrics
from blazz.kit.db import Database, Platform, Tx
from blazz.kit.errors import BlazzError, unavailable
from blazz.kit.signing import Receiver

_log = structlog.get_logger(__name__)
P = ParamSpec("P")
T = TypeVar("T")
_SCOPE = Platform("a gateway looks up which instances own sessions")
_CLUSTER = "cluster"
_OWNER = "owner:"
_PER_QUERY = 500
_PER_PAGE = 1000
_PAGE_ATTEMPTS = 5
_QUERY_S = 10.0
_REVIEW_PAUSE_S = 0.2  # what changes meanwhile is seen by the next review
_REACHED_STATES = frozenset({"healthy", "draining"})

_LOOKUPS = metrics.counter("owner_lookups", "Look-ups of session owners.", ("result",))
_QUERIES = metrics.counter("owner_queries", "Database queries for session owners.")
_STALE = metrics.counter("owner_stale", "Remembered owners that turned out to be wrong.")


@dataclass(frozen=True, slots=True)
class Owner:
    """The owner of a session as the database had it: address of the instance, its generation, epoch of the session.

    `waiting`: the instance is gone and the session waits for room on another one; the reason.
    """

    instance_id: str
    url: str
    generation: int
    epoch: int
    state: str
    waiting: str | None = None

    @property
    def reachable(self) -> bool:
        """Whether the instance takes commands, as far as is known."""
        return self.state in _REACHED_STATES

    @property
    def receiver(self) -> Receiver:
        """Whom a call is signed for."""
        return Receiver(self.instance_id, self.generation)


def owners(tx: Tx, account_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Owner]:
    """Return the owners of those accounts that have one (platform scope)."""
    return _owners(repository.owners_of(tx, account_ids))


def owner_changed(tx: Tx, account_id: uuid.UUID) -> None:
    """Tell all gateways after the commit. For single sessions: those of a dead instance are told by its state."""
    Wakeups.shared().notify_after_commit(tx, f"{_OWNER}{account_id}")


class OwnerDirectory:
    """Owners by account, at most `size`, least recently used out first. `start` it, later `stop` it."""

    def __init__(self, database: Database, *, size: int = 20_000) -> None:
        self._database = database
        self._size = size
        self._known: OrderedDict[uuid.UUID, Owner] = OrderedDict()
        self._wanted: dict[uuid.UUID, asyncio.Future[Owner | None]] = {}
        self._loading: dict[uuid.UUID, asyncio.Future[Owner | None]] = {}
        self._forgotten = 0
        self._work = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._end_observing: Callable[[], None] | None = None
        self._news: asyncio.Event | None = None
        self.filled = asyncio.Event()
        """Set once the owners have been read at the start, as far as could be."""
        self.lookups = 0
        self.queries = 0

    def __len__(self) -> int:
        return len(self._known)

    async def start(self) -> None:
        """Begin to follow hints and to read all owners, as far as there is room: a gateway that starts asks little."""
        self._end_observing = Wakeups.shared().observe(self._on_topic)
        self._news = Wakeups.shared().subscribe(_CLUSTER)
        self._tasks = [
            asyncio.create_task(self._load(), name="owner-look-ups"),
            asyncio.create_task(self._read_all(), name="owners-at-start"),
            asyncio.create_task(self._review(self._news), name="owner-reviews"),
        ]

    async def stop(self) -> None:
        """End; whoever still waits is told. Idempotent."""
        if self._end_observing is not None:
            self._end_observing()
            self._end_observing = None
        if self._news is not None:
            Wakeups.shared().unsubscribe(_CLUSTER, self._news)
            self._news = None
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        _fail(self._wanted.values(), _shutting_down())
        self._wanted = {}

    async def find(self, account_id: uuid.UUID) -> Owner | None:
        """Return the owner, None when nobody has it. Raises BlazzError when the database does not answer.

        Look-ups that wait together share one query. An instance that takes no commands is not remembered: the next
        call asks again, and finds the new owner as soon as there is one.
        """
        self.lookups += 1
        known = self._known.get(account_id)
        if known is not None:
            self._known.move_to_end(account_id)
            _LOOKUPS.labels("hit").inc()
            return known
        _LOOKUPS.labels("miss").inc()
        if not self._tasks:
            raise _shutting_down()
        future = self._loading.get(account_id) or self._wanted.get(account_id)
        if future is None:
            future = self._wanted[account_id] = asyncio.get_running_loop().create_future()
            self._work.set()
        return await asyncio.shield(future)

    def forget(self, account_id: uuid.UUID, wrong: Owner | None = None) -> None:
        """Ask the database at the next look-up. With `wrong`, only if that is what is remembered."""
        # an answer that is on its way may be older than this news
        self._loading.pop(account_id, None)
        self._forgotten += 1
        known = self._known.get(account_id)
        if known is not None and (wrong is None or known == wrong):
            del self._known[account_id]
            if wrong is not None:
                _STALE.inc()

    def _on_topic(self, topic: Topic) -> None:
        if isinstance(topic, str) and topic.startswith(_OWNER):
            with contextlib.suppress(ValueError):
                self.forget(uuid.UUID(topic.removeprefix(_OWNER)))

    async def _load(self) -> None:
        """Answer what is wanted, one query at a time; what is asked for meanwhile goes into the next one."""
        while True:
            await self._work.wait()
            batch = dict(list(self._wanted.items())[:_PER_QUERY])
            for account_id in batch:
                del self._wanted[account_id]
            if not self._wanted:
                self._work.clear()
            if not batch:
                continue
            self._loading = dict(batch)
            try:
                found = await self._query(owners, list(batch))
            except BlazzError as error:
                _fail(batch.values(), error)
            except TimeoutError:
                _fail(batch.values(), unavailable("database_unavailable", "The database does not answer."))
            except Exception as error:  # noqa: BLE001 - a defect must reach those who wait, and not end the look-ups
                _log.exception("owners not looked up")
                _fail(batch.values(), error)
            else:
                for account_id, future in batch.items():
                    self._settle(account_id, future, found.get(account_id))
            finally:
                self._loading = {}
                _fail(batch.values(), _shutting_down())  # only those that have no answer: we were cancelled

    async def _read_all(self) -> None:
        """Read page by page. A page during which something was forgotten may be older than that: it is read again."""
        after: uuid.UUID | None = None
        attempts = 0
        try:
            while len(self._known) + _PER_PAGE <= self._size:
                forgotten, attempts = self._forgotten, attempts + 1
                page, following = await self._query(_page, after)
                if forgotten != self._forgotten and attempts < _PAGE_ATTEMPTS:
                    continue
                if forgotten == self._forgotten:
                    for account_id, owner in page.items():
                        if owner.reachable:
                            self._known.setdefault(account_id, owner)
                after, attempts = following, 0
                if after is None:
                    return
        except (BlazzError, TimeoutError) as error:
            _log.info("owners not read at the start; they are looked up when needed", error=str(error))
        finally:
            self.filled.set()

    async def _query(self, work: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        self.queries += 1
        _QUERIES.inc()
        async with asyncio.timeout(_QUERY_S):
            return await self._database.read(_SCOPE, work, *args, **kwargs)

    def _settle(self, account_id: uuid.UUID, future: asyncio.Future[Owner | None], owner: Owner | None) -> None:
        undoubted = self._loading.get(account_id) is future
        if undoubted and owner is not None and owner.reachable:
            self._known[account_id] = owner
            self._known.move_to_end(account_id)
            if len(self._known) > self._size:
                self._known.popitem(last=False)
        if not future.done():
            future.set_result(owner)

    async def _review(self, news: asyncio.Event) -> None:
        """After news of the cluster: forget the sessions of instances that are gone or were started anew.

        Single sessions that moved are told by `owner:` hints, or by the instance that no longer has them.
        """
        while True:
            await news.wait()
            news.clear()
            self._loading = {}  # an answer that is on its way may be older than this news
            self._forgotten += 1
            try:
                present = await self._query(_reachable)
            except (BlazzError, TimeoutError) as error:
                _log.warning("owners not reviewed", error=str(error))
                self._known.clear()
            else:
                for account_id, owner in list(self._known.items()):
                    if present.get(owner.instance_id) != (owner.generation, owner.url):
                        self.forget(account_id)
            await asyncio.sleep(_REVIEW_PAUSE_S)


def _owners(rows: Iterable[RowMapping]) -> dict[uuid.UUID, Owner]:
    return {
        row["id"]: Owner(
            row["instance_id"],
            row["url"] or "",
            row["generation"],
            row["epoch"],
            row["instance_state"] or "dead",
            None if row["queued_at"] is None else row["queue_reason"] or "",
        )
        for row in rows
        if row["instance_id"] is not None
    }


def _page(tx: Tx, after: uuid.UUID | None) -> tuple[dict[uuid.UUID, Owner], uuid.UUID | None]:
    """Return the owners of the next accounts, and after which account the page behind it begins; None at the end."""
    rows = repository.owners_after(tx, after, _PER_PAGE)
    return _owners(rows), rows[-1]["id"] if len(rows) == _PER_PAGE else None


def _reachable(tx: Tx) -> dict[str, tuple[int, str]]:
    return {
        row["id"]: (row["generation"], row["url"])
        for row in repository.all_instances(tx)
        if row["state"] in _REACHED_STATES
    }


def _shutting_down() -> BlazzError:
    return unavailable("shutting_down", "The server is shutting down.")


def _fail(futures: Collection[asyncio.Future[Owner | None]], error: BaseException) -> None:
    for future in futures:
        if not future.done():
            future.set_exception(error)
            future.exception()  # whoever waited may be gone: no complaint then
