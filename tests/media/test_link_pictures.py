"""The picture of a page that a text links to: small always, large when it is worth it, never a bomb."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from blazz.media.pictures import link_picture
from tests.media import samples


def size_of(jpeg: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as image:
        return image.size


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_a_picture_of_some_size_is_shown_large(form: str) -> None:
    found = link_picture(samples.picture(form, size=(1600, 800)))
    assert found is not None
    assert found.large is not None
    assert size_of(found.small) == (192, 96)
    assert size_of(found.large) == (found.width, found.height) == (1024, 512)


@pytest.mark.parametrize("size", [(299, 299), (1300, 300)], ids=["small", "flat"])
def test_a_logo_stays_small(size: tuple[int, int]) -> None:
    found = link_picture(samples.picture(size=size))
    assert found is not None
    assert (found.large, found.width, found.height) == (None, 0, 0)


@pytest.mark.parametrize("content", [b"", b"<svg/>", samples.huge_png(), samples.picture()[:2000]])
def test_what_is_no_picture_or_a_bomb_is_left_out(content: bytes) -> None:
    assert link_picture(content) is None
