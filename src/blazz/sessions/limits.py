"""What WhatsApp forbids a session's number: heeded at once, stored, and lifted by itself at its end."""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import structlog

from blazz._generated.engine import engine_pb2 as pb
from blazz.accounts import restrictions
from blazz.accounts.restrictions import BANS, Restriction, RestrictionKind
from blazz.engine_client import EngineClient, EngineError
from blazz.engine_client.limits import LimitsClient
from blazz.kit import metrics
from blazz.kit.db import Tx
from blazz.kit.time import from_unix_ms, utc_now
from blazz.messaging import holding
from blazz.sessions.registry import Registry, Session
from blazz.sessions.statuses import Change, StatusBoard
from blazz.sessions.tasks import TaskSet

_log = structlog.get_logger(__name__)
_RESTRICTED = metrics.counter("restrictions", "Times that WhatsApp restricted a number, by kind.", ("kind",))
# WhatsApp did not say how long: within this time a new chat is not tried again.
_ASSUMED = dt.timedelta(hours=24)
# WhatsApp tells whole seconds, cut off: what is tried a moment too early is refused anew.
_WHOLE_SECOND = dt.timedelta(seconds=1)
_FIRST_PAUSE_S = 60.0  # after a 429; doubled by each further one in a row
_LONGEST_PAUSE_S = 3600.0
_LONGEST_TIMER_S = 24 * 3600.0
_TIMELOCKED = 463
_TOO_MUCH = 429
REFUSALS = frozenset({_TIMELOCKED, _TOO_MUCH})
"""Numbers with which WhatsApp refuses a message because of its sender: the message may be sent later."""
_BANNED_FOR_GOOD = 406
_BANNED_CODE = "account_banned"


@dataclass(frozen=True, slots=True)
class LimitHooks:
    """What follows elsewhere. `resume`: start a session whose ban is over."""

    resume: Callable[[Session], object]
    answer: Callable[[Iterable[int]], None]
    client: Callable[[], EngineClient | None]


@dataclass(slots=True)
class Limits:
    """The restrictions of one session in memory, and the timer of the next end."""

    session: Session
    held: dict[str, Restriction] = field(default_factory=dict)
    timer: asyncio.TimerHandle | None = None
    refused_in_a_row: int = 0
    asking: bool = False


