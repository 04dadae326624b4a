"""Inputs that are almost right: known good ones, changed in the ways that break readers."""

from __future__ import annotations

import os
import random
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tools.setup import paths

# Seconds for each target, and the seed of a run that is to be repeated.
SECONDS_VARIABLE, SEED_VARIABLE = "BLAZZ_FUZZ_S", "BLAZZ_FUZZ_SEED"
SECONDS = float(os.environ.get(SECONDS_VARIABLE, "2.5"))
# No input, however malformed, may take more of the processor than this.
SLOW_S = 2.0
MAX_GROWTH_MB = 256.0
_MAX_SIZE = 8_192
# Where sizes and counts go over their edges.
_EDGES = (0, 1, 0x7F, 0x80, 0xFE, 0xFF)
_WIDE_EDGES = (b"\xff\xff", b"\xff\xff\xff", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\x00\x00\x00", bytes(8))


class Mutations(Iterator[bytes]):
    """Changed members of a corpus, for a while. A failure names the seed and keeps the input (`keep`)."""

    def __init__(self, target: str, corpus: Sequence[bytes], *, share: float = 1.0) -> None:
        """`share` is the part of a target's time that this one takes."""
        self.target = target
        self.count = 0
        self.seed = int(os.environ.get(SEED_VARIABLE) or int.from_bytes(os.urandom(4), "big"))
        self._random = random.Random(f"{self.seed} {target}")
        self._corpus = list(corpus)
        self._end = time.monotonic() + SECONDS * share
        self._begun = time.process_time()
        self._memory = peak_memory_mb()
        self._input = b""

    def __next__(self) -> bytes:
        spent = time.process_time() - self._begun
        assert spent < SLOW_S, f"{spent:.1f} s for one input; {self.keep()}"
        growth = peak_memory_mb() - self._memory
        assert growth < MAX_GROWTH_MB, f"memory grew by {growth:.0f} MB; {self.keep()}"
        if time.monotonic() >= self._end and self.count:
            raise StopIteration
        self.count += 1
        self._input = self._changed()
        self._begun = time.process_time()
        return self._input

    def keep(self) -> str:
        """Write the present input to build/fuzz and return where it is and how to repeat the run."""
        directory = paths.BUILD / "fuzz"
        directory.mkdir(parents=True, exist_ok=True)
        file: Path = directory / f"{self.target}-{self.seed}.bin"
        file.write_bytes(self._input)
        return f"input {self.count} of {self.target} is in {file}; {SEED_VARIABLE}={self.seed} repeats the run"

    def _changed(self) -> bytes:
        data = bytearray(self._random.choice(self._corpus))
        for _ in range(self._random.choice((1, 1, 1, 2, 3, 8))):
            self._change(data)
        return bytes(data[:_MAX_SIZE])

    def _change(self, data: bytearray) -> None:
        pick = self._random
        at = pick.randrange(len(data) + 1)
        match pick.randrange(8):
            case 0 if data:
                data[at % len(data)] ^= 1 << pick.randrange(8)
            case 1 if data:
                data[at % len(data)] = pick.choice(_EDGES)
            case 2:
                data[at:at] = pick.choice(_WIDE_EDGES)
            case 3:
                edge = pick.choice(_WIDE_EDGES)
                data[at : at + len(edge)] = edge
            case 4:
                del data[at : at + pick.randrange(1, 16)]
            case 5:
                end = at + pick.randrange(1, 64)
                data[at:at] = data[at:end] * pick.choice((1, 2, 30))
            case 6:
                other = pick.choice(self._corpus)
                data[at:] = other[pick.randrange(len(other) + 1) :]
            case _:
                data[at:at] = pick.randbytes(pick.randrange(1, 9))


def peak_memory_mb() -> float:
    """Return the largest size that this process has had so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20) if sys.platform == "darwin" else peak / 1024
