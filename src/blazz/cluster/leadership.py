"""One leader among workers: a lease in the database, judged by observation, with a term that every act checks."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import RowMapping

from blazz.cluster import platform_log
from blazz.cluster import repository_moves as repository
from blazz.kit.db import Database, Platform, Tx
from blazz.kit.errors import BlazzError
from blazz.kit.time import utc_now

_RENEW_BELOW = 2 / 3  # of the lease left: one commit a second is enough
LEASE_S = 3.0  # product rule: a leader that has not renewed for this long is replaced
_SCOPE = Platform("workers agree on one leader", urgent=True)


class NotLeading(BlazzError):
    """This worker's term is over: another one leads."""

    def __init__(self) -> None:
        super().__init__("not_leading", "Another worker leads the cluster now.", 503)


@dataclass(frozen=True, slots=True)
class Term:
    """A leadership as held by somebody."""

    name: str
    number: int


def check(tx: Tx, term: Term) -> None:
    """Raise NotLeading unless `term` is the present one; nobody can take it until this unit has committed."""
    row = repository.find_lease(tx, term.name, share=True)
    if row is None or row["term"] != term.number:
        raise NotLeading


class Leadership:
    """Tries to lead. Call `tick` at least every second with the clock of boot time."""

    def __init__(self, database: Database, name: str, holder: str) -> None:
        self._database = database
        self._name = name
        self._holder = holder
        self._term: int | None = None
        self._valid_until_ns = 0
        self._seen: tuple[int, int] | None = None
        self._seen_ns = 0

    def term(self, now_ns: int) -> Term | None:
        """Return the term that this worker holds, None when it does not lead or has not renewed in time."""
        if self._term is None or now_ns >= self._valid_until_ns:
            return None
        return Term(self._name, self._term)

    def forget(self) -> None:
        """Start watching over: the database could not be read."""
        self._seen = None

    async def tick(self, row: RowMapping | None, asked_ns: int, answered_ns: int) -> None:
        """Renew the own term, or take over one that has stood still for a whole lease.

        `row` is the lease as just read. Raises BlazzError when the database refuses.
        """
        lease_ns = int(LEASE_S * 1e9)
        if self._term is not None:
            if self._valid_until_ns - asked_ns > lease_ns * _RENEW_BELOW:
                return
            if await self._database.write(_SCOPE, repository.renew_lease, self._name, self._term):
                self._valid_until_ns = asked_ns + lease_ns
                return
            self._term = None
        counters = (0, 0) if row is None else (row["term"], row["renewals"])
        if self._seen != counters:
            self._seen, self._seen_ns = counters, answered_ns
        standing = asked_ns - self._seen_ns >= lease_ns
        if (row is None or row["holder"] == "" or standing) and await self._database.write(
            _SCOPE, self._take, row is None, *counters
        ):
            self._term, self._valid_until_ns = counters[0] + 1, asked_ns + lease_ns

    async def resign(self) -> None:
        """Let another worker take over at once."""
        term, self._term = self._term, None
        if term is not None:
            await self._database.write(_SCOPE, repository.give_up_lease, self._name, term)

    def _take(self, tx: Tx, new: bool, term: int, renewals: int) -> bool:
        if new:
            first = {"name": self._name, "holder": self._holder, "term": 1, "renewals": 0, "taken_at": utc_now()}
            taken = repository.insert_lease(tx, first)
        else:
            taken = repository.take_lease(tx, self._name, self._holder, term, renewals, utc_now())
        if taken:
            platform_log.append(tx, "cluster.leader", {"name": self._name, "holder": self._holder, "term": term + 1})
        return taken
