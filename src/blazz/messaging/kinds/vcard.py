"""vCard 3.0, as far as people's cards use it: reading any, writing our own (RFC 2426; `waid` is WhatsApp's)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

MAX_CHARS = 16_384  # of one card without its picture; what is longer loses its end
_WIDTH = 75
_LINES = 400
_COMPONENT = re.compile(r"(?:^|;)((?:\\.|[^;\\]|\\$)*)")  # what stands between semicolons that are not escaped


@dataclass(frozen=True, slots=True)
class Property:
    """One line of a card: `TEL;type=CELL;waid=49...:+49 ...` has the name TEL, two parameters and a value."""

    name: str
    value: str
    parameters: dict[str, list[str]] = field(default_factory=dict)

    def kind(self, *known: str) -> str | None:
        """Return the first of `known` that the parameter `type` names, in upper case."""
        types = {item.upper() for item in self.parameters.get("TYPE", ())}
        return next((item for item in known if item in types), None)

    def parts(self) -> list[str]:
        """Return the value's components (N, ADR, ORG), without escapes."""
        return [_unescape(part) for part in _COMPONENT.findall(self.value)]

    @property
    def text(self) -> str:
        """The value without escapes."""
        return _unescape(self.value)


def without_picture(card: str) -> str:
    """Return a card without pictures and sounds, at most 16,384 characters long."""
    lines = [line for line in _unfold(card) if not re.match(r"(?i)(?:[\w-]+\.)?(?:PHOTO|LOGO|SOUND|KEY)[;:]", line)]
    return "\n".join(lines)[:MAX_CHARS]


def read(card: str) -> Iterator[Property]:
    """Yield the properties of a card, at most 400; lines that are none are skipped."""
    for line in _unfold(card)[:_LINES]:
        head, colon, value = line.partition(":")
        if not colon:
            continue
        name, *given = head.split(";")
        parameters: dict[str, list[str]] = {}
        for parameter in given:
            key, equals, values = parameter.partition("=")
            if not equals:
                key, values = "type", key
            parameters.setdefault(key.upper(), []).extend(item.strip('"') for item in values.split(","))
        yield Property(name.rpartition(".")[2].upper(), value.strip(), parameters)


def line(name: str, *values: str, **parameters: str) -> str:
    """Return a property as lines of a card, its values escaped, long ones folded."""
    given = "".join(f";{key}={value}" for key, value in parameters.items() if value)
    whole = f"{name}{given}:" + ";".join(_escape(value) for value in values)
    return "\n ".join(whole[at : at + _WIDTH] for at in range(0, len(whole), _WIDTH))


def card(lines: list[str]) -> str:
    """Return a whole card."""
    return "\n".join(["BEGIN:VCARD", "VERSION:3.0", *lines, "END:VCARD"])


def _unfold(text: str) -> list[str]:
    return re.sub(r"\r?\n[ \t]", "", text).replace("\r", "\n").split("\n")


def _escape(text: str) -> str:
    return re.sub(r"([\\;,])", r"\\\1", text).replace("\r", "").replace("\n", "\\n")


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", lambda match: "\n" if match[1] in "nN" else match[1], text)
