"""The token dictionary of the binary XML: common words which travel as one or two bytes.

The dictionary belongs to the client library's version, so it is generated from the linked library at set-up
(`blazz-engine dictionary`) and not kept in the repository.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

DICTIONARY_PATH = Path(__file__).resolve().parent.parent / "_generated" / "tokens.json"


@dataclass(frozen=True, slots=True)
class Dictionary:
    """`single[n]` is the word for byte n, `double[d][n]` the word for the pair (236 + d, n)."""

    version: int
    single: tuple[str, ...]
    double: tuple[tuple[str, ...], ...]
    codes: dict[str, bytes]


@cache
def dictionary() -> Dictionary:
    """Return the generated dictionary. Raises FileNotFoundError with advice when set-up has not been run."""
    try:
        return load(DICTIONARY_PATH)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{DICTIONARY_PATH} is missing; run `make setup` to generate it.") from error


def load(path: Path) -> Dictionary:
    """Return the dictionary in a file of JSON (`version`, `single`, `double`). Raises OSError, ValueError, KeyError."""
    raw = json.loads(path.read_text(encoding="utf-8"))
    single = tuple(str(word) for word in raw["single"])
    double = tuple(tuple(str(word) for word in words) for words in raw["double"])
    codes: dict[str, bytes] = {}
    for page, words in enumerate(double):
        for index, word in enumerate(words):
            codes[word] = bytes((236 + page, index))
    for index, word in enumerate(single):
        if word:
            codes[word] = bytes((index,))
    return Dictionary(int(raw["version"]), single, double, codes)
