"""Pictures and stickers: upright, without what cameras write into them, in the sizes that WhatsApp takes."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from PIL import Image, ImageOps, ImageSequence

from blazz.media.pictures import FORMATS, MAX_PIXELS, flat, previews
from blazz.media.processing.containers import CUT_OFF
from blazz.media.processing.orders import Made, Order, Progress, Unusable

MAX_IMAGE_BYTES = 5 * 1024 * 1024  # of a picture message (product rule, as in Meta's Cloud API)
_MAX_SIDE = 4096
_QUALITIES = (90, 80, 70, 55, 40)
STICKER_SIDE = 512
MAX_STICKER_BYTES = 100 * 1024  # Cloud API; an animated one may have 500 KB
MAX_ANIMATED_BYTES = 500 * 1024
_MAX_FRAMES = 300
_WEBP = "image/webp"


def image(order: Order, progress: Progress) -> Made:
    """Make a JPEG: upright, without metadata, at most 4096 pixels a side and 5 MB. Raises Unusable."""
    with _open(order.source) as opened:
        upright = flat(ImageOps.exif_transpose(opened))
    upright.thumbnail((_MAX_SIDE, _MAX_SIDE))
    data = _within(lambda quality: _jpeg(upright, quality), MAX_IMAGE_BYTES, "The picture is too large.")
    order.target.write_bytes(data)
    width, height = upright.size
    return Made("image/jpeg", "jpg", width, height, None, None, None, None, *previews(upright))


def sticker(order: Order, progress: Progress) -> Made:
    """Make a WebP of 512 × 512 pixels, animated when the source is; one that fits stays. Raises Unusable."""
    with _open(order.source) as opened:
        count = getattr(opened, "n_frames", 1)
        animated = count > 1
        limit = MAX_ANIMATED_BYTES if animated else MAX_STICKER_BYTES
        if count > _MAX_FRAMES:
            raise Unusable(f"A sticker has at most {_MAX_FRAMES} pictures.")
        first = _fitted(opened)
        fits = opened.format == "WEBP" and opened.size == (STICKER_SIDE, STICKER_SIDE)
        if not fits or order.source.stat().st_size > limit:
            frames, times = ([first], [0]) if not animated else _frames(opened, count, progress)
            data = _within(lambda quality: _webp(frames, times, quality), limit, "The sticker is too large.")
            order.target.write_bytes(data)
            fits = False
    side, small = STICKER_SIDE, previews(first)
    mime_type, extension = (None, None) if fits else (_WEBP, "webp")
    return Made(mime_type, extension, side, side, None, None, animated, None, *small)


class _open:  # noqa: N801 - reads as a function
    """Open a picture for the length of a block; what Pillow raises on damaged files becomes Unusable."""

    def __init__(self, source: Path) -> None:
        self._source = source

    def __enter__(self) -> Image.Image:
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            self._image = Image.open(self._source, formats=list(FORMATS))
            if self._image.size[0] * self._image.size[1] > MAX_PIXELS:
                raise Unusable(f"The picture has more than {MAX_PIXELS // 1_000_000} million pixels.")
        except Image.DecompressionBombError:
            raise Unusable("The picture is too large to be shown.") from None
        except (OSError, ValueError, SyntaxError) as error:
            raise Unusable(CUT_OFF) from error
        return self._image

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        self._image.close()
        if isinstance(error, (OSError, ValueError, SyntaxError, EOFError, IndexError, TypeError, KeyError)):
            raise Unusable(CUT_OFF) from error


def _fitted(picture: Image.Image) -> Image.Image:
    square = (STICKER_SIDE, STICKER_SIDE)
    return ImageOps.pad(picture.convert("RGBA"), square, color=(0, 0, 0, 0))


def _frames(picture: Image.Image, count: int, progress: Progress) -> tuple[list[Image.Image], list[int]]:
    def pairs() -> Iterator[tuple[Image.Image, int]]:
        for index, frame in enumerate(ImageSequence.Iterator(picture)):
            yield _fitted(frame), max(10, int(frame.info.get("duration") or 100))
            progress(index / count)

    frames, times = zip(*pairs(), strict=True)
    return list(frames), list(times)


def _within(make: Callable[[int], bytes], limit: int, too_large: str) -> bytes:
    for quality in _QUALITIES:
        data = make(quality)
        if len(data) <= limit:
            return data
    raise Unusable(too_large)


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=quality, progressive=True, optimize=True)
    return out.getvalue()


def _webp(frames: list[Image.Image], times: list[int], quality: int) -> bytes:
    out = io.BytesIO()
    if len(frames) == 1:
        frames[0].save(out, "WEBP", quality=quality)
    else:
        frames[0].save(
            out,
            "WEBP",
            save_all=True,
            append_images=frames[1:],
            duration=times,
            loop=0,
            quality=quality,
            minimize_size=True,
        )
    return out.getvalue()
