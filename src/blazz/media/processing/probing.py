"""Looking at a file for people: size, length, waveform, pages and a picture of it. Nothing new is made."""

from __future__ import annotations

import pypdfium2  # type: ignore[import-untyped]

from blazz.media.pictures import previews
from blazz.media.processing import audio, video
from blazz.media.processing.containers import CUT_OFF
from blazz.media.processing.orders import PDF, Made, Order, Progress, Unusable

_PAGE_PX = 300.0  # the longer side of the first page, drawn to be made small


def probe(order: Order, progress: Progress) -> Made:
    """Return what can be seen or heard of the file. Raises Unusable."""
    if order.mime_type == PDF:
        return _document(order)
    if order.mime_type.startswith("audio/"):
        return audio.listen(order.source, order.mime_type, progress)
    return video.look(order.source, order.mime_type)


def _document(order: Order) -> Made:
    try:
        document = pypdfium2.PdfDocument(order.source)
        try:
            pages = len(document)
            page = document[0]
            scale = _PAGE_PX / max(page.get_width(), page.get_height(), 1.0)
            drawn = page.render(scale=min(scale, 4.0)).to_pil()
        finally:
            document.close()
    except (pypdfium2.PdfiumError, IndexError, ValueError, MemoryError) as error:
        raise Unusable(CUT_OFF) from error
    return Made(None, None, None, None, None, None, None, pages, *previews(drawn))
