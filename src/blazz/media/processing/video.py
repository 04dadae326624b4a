"""Videos: H.264 with AAC in MP4, 720p at most; looping ones without sound; square ones for video notes."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL.Image import Image

from blazz.media.pictures import previews
from blazz.media.processing.containers import check_whole, length_of, opened
from blazz.media.processing.orders import Made, Order, Progress, Unusable

MP4 = "video/mp4"
Steps = list[tuple[str, str]]
Shape = Callable[[VideoFrame, float], tuple[Steps, int, int]]
"""From the first picture and the frames a second to filters (name, arguments), width and height."""
NOTE_MAX_S = 60.0  # WhatsApp's limit of a video note
_SHORT_SIDE, _LONG_SIDE = 720, 1280
_NOTE_SIDE = 480
_MAX_FPS = 30
_MAX_PIXELS = 4096 * 4096  # what one frame may have before it is scaled
_COPIED_BITS = 4_000_000  # above this a video is encoded again, although its form fits
_X264 = {"crf": "28", "preset": "veryfast", "threads": "2"}
_AAC_RATE, _AAC_BITS, _AAC_FRAME = 44_100, 96_000, 1024


def video(order: Order, progress: Progress) -> Made:
    """Make an ordinary video; one that fits is only packed anew, without its metadata. Raises Unusable."""
    with opened(order.source, order.mime_type) as source:
        first = first_frame(source)
        if order.mime_type == MP4 and _fits(source, first):
            seconds = _copy(source, order.target, progress)
            return _made(first, first.width, first.height, seconds)
    return _encode(order, progress, _scaled, sound=True)


def gif(order: Order, progress: Progress) -> Made:
    """Make a silent video that clients play in a loop. Raises Unusable."""
    return _encode(order, progress, _scaled, sound=False)


def note(order: Order, progress: Progress) -> Made:
    """Make a square video, of at most a minute. Raises Unusable."""
    with opened(order.source, order.mime_type) as source:
        if (length_of(source) or 0.0) > NOTE_MAX_S + 1:
            raise Unusable(f"A video note lasts {NOTE_MAX_S:.0f} seconds at most.")
    return _encode(order, progress, _square, sound=True)


def look(source: Path, mime_type: str) -> Made:
    """Return size, length and first picture. Raises Unusable."""
    with opened(source, mime_type) as container:
        frame = first_frame(container)
        width, height = _upright(frame)
        made = _made(frame, width, height, length_of(container))
    return Made(
        width=width,
        height=height,
        seconds=made.seconds,
        jpeg=made.jpeg,
        thumbnail=made.thumbnail,
        placeholder=made.placeholder,
    )


def first_frame(container: InputContainer) -> VideoFrame:
    """Return the first picture and go back to the start. Raises Unusable when there is none, or it is too large."""
    if not container.streams.video:
        raise Unusable("There is no picture in the file.")
    stream = container.streams.video[0]
    if stream.width * stream.height > _MAX_PIXELS:
        raise Unusable("The video's picture is too large.")
    frame = next(container.decode(stream), None)
    if frame is None:
        raise Unusable("There is no picture in the file.")
    container.seek(0)
    return frame


def _fits(source: InputContainer, first: VideoFrame) -> bool:
    picture = source.streams.video[0].codec_context
    sound = source.streams.audio[0].codec_context if source.streams.audio else None
    return (
        picture.name == "h264"
        and first.format.name == "yuv420p"
        and first.rotation == 0
        and min(first.width, first.height) <= _SHORT_SIDE
        and max(first.width, first.height) <= _LONG_SIDE
        and (source.bit_rate or 0) <= _COPIED_BITS
        and (sound is None or sound.name == "aac")
    )


def _copy(source: InputContainer, target: Path, progress: Progress) -> float:
    """Pack picture and sound anew, the beginning first; returns the length in seconds."""
    said, until = length_of(source), 0.0
    streams: list[VideoStream | AudioStream] = [source.streams.video[0], *source.streams.audio[:1]]
    with _mp4(target) as out:
        pairs = {stream.index: out.add_stream_from_template(stream) for stream in streams}
        for packet in source.demux(*streams):
            if packet.dts is None:
                continue
            if packet.pts is not None and packet.time_base is not None:
                until = max(until, float((packet.pts + (packet.duration or 0)) * packet.time_base))
            packet.stream = pairs[packet.stream.index]
            out.mux(packet)
            if said:
                progress(min(until / said, 1.0))
    check_whole(until, said)
    return until


def _encode(
    order: Order,
    progress: Progress,
    shape: Callable[[VideoFrame, float], tuple[Steps, int, int]],
    *,
    sound: bool,
) -> Made:
    with opened(order.source, order.mime_type) as source, _mp4(order.target) as target:
        first = first_frame(source)
        stream = source.streams.video[0]
        rate = float(stream.average_rate or _MAX_FPS)
        steps, width, height = shape(first, rate)
        graph = _graph(first, stream.time_base or Fraction(1, 1000), steps)
        out = target.add_stream("libx264", rate=max(1, min(round(rate), _MAX_FPS)), options=_X264)
        out.width, out.height, out.pix_fmt = width, height, "yuv420p"
        out.codec_context.time_base = Fraction(1, 90_000)
        track = _Sound(source.streams.audio[0], target) if sound and source.streams.audio else None
        said, until = length_of(source), 0.0
        for frame in source.decode(stream, *([track.source] if track else [])):
            if isinstance(frame, AudioFrame):
                if track is not None:
                    track.take(frame)
                continue
            assert isinstance(frame, VideoFrame)
            until = max(until, float(frame.time or 0.0))
            if (frame.width, frame.height, frame.format.name) != (first.width, first.height, first.format.name):
                frame = frame.reformat(first.width, first.height, first.format.name)
            graph.vpush(frame)
            _drain(graph, out, target)
            if said:
                progress(min(until / said, 1.0))
        graph.vpush(None)
        _drain(graph, out, target)
        target.mux(out.encode(None))
        if track is not None:
            track.take(None)
        until = max(until, track.seconds if track else 0.0)
        check_whole(until, said)
        return _made(first, width, height, max(until, said or 0.0))


class _Sound:
    """The sound of a video, as AAC with two channels."""

    def __init__(self, source: AudioStream, target: OutputContainer) -> None:
        self.source = source
        self.seconds = 0.0
        self._target = target
        self._out = target.add_stream("aac", rate=_AAC_RATE, layout="stereo")
        self._out.bit_rate = _AAC_BITS
        self._resampler = AudioResampler("fltp", "stereo", _AAC_RATE, _AAC_FRAME)

    def take(self, frame: AudioFrame | None) -> None:
        """Take a frame; None at the end."""
        for part in self._resampler.resample(frame):
            self.seconds += part.samples / _AAC_RATE
            self._target.mux(self._out.encode(part))
        if frame is None:
            self._target.mux(self._out.encode(None))


def _graph(first: VideoFrame, time_base: Fraction, steps: Steps) -> Graph:
    graph = Graph()
    graph.threads = 1
    nodes = [graph.add_buffer(width=first.width, height=first.height, format=first.format, time_base=time_base)]
    nodes += [graph.add(name, arguments) for name, arguments in [*_turns(first), *steps, ("format", "yuv420p")]]
    graph.link_nodes(*nodes, graph.add("buffersink")).configure()
    return graph


def _drain(graph: Graph, out: VideoStream, target: OutputContainer) -> None:
    while True:
        try:
            frame = graph.vpull()
        except (av.BlockingIOError, av.EOFError):
            return
        frame.pict_type = 0
        target.mux(out.encode(frame))


def _turns(frame: VideoFrame) -> Steps:
    """Return the filters that set a picture upright that was filmed sideways."""
    turns = {90: [("transpose", "cclock")], -90: [("transpose", "clock")], 180: [("hflip", ""), ("vflip", "")]}
    turns[-180] = turns[180]
    return turns.get(round(frame.rotation / 90) * 90, [])


def _upright(frame: VideoFrame) -> tuple[int, int]:
    sideways = round(frame.rotation / 90) % 2 == 1
    return (frame.height, frame.width) if sideways else (frame.width, frame.height)


def _scaled(first: VideoFrame, rate: float) -> tuple[Steps, int, int]:
    width, height = _upright(first)
    factor = min(1.0, _SHORT_SIDE / min(width, height), _LONG_SIDE / max(width, height))
    width, height = (max(2, round(side * factor / 2) * 2) for side in (width, height))
    steps = [("scale", f"{width}:{height}"), ("setsar", "1")]
    return ([("fps", str(_MAX_FPS)), *steps] if rate > _MAX_FPS + 1 else steps), width, height


def _square(first: VideoFrame, rate: float) -> tuple[Steps, int, int]:
    side = min(_upright(first))
    target = min(_NOTE_SIDE, side // 2 * 2)
    steps = [("crop", f"{side}:{side}"), ("scale", f"{target}:{target}"), ("setsar", "1")]
    return ([("fps", str(_MAX_FPS)), *steps] if rate > _MAX_FPS + 1 else steps), target, target


def _made(frame: VideoFrame, width: int, height: int, seconds: float | None) -> Made:
    image: Image = frame.to_image()  # type: ignore[no-untyped-call]
    if frame.rotation:
        image = image.rotate(frame.rotation, expand=True)
    small = previews(image)
    return Made(MP4, "mp4", width, height, seconds, None, None, None, small.jpeg, small.thumbnail, small.placeholder)


def _mp4(target: Path) -> OutputContainer:
    return av.open(str(target), "w", format="mp4", options={"movflags": "+faststart"})
