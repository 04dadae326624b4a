"""Stanzas and message contents as indented text. Keys and bodies are left out unless they are asked for."""

from __future__ import annotations

import json

from whatsim.wire.binary import Node
from whatsim.wire.errors import WireError
from whatsim.wire.protobuf import read_fields

INDENT = "    "
# Longer bytes are cut; a trace is for reading.
MAX_BYTES_SHOWN = 4_096
MAX_CONTENT_DEPTH = 8
_SECRET_ATTRS = frozenset({"auth", "password", "secret", "token"})


def stanza(node: Node, *, contents: bool) -> str:
    """Return a node as indented lines. Without `contents` bytes are shown as their number, secret attributes as `*`."""
    return "\n".join(_lines(node, contents, ""))


def content(data: bytes) -> str:
    """Return a decrypted message: its protobuf fields by number, nested as far as they can be read."""
    return _fields(data, 0) or _blob(data)


def _lines(node: Node, contents: bool, indent: str) -> list[str]:
    attrs = "".join(
        f" {name}={_quoted(value if contents or name not in _SECRET_ATTRS else '*')}"
        for name, value in node.attrs.items()
    )
    if isinstance(node.content, list) and node.content:
        lines = [f"{indent}<{node.tag}{attrs}>"]
        for child in node.content:
            lines += _lines(child, contents, indent + INDENT)
        return lines
    if not isinstance(node.content, bytes):
        return [f"{indent}<{node.tag}{attrs}/>"]
    inside = _blob(node.content) if contents else f"[{len(node.content)} bytes]"
    return [f"{indent}<{node.tag}{attrs}> {inside}"]


def _blob(data: bytes) -> str:
    shown = data[:MAX_BYTES_SHOWN]
    rest = f" and {len(data) - len(shown)} bytes more" if len(data) > len(shown) else ""
    return (_text(shown) or f"0x{shown.hex()}") + rest


def _quoted(text: str) -> str:
    """Return the text in quotes, with everything escaped that could be taken for another line or attribute."""
    return json.dumps(text, ensure_ascii=not text.isprintable())


def _text(data: bytes) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return ""
    return _quoted(text) if text.replace("\n", "").isprintable() else ""


def _fields(data: bytes, depth: int) -> str:
    """Return `{1: …, 2: …}`, or nothing when `data` is no protobuf message."""
    if depth > MAX_CONTENT_DEPTH:
        return ""
    try:
        fields = read_fields(data)
    except WireError:
        return ""
    if not fields or any(number == 0 for number, _ in fields):
        return ""
    return "{" + ", ".join(f"{number}: {_value(value, depth)}" for number, value in fields) + "}"


def _value(value: int | bytes, depth: int) -> str:
    if isinstance(value, int):
        return str(value)
    return _text(value) or _fields(value, depth + 1) or _blob(value)
