"""What WhatsApp forbids a number, as it is stored and shown."""

from __future__ import annotations

import datetime as dt

import pytest

from blazz.accounts import restrictions
from blazz.accounts.restrictions import Restriction, active, load, stops_until

NOW = dt.datetime(2026, 11, 26, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


def stored(*held: Restriction) -> dict[str, object]:
    return {one.kind: restrictions._to_json(one) for one in held}


def test_what_is_stored_comes_back_the_worst_first() -> None:
    lock = Restriction("reachout_timelock", NOW, NOW + HOUR, assumed=True, code=463)
    ban = Restriction("temporary_ban", NOW, NOW + 2 * HOUR, detail="too many")
    assert load(stored(lock, ban)) == [ban, lock]
    assert load({**stored(lock), "of a later release": {}}) == [lock]
    assert load(None) == []


def test_what_is_over_counts_for_nothing() -> None:
    lock = Restriction("reachout_timelock", NOW, NOW + HOUR)
    assert active(stored(lock), NOW) == [lock]
    assert active(stored(lock), NOW + HOUR) == []


@pytest.mark.parametrize(
    ("held", "new_chat", "end"),
    [
        ([], True, None),
        ([Restriction("reachout_timelock", NOW, NOW + HOUR)], False, None),
        ([Restriction("reachout_timelock", NOW, NOW + HOUR)], True, NOW + HOUR),
        ([Restriction("rate_limited", NOW, NOW + HOUR)], False, NOW + HOUR),
        (
            [Restriction("rate_limited", NOW, NOW + HOUR), Restriction("new_chat_limit", NOW, NOW + 5 * HOUR)],
            True,
            NOW + 5 * HOUR,
        ),
        (
            [Restriction("rate_limited", NOW, NOW + HOUR), Restriction("new_chat_limit", NOW, NOW + 5 * HOUR)],
            False,
            NOW + HOUR,
        ),
    ],
)
def test_a_restriction_stops_what_it_is_about(held: list[Restriction], new_chat: bool, end: dt.datetime | None) -> None:
    assert stops_until(held, new_chat=new_chat) == end


def test_a_ban_for_good_has_no_near_end() -> None:
    end = stops_until([Restriction("banned", NOW)], new_chat=False)
    assert end is not None
    assert end > NOW + dt.timedelta(days=365 * 100)
