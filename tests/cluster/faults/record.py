"""What each cut did, in figures: printed as a table at the end of a run, and kept with the date by `make prove`."""

from __future__ import annotations

import datetime as dt
import os
import platform
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
DIRECTORY = "BLAZZ_PROVE_DIR"
"""Names where the output of a whole run is kept; set by `make prove`."""
PART = "BLAZZ_PROVE_PART"
"""Names the part of it that runs beside the cuts."""
_HEADINGS = (
    "class",
    "runs",
    "sent",
    "received",
    "lost",
    "doubled",
    "redelivered",
    "undecrypted",
    "retried",
    "away s",
)


@dataclass(frozen=True, slots=True)
class Cut:
    """One cut. `sent` and `received` are serials, `redelivered` and what follows raw figures of the network.

    `recovery_s` lists the seconds until everything that was cut off was connected again.
    """

    name: str
    database: str
    sent: int
    received: int
    lost: int
    doubled: int
    redelivered: int
    decrypt_failures: int
    retries: int
    recovery_s: tuple[float, ...]


CUTS: list[Cut] = []
"""The cuts of this run, in order."""


def table(cuts: Sequence[Cut]) -> list[str]:
    """Return the cuts as lines of text, one for each class and database; times away as median and maximum."""
    groups: dict[str, list[Cut]] = {}
    for cut in cuts:
        groups.setdefault(f"{cut.name}, {cut.database}", []).append(cut)
    rows = [_HEADINGS, *(_row(name, group) for name, group in groups.items()), _row("all", cuts)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    return [
        "  ".join(
            text.ljust(width) if column == 0 else text.rjust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _row(name: str, cuts: Sequence[Cut]) -> tuple[str, ...]:
    def total(values: Iterable[int]) -> str:
        return f"{sum(values):,}"

    away = sorted(seconds for cut in cuts for seconds in cut.recovery_s)
    said = "-" if not away else f"{away[0]:.1f}" if len(away) == 1 else f"{away[len(away) // 2]:.1f}..{away[-1]:.1f}"
    return (
        name,
        str(len(cuts)),
        total(cut.sent for cut in cuts),
        total(cut.received for cut in cuts),
        total(cut.lost for cut in cuts),
        total(cut.doubled for cut in cuts),
        total(cut.redelivered for cut in cuts),
        total(cut.decrypt_failures for cut in cuts),
        total(cut.retries for cut in cuts),
        said,
    )


def write(outcomes: dict[str, list[str]], seconds: float) -> Path | None:
    """Keep the output of a whole run if `BLAZZ_PROVE_DIR` says where; returns the file."""
    place = os.environ.get(DIRECTORY)
    if not place:
        return None
    now = dt.datetime.now(dt.UTC)
    directory = ROOT / place
    directory.mkdir(parents=True, exist_ok=True)
    part = os.environ.get(PART)
    path = directory / f"{now:%Y-%m-%d-%H%M}{f'-{part}' if part else ''}.txt"
    counted = ", ".join(f"{len(names)} {outcome}" for outcome, names in outcomes.items() if names)
    lines = [
        f"make prove, {now:%Y-%m-%d %H:%M} UTC, commit {_commit()}",
        f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        f"{counted or 'no tests'} in {seconds:.0f} s",
        "",
        *(table(CUTS) if CUTS else ()),
        "",
        *(f"{outcome.upper()} {name}" for outcome, names in outcomes.items() for name in names),
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def _commit() -> str:
    done = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    return done.stdout.strip() or "unknown"
