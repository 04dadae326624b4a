"""Previews of links in texts that leave: fetched just before, and left out when the host is slow, hostile or mute."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx
import structlog

from blazz.kit.errors import BlazzError
from blazz.kit.fetch import Fetcher, Limits, Response
from blazz.kit.fetch.pages import Page, read_page
from blazz.media.pictures import LinkPicture, link_picture
from blazz.media.store import MediaStore
from blazz.messaging.kinds.text import preview_content

_log = structlog.get_logger(__name__)
TOTAL_S = 6.0  # a message waits no longer for its preview
_PAGE = Limits(256 * 1024, 4.0, accept="text/html,application/xhtml+xml", cut=True)
_PICTURE = Limits(4 * 1024 * 1024, 3.0, accept="image/jpeg,image/png,image/webp,image/gif")
_LINK = re.compile(r"https?://[^\s<>\"']+", re.IGNORECASE)
_TRAILING = ".,;:!?)]}\u2026\u201d"


def first_link(text: str) -> str | None:
    """Return the first web address in a text, without the punctuation that ends a sentence."""
    found = _LINK.search(text)
    return found.group(0).rstrip(_TRAILING)[:2048] if found else None


@dataclass(frozen=True, slots=True)
class Preview:
    """What a link leads to, as a row keeps it (empty when there is nothing to show), and the page's picture."""

    content: Mapping[str, str] = field(default_factory=dict)
    picture: LinkPicture | None = None


class Previews:
    """Makes previews; pictures are decoded in the media store's threads."""

    def __init__(self, store: MediaStore, fetcher: Fetcher | None = None) -> None:
        self._store = store
        self._fetcher = fetcher or Fetcher()

    async def of(self, text: str) -> Preview:
        """Return what the text's first link leads to."""
        link = first_link(text)
        if link is None:
            return Preview()
        page, url, picture = Page(None, None, None), link, None
        try:
            async with asyncio.timeout(TOTAL_S):
                async with self._fetcher.get(link, _PAGE) as response:
                    url = response.url
                    if not (response.mime_type or "").startswith(("text/html", "application/xhtml")):
                        return Preview()
                    page = await self._store.run(read_page, await _read(response), response.mime_type)
                if page.image is not None:
                    picture = await self._picture(str(httpx.URL(url).join(page.image)))
        except (BlazzError, TimeoutError, httpx.InvalidURL) as error:
            _log.info("no preview of a link", reason=getattr(error, "code", type(error).__name__))
        if page.title is None:
            return Preview()
        small = picture.small if picture is not None else b""
        return Preview(preview_content(link, page.title, page.description or "", small), picture)

    async def _picture(self, url: str) -> LinkPicture | None:
        async with self._fetcher.get(url, _PICTURE) as response:
            content = await _read(response)
        return await self._store.run(link_picture, content)


async def _read(response: Response) -> bytes:
    return b"".join([chunk async for chunk in response.content()])