class LimitDesk:
    """The one place that restricts sessions and lifts it again."""

    def __init__(self, registry: Registry, board: StatusBoard, hooks: LimitHooks) -> None:
        self._registry = registry
        self._board = board
        self._hooks = hooks
        self._limits: dict[uuid.UUID, Limits] = {}
        self._tasks = TaskSet()

    async def stop(self) -> None:
        """Forget all timers. Idempotent."""
        for limits in self._limits.values():
            _cancel(limits)
        await self._tasks.stop()

    # -- what holds ---------------------------------------------------------------------------------------------

    def stopped_until(self, session: Session, *, new_chat: bool) -> dt.datetime | None:
        """Return until when a session must not send; None when it may."""
        limits = self._limits.get(session.account_id)
        if limits is None:
            return None
        now = utc_now()
        return restrictions.stops_until((one for one in limits.held.values() if not one.over(now)), new_chat=new_chat)

    def banned_until(self, session: Session) -> dt.datetime | None:
        """Return until when WhatsApp refuses every login of a session; None when it does not."""
        limits = self._limits.get(session.account_id)
        ban = None if limits is None else limits.held.get("temporary_ban")
        return None if ban is None or ban.over(utc_now()) else ban.until

    # -- what comes ---------------------------------------------------------------------------------------------

    def adopt(self, session: Session, held: Iterable[Restriction]) -> None:
        """Take up what is stored of a session that is ours now."""
        former = self._limits.pop(session.account_id, None)
        if former is not None:
            _cancel(former)
        for one in held:
            self._hold(session, one)

    def take(self, session: Session, event: pb.Event) -> None:
        """Take WhatsApp's own notice of a limit; its tag is answered once what follows is stored."""
        now = utc_now()
        if event.HasField("reachout_timelock"):
            kind: RestrictionKind = "reachout_timelock"
            active = event.reachout_timelock.active
            until, detail = _moment(event.reachout_timelock.ends_ms), event.reachout_timelock.enforcement
        else:
            kind = "new_chat_limit"
            active = event.message_cap.status == "CAPPED"
            until = _moment(event.message_cap.ends_ms)
            detail = f"{event.message_cap.used} of {event.message_cap.total} new chats" if active else ""
        if until is not None and until <= now:
            active = False

        def done(_: object = None) -> None:
            self._hooks.answer((event.tag,))

        if active:
            change = self._restrict(session, _restriction(kind, now, until, None, detail))
        else:
            change = self._lift(session, (kind,))
        if change is None:
            done()
            return
        change.then = change.dropped = done
        self._board.post(change)

    def refused(self, session: Session, code: int) -> dt.datetime | None:
        """Note that WhatsApp refused a message with one of `REFUSALS`; returns until when messages like it wait."""
        now = utc_now()
        limits = self._of(session)
        if code == _TOO_MUCH:
            pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(limits.refused_in_a_row, 10))
            present = limits.held.get("rate_limited")
            if present is None or present.over(now):  # several were under way: one pause
                limits.refused_in_a_row += 1
                self._post(session, Restriction("rate_limited", now, now + dt.timedelta(seconds=pause_s), code=code))
            return self.stopped_until(session, new_chat=False)
        present = limits.held.get("reachout_timelock")
        if present is None or present.over(now):
            self._post(session, _restriction("reachout_timelock", now, None, code, ""))
            if not limits.asking:
                limits.asking = True
                self._tasks.start(self._ask(session, limits), "timelock-end")
        return self.stopped_until(session, new_chat=True)

    def sent(self, session: Session) -> None:
        """Note that WhatsApp took a message."""
        limits = self._limits.get(session.account_id)
        if limits is not None:
            limits.refused_in_a_row = 0

    def extend(self, session: Session, state: pb.State, change: Change) -> None:
        """Let the change that stores a reported state store what it says of bans, too."""
        now = utc_now()
        more: Change | None = None
        if state.state == pb.SESSION_STATE_TEMPORARY_BAN:
            until = _moment(state.ban_expires_ms)
            more = self._restrict(session, _restriction("temporary_ban", now, until, state.code, _plain(state.detail)))
        elif state.state == pb.SESSION_STATE_LOGGED_OUT and state.code == _BANNED_FOR_GOOD:
            more = self._restrict(session, Restriction("banned", now, code=state.code))
            self._tasks.start(self._fail_queued(session), "banned")
        elif state.state == pb.SESSION_STATE_CONNECTED:
            more = self._lift(session, BANS)
        if more is None:
            return
        first, second = change.apply, more.apply

        def apply(tx: Tx) -> object:
            result = first(tx)
            second(tx)
            return result

        change.apply = apply

    # -- effects ------------------------------------------------------------------------------------------------

    def _of(self, session: Session) -> Limits:
        return self._limits.setdefault(session.account_id, Limits(session))

    def _post(self, session: Session, restriction: Restriction) -> None:
        change = self._restrict(session, restriction)
        if change is not None:
            self._board.post(change)

    def _restrict(self, session: Session, restriction: Restriction) -> Change | None:
        """Heed a restriction and return the change that stores it; None when it is known already."""
        present = self._of(session).held.get(restriction.kind)
        if present is not None and present.until == restriction.until and not present.over(restriction.since):
            return None
        self._hold(session, restriction)
        _RESTRICTED.labels(restriction.kind).inc()
        _log.warning(
            "number restricted",
            account=str(session.account_id),
            kind=restriction.kind,
            until=None if restriction.until is None else restriction.until.isoformat(),
        )

        def apply(tx: Tx) -> None:
            restrictions.restrict(tx, session.workspace_id, session.account_id, restriction)
            if restriction.until is not None:
                holding.keep_waiting(tx, session.workspace_id, session.account_id, restriction.until)
            elif restriction.kind == "banned":
                _fail_some(tx, session)

        return Change(session, apply)

    def _lift(self, session: Session, kinds: Iterable[str]) -> Change | None:
        limits = self._limits.get(session.account_id)
        gone = [kind for kind in kinds if limits is not None and kind in limits.held]
        if limits is None or not gone:
            return None
        for kind in gone:
            del limits.held[kind]
        self._set_timer(session, limits)
        _log.info("number no longer restricted", account=str(session.account_id), kinds=gone)

        def apply(tx: Tx) -> None:
            if restrictions.lift(tx, session.workspace_id, session.account_id, gone):
                holding.release(tx, session.workspace_id, session.account_id, utc_now())

        return Change(session, apply)

    def _hold(self, session: Session, restriction: Restriction) -> None:
        limits = self._of(session)
        limits.held[restriction.kind] = restriction
        self._set_timer(session, limits)

    def _set_timer(self, session: Session, limits: Limits) -> None:
        _cancel(limits)
        ends = [one.until for one in limits.held.values() if one.until is not None]
        if ends:
            wait_s = min(_LONGEST_TIMER_S, max(0.0, (min(ends) - utc_now()).total_seconds()))
            limits.timer = asyncio.get_running_loop().call_later(wait_s, self._ended, limits)

    def _ended(self, limits: Limits) -> None:
        """Lift what has come to its end."""
        session = limits.session
        if self._registry.get(session.account_id) is not session:
            self._limits.pop(session.account_id, None)  # it is somebody else's now
            return
        now = utc_now()
        over = [kind for kind, one in limits.held.items() if one.over(now)]
        lock = limits.held.get("reachout_timelock")
        if lock is not None and lock.over(now) and lock.assumed and session.connected and not limits.asking:
            # the end was our guess: to try costs the number another refusal, to ask costs nothing
            over.remove("reachout_timelock")
            limits.asking = True
            self._tasks.start(self._ask(session, limits, at_the_end=True), "timelock-end")
        change = self._lift(session, over)
        if change is not None:
            self._board.post(change)
        elif not limits.asking:
            self._set_timer(session, limits)
        if "temporary_ban" in over and session.wanted and not session.started:
            self._hooks.resume(session)

    async def _ask(self, session: Session, limits: Limits, *, at_the_end: bool = False) -> None:
        """Ask WhatsApp until when the account may not start new chats: the refusal itself does not say.

        `at_the_end` of the time that was assumed, the lock is lifted unless WhatsApp says that it goes on.
        """
        client = self._hooks.client()
        told = None
        try:
            if client is not None:
                told = await LimitsClient(client).reachout_timelock(session.ref)
        except EngineError as error:
            _log.info("end of a time lock not told", account=str(session.account_id), error=error.word)
        finally:
            limits.asking = False
        if self._limits.get(session.account_id) is not limits:
            return
        now = utc_now()
        until = None if told is None else _moment(told.ends_ms)
        if until is not None and until <= now:
            until = None  # the clocks differ
        if told is not None and told.active and (until is not None or at_the_end):
            self._post(session, _restriction("reachout_timelock", now, until, _TIMELOCKED, told.enforcement))
        elif at_the_end:
            change = self._lift(session, ("reachout_timelock",))
            if change is not None:
                self._board.post(change)

    async def _fail_queued(self, session: Session) -> None:
        """Fail what is left of a long queue after the unit that stored the ban."""
        left = True

        def note(more: object) -> None:
            nonlocal left
            left = bool(more)

        def dropped() -> None:
            nonlocal left
            left = False

        while left:
            await self._board.write(Change(session, lambda tx: _fail_some(tx, session), then=note, dropped=dropped))


def _fail_some(tx: Tx, session: Session) -> bool:
    """Fail what waits of a number that is banned for good, as much as a unit takes; returns whether more is left."""
    text = "WhatsApp has banned this number for good."
    return holding.fail_all(tx, session.workspace_id, session.account_id, _BANNED_CODE, text)


def _restriction(
    kind: RestrictionKind, now: dt.datetime, until: dt.datetime | None, code: int | None, detail: str
) -> Restriction:
    assumed = until is None
    return Restriction(kind, now, until or now + _ASSUMED, assumed, code, detail or None)


def _plain(detail: str) -> str:
    """Return the library's words for a ban without the number before them."""
    return detail.partition(": ")[2] or detail


def _moment(ms: int) -> dt.datetime | None:
    return from_unix_ms(ms) + _WHOLE_SECOND if ms > 0 else None


def _cancel(limits: Limits) -> None:
    if limits.timer is not None:
        limits.timer.cancel()
        limits.timer = None
