"""What a web page says of itself: title, description and picture, for a preview (Open Graph, else HTML's own)."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from html.parser import HTMLParser

_CHARSET = re.compile(r"charset=[\"']?([a-zA-Z0-9_.:-]{1,40})")
_META = {
    "og:title": "title",
    "twitter:title": "title",
    "og:description": "description",
    "twitter:description": "description",
    "description": "description",
    "og:image": "image",
    "og:image:url": "image",
    "og:image:secure_url": "image",
    "twitter:image": "image",
}
_TEXT_MAX = 1000  # characters


@dataclass(frozen=True, slots=True)
class Page:
    """What a page says of itself. `image` is an address as it stands in the page, maybe a relative one."""

    title: str | None
    description: str | None
    image: str | None


def read_page(content: bytes, mime_type: str | None) -> Page:
    """Return what the head of a page says; anything may be missing, whatever the bytes are."""
    reader = _Head()
    with contextlib.suppress(_HeadEnded):
        reader.feed(_decoded(content, mime_type))
    found = reader.found
    title = found.get("title") or " ".join("".join(reader.title).split())
    return Page(title[:_TEXT_MAX] or None, found.get("description"), found.get("image"))


class _HeadEnded(Exception):
    pass


class _Head(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: dict[str, str] = {}
        self.title: list[str] = []
        self._in_title = False
        self._room = _TEXT_MAX

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "body":
            raise _HeadEnded
        self._in_title = tag == "title"
        if tag == "meta":
            named = dict(attrs)
            field = _META.get((named.get("property") or named.get("name") or "").lower())
            value = " ".join((named.get("content") or "").split())
            if field is not None and value:
                self.found.setdefault(field, value[:_TEXT_MAX])

    def handle_endtag(self, tag: str) -> None:
        if tag == "head":
            raise _HeadEnded
        self._in_title = False

    def handle_data(self, data: str) -> None:
        if self._in_title and self._room > 0:
            self.title.append(data[: self._room])
            self._room -= len(data)


def _decoded(content: bytes, mime_type: str | None) -> str:
    named = _CHARSET.search(mime_type or "") or _CHARSET.search(content[:2048].decode("latin-1"))
    try:
        return content.decode(named.group(1) if named else "utf-8", "replace")
    except (LookupError, ValueError):
        return content.decode("utf-8", "replace")
