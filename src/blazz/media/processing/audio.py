"""Sounds: length, waveform, and Opus in OGG with one channel, which is what WhatsApp's voice notes are."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from pathlib import Path

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer

from blazz.media.processing.containers import check_whole, length_of, opened
from blazz.media.processing.orders import WAVEFORM_SAMPLES, Made, Order, Progress, Unusable

OPUS = "audio/ogg; codecs=opus"
# What WhatsApp plays as an audio file without conversion (Cloud API, supported media types).
_AS_IT_IS = frozenset({"audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", OPUS})
_OPUS_RATE = 48_000
_OPUS_FRAME = 960  # 20 ms
_VOICE_BITS = 32_000
_AUDIO_BITS = 96_000
_LOUDNESS_RATE = 8_000  # enough to draw, and quick
_LOUDNESS_FRAME = 160


class Loudness:
    """Peaks of a sound, for its waveform and its length."""

    def __init__(self) -> None:
        self._resampler = AudioResampler("s16", "mono", _LOUDNESS_RATE, _LOUDNESS_FRAME)
        self._peaks: list[int] = []
        self._samples = 0

    def hear(self, frame: AudioFrame | None) -> None:
        """Take a frame; None at the end."""
        for part in self._resampler.resample(frame):
            heard = array("h", bytes(part.planes[0])[: part.samples * 2])
            self._samples += part.samples
            self._peaks.append(max(max(heard), -min(heard)) if heard else 0)

    @property
    def seconds(self) -> float:
        """The length so far."""
        return self._samples / _LOUDNESS_RATE

    def waveform(self) -> tuple[int, ...]:
        """Return 64 samples of 0 to 100, the loudest being 100; a silent sound is 0 throughout."""
        count = len(self._peaks)
        if not count:
            return (0,) * WAVEFORM_SAMPLES
        means = []
        for index in range(WAVEFORM_SAMPLES):
            start = index * count // WAVEFORM_SAMPLES
            part = self._peaks[start : max((index + 1) * count // WAVEFORM_SAMPLES, start + 1)]
            means.append(sum(part) / len(part))
        loudest = max(means)
        return tuple(round(mean * 100 / loudest) if loudest else 0 for mean in means)


def listen(source: Path, mime_type: str, progress: Progress) -> Made:
    """Return length and waveform. Raises Unusable."""
    loudness = Loudness()
    with opened(source, mime_type) as container:
        for frame in _heard(container, progress, loudness):
            loudness.hear(frame)
        loudness.hear(None)
        _check(container, loudness)
    return Made(seconds=loudness.seconds, waveform=loudness.waveform())


def voice(order: Order, progress: Progress) -> Made:
    """Make a voice note; one that is Opus with one channel already stays as it is. Raises Unusable."""
    with opened(order.source, order.mime_type) as container:
        fits = order.mime_type == OPUS and _stream(container).codec_context.layout.nb_channels == 1
    return listen(order.source, order.mime_type, progress) if fits else _convert(order, _VOICE_BITS, progress)


def audio(order: Order, progress: Progress) -> Made:
    """Make an audio file that WhatsApp plays; most are already. Raises Unusable."""
    if order.mime_type in _AS_IT_IS:
        return listen(order.source, order.mime_type, progress)
    return _convert(order, _AUDIO_BITS, progress)


def _convert(order: Order, bits: int, progress: Progress) -> Made:
    loudness = Loudness()
    with opened(order.source, order.mime_type) as source, av.open(str(order.target), "w", format="ogg") as target:
        out = target.add_stream("libopus", rate=_OPUS_RATE, options={"application": "voip"}, layout="mono")
        out.bit_rate = bits
        resampler = AudioResampler("s16", "mono", _OPUS_RATE, _OPUS_FRAME)
        for frame in _heard(source, progress, loudness):
            loudness.hear(frame)
            for part in resampler.resample(frame):
                target.mux(out.encode(part))
        loudness.hear(None)
        for part in resampler.resample(None):
            target.mux(out.encode(part))
        target.mux(out.encode(None))
        _check(source, loudness)
    return Made(OPUS, "ogg", seconds=loudness.seconds, waveform=loudness.waveform())


def _heard(container: InputContainer, progress: Progress, loudness: Loudness) -> Iterator[AudioFrame]:
    """Yield the sound with times of its own: what the file says of them may jump."""
    said = length_of(container)
    for frame in container.decode(_stream(container)):
        frame.pts = None
        yield frame
        if said:
            progress(min(loudness.seconds / said, 1.0))


def _stream(container: InputContainer) -> AudioStream:
    if not container.streams.audio:
        raise Unusable("There is no sound in the file.")
    return container.streams.audio[0]


def _check(container: InputContainer, loudness: Loudness) -> None:
    if not loudness.seconds:
        raise Unusable("There is no sound in the file.")
    check_whole(loudness.seconds, length_of(container))
