"""Pictures: proof that they are whole, their size as seen, a thumbnail and a tiny placeholder."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageOps, UnidentifiedImageError

from blazz.kit.errors import BlazzError, invalid

FORMATS = {"JPEG": ("image/jpeg", "jpg"), "PNG": ("image/png", "png"), "GIF": ("image/gif", "gif")}
FORMATS |= {"WEBP": ("image/webp", "webp")}

MAX_PIXELS = 50_000_000  # 150 MB while decoded; larger than what phones send over WhatsApp
# Pillow's decoders raise all of these on damaged files.
DAMAGED = (OSError, ValueError, SyntaxError, EOFError, IndexError, TypeError, KeyError, OverflowError)
_THUMBNAIL_PX = 150
_PREVIEW_PX, _PREVIEW_MAX_PIXELS = 192, 12_000_000
_LINK_PX = 1024
_LINK_MIN_PX, _LINK_MAX_RATIO = 300, 4  # a narrower or flatter picture of a page is a logo, and stays small
_PLACEHOLDER_PX = 20
_JPEG_PX = 72  # the size that WhatsApp's clients put into a message
_DRAFT_PX = 600  # a JPEG is decoded at this size or above: a quarter of time and memory
PLAIN_MAX_PX = 4096  # a side of a picture that is sent as it is
_METADATA = frozenset({"exif", "xmp", "photoshop", "comment", "XML:com.adobe.xmp", "Raw profile type exif"})
_ORIENTATION = 0x0112  # EXIF tag
_SIDEWAYS = frozenset({5, 6, 7, 8})


@dataclass(frozen=True, slots=True)
class Picture:
    """A readable picture. `width` and `height` in pixels as seen (EXIF orientation applied); the rest is WebP."""

    mime_type: str
    extension: str
    width: int
    height: int
    thumbnail: bytes
    placeholder: bytes
    plain: bool = False  # a JPEG or PNG of moderate size, upright, in which no camera has written anything


class Previews(NamedTuple):
    """Small pictures: a JPEG of 72 pixels for the message, a thumbnail (150) and a placeholder (20) in WebP."""

    jpeg: bytes
    thumbnail: bytes
    placeholder: bytes


def read_picture(file: Path) -> Picture:
    """Decode a picture wholly (blocking, CPU). Raises BlazzError `media_unreadable` (422)."""
    try:
        with warnings.catch_warnings(), Image.open(file, formats=list(FORMATS)) as image:
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            return _read(image)
    except BlazzError:
        raise
    except (UnidentifiedImageError, Image.DecompressionBombError):
        raise _unreadable("The picture cannot be read, or it is too large to be shown.") from None
    except DAMAGED:
        raise _unreadable("The picture is damaged or cut off.") from None


def jpeg_of(thumbnail: bytes) -> bytes | None:
    """Return a small JPEG made from a stored thumbnail, or None when it cannot be read (blocking)."""
    try:
        with Image.open(io.BytesIO(thumbnail), formats=["WEBP"]) as image:
            small = flat(image)
            small.thumbnail((_JPEG_PX, _JPEG_PX))
            return _encoded(small, "JPEG", quality=60)
    except OSError:
        return None


@dataclass(frozen=True, slots=True)
class LinkPicture:
    """The picture of a web page as two JPEGs: a small one of 192 pixels, and a large one of at most 1,024.

    `large` is None, and `width` and `height` are 0, for one that is too small or too flat to be shown large.
    """

    small: bytes
    large: bytes | None = None
    width: int = 0
    height: int = 0


def link_picture(content: bytes) -> LinkPicture | None:
    """Return what is shown of a stranger's picture, or None when it is none or too large (blocking, CPU)."""
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(content), formats=list(FORMATS)) as image:
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            width, height = image.size
            if width * height > _PREVIEW_MAX_PIXELS:
                return None
            image.draft("RGB", (_LINK_PX, _LINK_PX))
            whole = flat(image)
            whole.thumbnail((_LINK_PX, _LINK_PX))
            small = whole.copy()
            small.thumbnail((_PREVIEW_PX, _PREVIEW_PX))
            inline = _encoded(small, "JPEG", quality=70)
            if width < _LINK_MIN_PX or width > _LINK_MAX_RATIO * height:
                return LinkPicture(inline)
            return LinkPicture(inline, _encoded(whole, "JPEG", quality=80), *whole.size)
    except (*DAMAGED, Image.DecompressionBombError):
        return None


def _read(image: Image.Image) -> Picture:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise _unreadable(f"The picture has more than {MAX_PIXELS // 1_000_000} million pixels.")
    assert image.format is not None
    mime_type, extension = FORMATS[image.format]
    plain = image.format in ("JPEG", "PNG") and max(width, height) <= PLAIN_MAX_PX and not _METADATA & image.info.keys()
    if image.getexif().get(_ORIENTATION) in _SIDEWAYS:
        width, height = height, width
    if image.format == "JPEG":
        image.draft("RGB", (_DRAFT_PX, _DRAFT_PX))
    image.load()
    small = image.convert("RGBA" if image.has_transparency_data else "RGB")
    small.thumbnail((_DRAFT_PX, _DRAFT_PX))
    upright = ImageOps.exif_transpose(small) if small.getexif() else small
    upright.thumbnail((_THUMBNAIL_PX, _THUMBNAIL_PX))
    tiny = upright.copy()
    tiny.thumbnail((_PLACEHOLDER_PX, _PLACEHOLDER_PX))
    return Picture(
        mime_type,
        extension,
        width,
        height,
        thumbnail=_encoded(upright, "WEBP", quality=75),
        placeholder=_encoded(tiny, "WEBP", quality=50),
        plain=plain,
    )


def previews(image: Image.Image) -> Previews:
    """Return small pictures of one that is upright."""
    small = image.copy()
    small.thumbnail((_THUMBNAIL_PX, _THUMBNAIL_PX))
    inline = flat(small)
    inline.thumbnail((_JPEG_PX, _JPEG_PX))
    tiny = small.copy()
    tiny.thumbnail((_PLACEHOLDER_PX, _PLACEHOLDER_PX))
    return Previews(
        _encoded(inline, "JPEG", quality=60), _encoded(small, "WEBP", quality=75), _encoded(tiny, "WEBP", quality=50)
    )


def flat(image: Image.Image) -> Image.Image:
    """Return a picture without transparency; white shines through."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")


def _encoded(image: Image.Image, form: str, *, quality: int) -> bytes:
    out = io.BytesIO()
    image.save(out, form, quality=quality)
    return out.getvalue()


def _unreadable(detail: str) -> BlazzError:
    return invalid(detail, code="media_unreadable")
