"""What the name of a revision says about the programs that run on it."""

from __future__ import annotations

import pytest

from blazz.migrations import revisions
from blazz.migrations.revisions import PREVIOUS_RELEASE, number, plan, runs_from, runs_on, wanted


def test_revisions_are_numbered_and_never_run_on_more_than_the_one_before() -> None:
    names = revisions._names()
    assert [number(name) for name in names] == [f"{at:04d}" for at in range(1, len(names) + 1)]
    oldest = [runs_from(name) for name in names]
    assert oldest == sorted(oldest)
    assert all(runs_from(name) <= number(name) for name in names)


def test_the_release_before_runs_on_this_ones_schema() -> None:
    assert PREVIOUS_RELEASE in revisions._names()
    assert runs_from(wanted()) <= number(PREVIOUS_RELEASE), "expand first, contract one release later"


@pytest.mark.parametrize(
    ("revision", "fine"),
    [
        (None, True),  # an empty database
        ("0001", True),
        ("0002_from_0001", True),
        ("0004_from_0001", True),
        ("0009_from_0003", True),
        ("0009_from_0004", False),
        ("0009", False),
        ("0002_from_0002", False),  # of the past, and not ours
        ("main", False),
        ("", False),
    ],
)
def test_a_program_that_ends_at_0003_judges_a_schema(
    monkeypatch: pytest.MonkeyPatch, revision: str | None, fine: bool
) -> None:
    monkeypatch.setattr(revisions, "_names", lambda: ["0001", "0002_from_0001", "0003_from_0002"])
    monkeypatch.setattr(revisions, "wanted", lambda: "0003_from_0002")
    assert runs_on(revision) is fine


def test_steps_that_take_away_are_those_on_which_present_programs_do_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["0001", "0002_from_0001", "0003_from_0001", "0004_from_0002", "0005_from_0004"]
    monkeypatch.setattr(revisions, "_names", lambda: names)
    assert plan(None).steps == tuple(names)
    assert plan(None).contracts == (), "nobody runs on an empty database"
    assert plan("0001").contracts == ("0004_from_0002", "0005_from_0004")
    assert plan("0002_from_0001").contracts == ("0005_from_0004",)
    assert plan("0004_from_0002").contracts == ()
    assert plan("0005_from_0004").steps == ()
    assert plan("0009_from_0005").later
