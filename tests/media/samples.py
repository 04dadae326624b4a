"""Files for tests, made on the spot."""

from __future__ import annotations

import array
import io
import math
import struct
import zipfile
import zlib
from functools import cache

import av
from PIL import Image

MP4 = b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2" + b"\x00" * 64
OPUS = b"OggS\x00\x02" + b"\x00" * 22 + b"OpusHead\x01\x01" + b"\x00" * 32
MP3 = b"ID3\x04\x00\x00\x00\x00\x00\x00" + b"\x00" * 32
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< /Type /Catalog >>\nendobj\n"


def picture(form: str = "JPEG", size: tuple[int, int] = (640, 400), *, orientation: int | None = None) -> bytes:
    """A picture with some structure, so that cutting it off removes something."""
    image = Image.radial_gradient("L").resize(size).convert("RGB")
    out = io.BytesIO()
    if orientation is None:
        image.save(out, form)
    else:
        exif = Image.Exif()
        exif[0x0112] = orientation
        image.save(out, form, exif=exif)
    return out.getvalue()


def huge_png(width: int = 60_000, height: int = 60_000) -> bytes:
    """A PNG of a few bytes that claims billions of pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\x00" * 100)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def archive(*names: str) -> bytes:
    """A ZIP archive with these names in it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for name in names:
            made.writestr(name, "x")
    return out.getvalue()


def animation(size: tuple[int, int] = (60, 40), frames: int = 5, form: str = "GIF") -> bytes:
    """A picture that moves."""
    pictures = [Image.linear_gradient("L").resize(size).rotate(index * 40).convert("RGB") for index in range(frames)]
    out = io.BytesIO()
    pictures[0].save(out, form, save_all=True, append_images=pictures[1:], duration=100, loop=0)
    return out.getvalue()


def document(pages: int) -> bytes:
    """A PDF."""
    out = io.BytesIO()
    page = Image.new("RGB", (200, 300), "navy")
    page.save(out, "PDF", save_all=True, append_images=[page] * (pages - 1))
    return out.getvalue()


@cache
def sound(
    seconds: float = 1.0, *, codec: str = "libopus", form: str = "webm", layout: str = "mono", rate: int = 48_000
) -> bytes:
    """A tone that grows louder."""
    out = io.BytesIO()
    with av.open(out, "w", format=form) as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        assert isinstance(stream, av.AudioStream)
        _tone(container, stream, seconds)
    return out.getvalue()


@cache
def video(
    size: tuple[int, int] = (320, 180),
    seconds: float = 1.0,
    *,
    codec: str = "libx264",
    form: str = "mp4",
    fps: int = 10,
    silent: bool = False,
) -> bytes:
    """A film of a moving bar, bright at the left, with a tone."""
    out = io.BytesIO()
    with av.open(out, "w", format=form) as container:
        stream = container.add_stream(codec, rate=fps, options={"preset": "ultrafast"} if codec == "libx264" else {})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        tone = None if silent else container.add_stream("aac" if form == "mp4" else "libopus", rate=48_000)
        for index in range(round(seconds * fps)):
            picture = Image.new("RGB", size, "black")
            picture.paste("white", (0, 0, size[0] // 4 + index, size[1]))
            frame = av.VideoFrame.from_image(picture)  # type: ignore[no-untyped-call]
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if tone is not None:
            _tone(container, tone, seconds)
    return out.getvalue()


def filmed_sideways() -> bytes:
    """A film that says it must be turned clockwise by a quarter to be upright, as phones write it."""
    plain = bytearray(video(silent=True))
    header = plain.index(b"tkhd") + 4  # version, flags, times, track, duration, reserved, layer, volume; the matrix
    struct.pack_into(">9i", plain, header + 40, 0, 1 << 16, 0, -(1 << 16), 0, 0, 180 << 16, 0, 1 << 30)
    return bytes(plain)


def _tone(container: av.container.OutputContainer, stream: av.AudioStream, seconds: float) -> None:
    rate, size = stream.rate, 960
    fifo = av.AudioFifo()
    for start in range(0, round(rate * seconds), size):
        wave = array.array("h", (_level((start + at) / rate, seconds) for at in range(size)))
        frame = av.AudioFrame("s16", "mono", size)
        frame.planes[0].update(wave.tobytes())
        frame.sample_rate, frame.pts = rate, start
        fifo.write(frame)
    resampler = av.AudioResampler(stream.codec_context.format, stream.codec_context.layout, rate, size)
    while (part := fifo.read(size, partial=True)) is not None:
        part.pts = None
        for resampled in resampler.resample(part):
            container.mux(stream.encode(resampled))
    for resampled in resampler.resample(None):
        container.mux(stream.encode(resampled))
    container.mux(stream.encode(None))


def _level(at: float, seconds: float) -> int:
    return int(20_000 * at / seconds * math.sin(at * 440 * 2 * math.pi))
