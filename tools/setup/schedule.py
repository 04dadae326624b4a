"""Runs the steps of the set-up: independent ones side by side, each skipped when its stamp is fresh."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from tools.setup.errors import SetupError
from tools.setup.stamps import Stamp, fingerprint

# A line at least this often while nothing else is printed, so that a long build does not look dead.
_STILL_RUNNING_S = 15.0


def nothing() -> list[Path]:
    return []


@dataclass(frozen=True)
class Step:
    """One step. `inputs` and `facts` are read when its predecessors are done, so they may be made by them."""

    name: str
    title: str
    run: Callable[[], None]
    after: tuple[str, ...] = ()
    inputs: Callable[[], Iterable[Path]] = nothing
    facts: Callable[[], Iterable[str]] = list
    outputs: tuple[Path, ...] = ()
    # A part of the repository that this step needs and that is not there: the step is reported, not run.
    missing: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What a run of all steps did; `failed` has titles of steps with their message, `missing` names of steps."""

    ran: list[str]
    failed: dict[str, str]
    missing: dict[str, str]


class Schedule:
    """Runs steps in the order of their dependencies with at most `workers` at a time."""

    def __init__(self, steps: Sequence[Step], stamps: Path, report: Callable[[str], None], workers: int = 4) -> None:
        known: set[str] = set()
        for step in steps:
            if not known.issuperset(step.after):
                raise ValueError(f"step {step.name} names a step that does not come before it")
            known.add(step.name)
        self._steps = list(steps)
        self._stamps = stamps
        self._report = report
        self._workers = workers
        self._started = time.monotonic()
        self._lock = threading.Lock()
        self._output = threading.Lock()
        self._active: dict[str, float] = {}
        self._ran: list[str] = []

    def run(self, on_abort: Callable[[], None] = lambda: None) -> Outcome:
        """Runs everything that is due. A failure is told at once; only the steps that need it are left out.

        `on_abort` is called when the run itself is interrupted, before the exception goes on.
        """
        waiting = {step.name: step for step in self._steps}
        missing = {step.name: step.missing for step in self._steps if step.missing is not None}
        done: set[str] = set()
        lost = set(missing)
        failed: dict[str, str] = {}
        futures: dict[Future[None], Step] = {}
        with ThreadPoolExecutor(self._workers) as pool:
            try:
                while waiting or futures:
                    for step in list(waiting.values()):
                        if step.name in lost or lost.intersection(step.after):
                            lost.add(step.name)
                            del waiting[step.name]
                        elif done.issuperset(step.after):
                            del waiting[step.name]
                            futures[pool.submit(self._run_step, step)] = step
                    finished = wait(futures, timeout=_STILL_RUNNING_S, return_when=FIRST_COMPLETED).done
                    if not finished:
                        self._report_active()
                    for future in finished:
                        step = futures.pop(future)
                        error = future.exception()
                        if error is None:
                            done.add(step.name)
                        elif isinstance(error, SetupError):
                            lost.add(step.name)
                            failed[step.title] = str(error)
                            self._line(f"        {step.title}: FAILED")
                        else:
                            raise error
            except BaseException:
                on_abort()
                raise
        return Outcome(ran=self._ran, failed=failed, missing=missing)

    def _run_step(self, step: Step) -> None:
        stamp = Stamp(self._stamps / step.name)
        wanted = fingerprint(step.inputs(), step.facts())
        if stamp.fresh(wanted, step.outputs):
            return
        number = self._begin(step)
        begun = time.monotonic()
        stamp.clear()
        try:
            step.run()
        finally:
            with self._lock:
                del self._active[step.title]
        absent = [str(path) for path in step.outputs if not path.exists()]
        if absent:
            raise SetupError(f"{step.title}: finished, but did not make {', '.join(absent)}.")
        stamp.write(wanted)
        self._line(f"[{number:2}/{len(self._steps)}] {step.title}: done in {time.monotonic() - begun:.1f} s")

    def _begin(self, step: Step) -> int:
        with self._lock:
            self._active[step.title] = time.monotonic()
            self._ran.append(step.name)
        number = self._steps.index(step) + 1
        self._line(f"[{number:2}/{len(self._steps)}] {step.title} ...")
        return number

    def _report_active(self) -> None:
        now = time.monotonic()
        with self._lock:
            running = ", ".join(f"{title} ({now - begun:.0f} s)" for title, begun in self._active.items())
        if running:
            self._line(f"        still running: {running}")

    def _line(self, text: str) -> None:
        with self._output:
            self._report(f"{time.monotonic() - self._started:6.1f} s  {text}")
