"""Which versions of Blazz run on which schema.

A revision's name says it: `0007_from_0005` is the seventh, and programs whose own last revision is 0005 or later run on
it. It is part of the name because the name is what the database keeps: a program can judge a revision that it has never
seen. A name without `_from_` is run on by programs that know it. A revision that only adds keeps the number after
`_from_` of the one before it; one that takes away (contracts) raises it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from alembic.script import ScriptDirectory

PREVIOUS_RELEASE = "0001"
"""The last revision of the release before this one, which must still run on this one's schema. Moves with releases."""

COPYING = "copying-"
"""Stands before the revision of a database into which rows are being copied: no program runs on that."""

_NAME = re.compile(r"(\d{4})(?:_from_(\d{4}))?")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is between a database and this version."""

    found: str | None
    """The database's revision; None when it has no tables yet."""
    wanted: str
    steps: tuple[str, ...]
    """Revisions to apply, in order; empty when there is nothing to do."""
    contracts: tuple[str, ...]
    """Those of `steps` on whose result programs of the database's present schema do not run."""
    later: bool
    """Whether the database is a later version's, which this one runs on."""


def wanted() -> str:
    """Return the revision that this version needs."""
    head = _scripts().get_current_head()
    assert head is not None
    return head


def number(revision: str) -> str:
    """Return the number of a revision, `0007`. ValueError for a name that is not ours."""
    return _parts(revision)[0]


def runs_from(revision: str) -> str:
    """Return the number of the oldest last revision whose programs run on `revision`."""
    return _parts(revision)[1]


def runs_on(revision: str | None) -> bool:
    """Return whether this version can run on, or bring forward, a database at `revision`."""
    if revision is None or revision in _names():
        return True
    try:
        return runs_from(revision) <= number(wanted()) < number(revision)
    except ValueError:
        return False


def plan(found: str | None) -> Plan:
    """Return what is between `found` and this version."""
    names = _names()
    if found is not None and found not in names:
        return Plan(found, wanted(), (), (), later=True)
    steps = tuple(names if found is None else names[names.index(found) + 1 :])
    contracts = () if found is None else tuple(step for step in steps if runs_from(step) > number(found))
    return Plan(found, wanted(), steps, contracts, later=False)


def _names() -> list[str]:
    return [script.revision for script in reversed(list(_scripts().walk_revisions()))]


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(Path(__file__).parent))


def _parts(revision: str) -> tuple[str, str]:
    match = _NAME.fullmatch(revision)
    if match is None:
        raise ValueError(f"{revision!r} is not a revision of Blazz")
    return match[1], match[2] or match[1]
