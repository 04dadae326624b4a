"""Reading and judging the versions of the Go and Node that are installed on the machine."""

from __future__ import annotations

import re

Version = tuple[int, int, int]

GO_MINIMUM: Version = (1, 26, 0)

# The bundler of the web application needs these (its own "engines" field); any newer major is fine.
_NODE_MINIMUMS: dict[int, Version] = {20: (20, 19, 0), 22: (22, 12, 0)}
_NODE_FIRST_FREE_MAJOR = 23


def parse_version(text: str) -> Version | None:
    """The first dotted version in a tool's output ("go version go1.26.8 linux/amd64", "v20.20.2"), else None."""
    match = re.search(r"(?<![\d.])(\d+)\.(\d+)(?:\.(\d+))?", text)
    if match is None:
        return None
    return int(match[1]), int(match[2]), int(match[3] or 0)


def show(version: Version) -> str:
    return ".".join(str(part) for part in version)


def go_usable(version: Version | None) -> bool:
    return version is not None and version >= GO_MINIMUM


def node_usable(version: Version | None) -> bool:
    """Whether the web application builds with this Node: 20.19+, 22.12+, or 23 and later."""
    if version is None:
        return False
    if version[0] >= _NODE_FIRST_FREE_MAJOR:
        return True
    minimum = _NODE_MINIMUMS.get(version[0])
    return minimum is not None and version >= minimum
