"""Judging by observation: what is silent, what is not proven, and what a gap in looking means."""

from __future__ import annotations

from blazz.cluster.watch import Counter, Watcher

S = 1_000_000_000


def counter(name: str, renewals: int, *, generation: int = 1, state: str = "healthy") -> Counter:
    return Counter(name, generation, renewals, state)


def look(watcher: Watcher, at_s: float, *counters: Counter, took_s: float = 0.0) -> None:
    asked = int(at_s * S)
    watcher.look(counters, asked, asked + int(took_s * S))


def silent(watcher: Watcher, for_s: float) -> dict[str, float]:
    return {item.counter.id: item.silent_ns / S for item in watcher.silent(int(for_s * S))}


def test_a_counter_that_stands_is_silent_and_one_that_moves_is_not() -> None:
    watcher = Watcher(3 * S)
    for second in range(8):
        look(watcher, second, counter("still", 5), counter("moving", second))
    assert silent(watcher, 6) == {"still": 7.0}
    assert silent(watcher, 8) == {}
    assert watcher.watched == 2


def test_the_time_of_a_slow_answer_does_not_count_against_an_instance() -> None:
    watcher = Watcher(10 * S)
    look(watcher, 0, counter("a", 1), took_s=2)
    look(watcher, 6, counter("a", 1), took_s=2)
    # known to stand from the first answer (2 s) to the second question (6 s)
    assert silent(watcher, 0) == {"a": 4.0}


def test_a_watcher_that_could_not_look_starts_over() -> None:
    watcher = Watcher(3 * S)
    look(watcher, 0, counter("a", 1))
    look(watcher, 2, counter("a", 1))
    look(watcher, 20, counter("a", 1))  # frozen in between: nobody knows what it would have seen
    assert silent(watcher, 1) == {}
    look(watcher, 22, counter("a", 1))
    assert silent(watcher, 1) == {"a": 2.0}
    watcher.forget()
    assert silent(watcher, 0) == {}
    look(watcher, 23, counter("a", 1))
    assert silent(watcher, 1) == {}


def test_a_new_start_is_a_new_counter_and_those_that_ended_are_not_watched() -> None:
    watcher = Watcher(3 * S)
    look(watcher, 0, counter("a", 9), counter("b", 1, state="dead"), counter("c", 1, state="draining"))
    look(watcher, 2, counter("a", 9, generation=2), counter("b", 1, state="dead"), counter("c", 1, state="draining"))
    assert silent(watcher, 1) == {"c": 2.0}
    look(watcher, 3)
    assert silent(watcher, 0) == {}
    assert watcher.watched == 0
