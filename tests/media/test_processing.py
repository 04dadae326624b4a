"""What the child process makes of files, and what it refuses: orders like those that a worker gives it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image

from blazz.kit.errors import BlazzError
from blazz.media.processing import orders, runner
from blazz.media.processing.orders import Made, Order, Task, Unusable
from tests.media import samples

pytestmark = pytest.mark.anyio
OPUS = "audio/ogg; codecs=opus"


class Bench:
    """Gives orders and looks at what comes."""

    def __init__(self, directory: Path) -> None:
        self.target = directory / "made"
        self._source = directory / "source"
        self.progress: list[int] = []

    async def make(self, task: Task, content: bytes, mime_type: str) -> Made:
        self._source.write_bytes(content)
        self.target.unlink(missing_ok=True)
        return await runner.run(Order(task, self._source, self.target, mime_type), self.progress.append)

    async def refuse(self, task: Task, content: bytes, mime_type: str) -> str:
        with pytest.raises(Unusable) as caught:
            await self.make(task, content, mime_type)
        assert not self.target.exists()
        return str(caught.value)

    def streams(self) -> dict[str, str]:
        with av.open(str(self.target)) as container:
            return {stream.type: stream.codec_context.name for stream in container.streams}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def test_a_recording_of_a_browser_becomes_a_voice_note(bench: Bench) -> None:
    made = await bench.make("voice", samples.sound(2.0, layout="stereo"), "audio/webm")
    assert (made.mime_type, made.extension) == (OPUS, "ogg")
    assert made.seconds == pytest.approx(2.0, abs=0.1)
    assert made.waveform is not None
    assert len(made.waveform) == 64
    assert max(made.waveform) == 100
    assert made.waveform[5] < made.waveform[30] < made.waveform[60], "the tone grows louder"
    with av.open(str(bench.target)) as container:
        stream = container.streams.audio[0]
        assert (stream.codec_context.name, stream.codec_context.layout.nb_channels) == ("opus", 1)
    assert bench.progress == sorted(bench.progress)


async def test_a_sound_that_fits_stays_and_is_listened_to(bench: Bench) -> None:
    for task, content, mime_type in (
        ("voice", samples.sound(1.0, form="ogg"), OPUS),
        ("audio", samples.sound(1.0, codec="aac", form="mp4"), "audio/mp4"),
    ):
        made = await bench.make(task, content, mime_type)  # type: ignore[arg-type]
        assert made.mime_type is None
        assert made.seconds == pytest.approx(1.0, abs=0.1)
        assert made.waveform is not None
        assert not bench.target.exists()


async def test_a_sound_that_whatsapp_does_not_play_is_converted(bench: Bench) -> None:
    made = await bench.make("audio", samples.sound(1.0, codec="pcm_s16le", form="wav"), "audio/wav")
    assert made.mime_type == OPUS
    assert bench.streams() == {"audio": "opus"}


async def test_a_large_video_becomes_720p_at_30_pictures_a_second(bench: Bench) -> None:
    made = await bench.make("video", samples.video((1920, 1080), 0.5, fps=60), "video/mp4")
    assert (made.mime_type, made.width, made.height) == ("video/mp4", 1280, 720)
    assert made.jpeg is not None
    assert made.jpeg.startswith(b"\xff\xd8")
    assert bench.streams() == {"video": "h264", "audio": "aac"}
    with av.open(str(bench.target)) as container:
        assert container.streams.video[0].frames <= 16
    assert b"moov" in bench.target.read_bytes()[:4096], "a player can begin before all of it is there"


async def test_a_video_that_fits_is_only_packed_anew(bench: Bench) -> None:
    content = samples.video()
    made = await bench.make("video", content, "video/mp4")
    assert (made.width, made.height) == (320, 180)
    assert made.seconds == pytest.approx(1.0, abs=0.2)
    assert bench.streams() == {"video": "h264", "audio": "aac"}
    assert b"Lavf" not in content[:1] + bench.target.read_bytes()[:40]


async def test_a_video_of_another_form_is_converted(bench: Bench) -> None:
    await bench.make("video", samples.video(codec="libvpx", form="webm"), "video/webm")
    assert bench.streams() == {"video": "h264", "audio": "aac"}


async def test_a_video_filmed_sideways_is_set_upright(bench: Bench) -> None:
    made = await bench.make("video", samples.filmed_sideways(), "video/mp4")
    assert (made.width, made.height) == (180, 320)
    with av.open(str(bench.target)) as container:
        frame = next(container.decode(container.streams.video[0]))
        upright: Any = frame.to_image().convert("L")  # type: ignore[no-untyped-call]
    assert upright.getpixel((90, 10)) > 200, "what was at the left is at the top"
    assert upright.getpixel((90, 300)) < 50
    assert made.thumbnail is not None
    with Image.open(io.BytesIO(made.thumbnail)) as thumbnail:
        assert thumbnail.height > thumbnail.width
        top: Any = thumbnail.convert("L").getpixel((thumbnail.width // 2, 5))
        assert top > 200
    seen = await bench.make("probe", samples.filmed_sideways(), "video/mp4")
    assert (seen.mime_type, seen.width, seen.height) == (None, 180, 320)
    assert seen.seconds == pytest.approx(1.0)


async def test_a_moving_picture_becomes_a_silent_video(bench: Bench) -> None:
    made = await bench.make("gif", samples.animation((61, 41)), "image/gif")
    assert (made.width, made.height) == (60, 40), "H.264 wants even sides"
    assert bench.streams() == {"video": "h264"}
    await bench.make("gif", samples.video(), "video/mp4")
    assert bench.streams() == {"video": "h264"}


async def test_a_video_note_is_square_and_not_long(bench: Bench) -> None:
    made = await bench.make("note", samples.video(), "video/mp4")
    assert made.width == made.height == 180
    assert "60 seconds" in await bench.refuse("note", samples.video((32, 32), 70.0, fps=1, silent=True), "video/mp4")


async def test_a_picture_is_set_upright_and_loses_what_the_camera_wrote(bench: Bench) -> None:
    made = await bench.make("image", samples.picture(orientation=6), "image/jpeg")
    assert (made.mime_type, made.width, made.height) == ("image/jpeg", 400, 640)
    with Image.open(bench.target) as image:
        assert image.size == (400, 640)
        assert not image.getexif()
    large = await bench.make("image", samples.picture("PNG", (5000, 100)), "image/png")
    assert large.width == 4096


async def test_stickers_are_squares_of_512_pixels_still_or_moving(bench: Bench) -> None:
    made = await bench.make("sticker", samples.picture("PNG"), "image/png")
    assert (made.mime_type, made.width, made.height, made.animated) == ("image/webp", 512, 512, False)
    with Image.open(bench.target) as image:
        corner: Any = image.convert("RGBA").getpixel((256, 2))
        assert corner[3] == 0, "what is not covered is transparent"
    moving = await bench.make("sticker", samples.animation(frames=4), "image/gif")
    assert moving.animated
    with Image.open(bench.target) as image:
        assert (image.size, image.n_frames) == ((512, 512), 4)  # type: ignore[attr-defined]
    kept = await bench.make("sticker", samples.animation((512, 512), 3, "WEBP"), "image/webp")
    assert (kept.mime_type, kept.animated) == (None, True)


async def test_a_document_is_counted_and_its_first_page_drawn(bench: Bench) -> None:
    made = await bench.make("probe", samples.document(3), "application/pdf")
    assert made.pages == 3
    assert made.thumbnail is not None
    assert made.jpeg is not None


@pytest.mark.parametrize(
    ("task", "content", "mime_type"),
    [
        ("video", samples.video()[:3000], "video/mp4"),
        ("video", samples.video(seconds=3.0)[:-9000], "video/mp4"),
        ("video", samples.sound(1.0, codec="aac", form="mp4"), "video/mp4"),
        ("video", samples.PDF, "application/pdf"),
        ("voice", samples.sound(2.0)[:2000], "audio/webm"),
        ("voice", samples.video(silent=True), "audio/mp4"),
        ("voice", b"\x1aE\xdf\xa3" + b"x" * 1000, "audio/webm"),
        ("gif", b"GIF89a" + b"\x00" * 20, "image/gif"),
        ("image", samples.huge_png(), "image/png"),
        ("image", samples.picture()[:4000], "image/jpeg"),
        ("sticker", samples.picture("WEBP")[:300], "image/webp"),
        ("probe", samples.PDF, "application/pdf"),
        ("probe", b"#EXTM3U\nfile:///etc/passwd\n", "video/mp4"),
    ],
    ids=range(13),
)
async def test_what_is_damaged_false_or_too_large_is_refused_with_a_reason(
    bench: Bench, task: Task, content: bytes, mime_type: str
) -> None:
    assert (await bench.refuse(task, content, mime_type)).endswith(".")


async def test_what_takes_too_long_is_ended(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(orders.TIME_LIMIT_S, "video", 0.05)
    assert "too long" in await bench.refuse("video", samples.video(), "video/mp4")


async def test_a_child_that_dies_is_no_more_than_a_refused_file(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_CHILD", ("-c", "import os; os.abort()"))
    assert "could not be processed" in await bench.refuse("video", samples.video(), "video/mp4")


@pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL"])
async def test_a_child_that_somebody_ends_says_nothing_about_the_file(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(runner, "_CHILD", ("-c", f"import os, signal; os.kill(os.getpid(), signal.{name})"))
    with pytest.raises(BlazzError, match="ended from outside") as caught:
        await bench.make("video", samples.video(), "video/mp4")
    assert caught.value.status == 503


async def test_what_would_fill_the_memory_is_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    eats = "import sys; sys.stdin.readline(); from blazz.media.processing import child, orders; "
    eats += "child._bound(orders.Order('image', None, None, '')); x = bytearray(3 * 1024 ** 3)"
    monkeypatch.setattr(runner, "_CHILD", ("-c", eats))
    assert "needs too much" in await bench.refuse("image", samples.picture(), "image/jpeg")
