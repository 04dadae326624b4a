"""`blazz doctor` on the files of messages: may the store be used as it must be, and can files be converted here."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable

import obstore

from blazz.cli.doctor_findings import Finding, Level
from blazz.kit.errors import BlazzError
from blazz.kit.ids import uuid7
from blazz.kit.settings import Settings
from blazz.media.backend import Backend
from blazz.media.store import MediaStore

_PROBE_BYTES = 64 * 1024
_ROOT = "probe"
_SLOW_MS = 500.0  # people wait for a picture to be stored and shown
_DENIED = (obstore.exceptions.PermissionDeniedError, obstore.exceptions.UnauthenticatedError)


def check_media_store(settings: Settings) -> Finding:
    """Write, read, list and remove a probe object in the store, and in the second one while files are moved.

    Raises BlazzError with what is wrong in the settings.
    """
    needs_disk = "disk" in (settings.media_store, settings.media_second_store)
    if needs_disk and settings.media_path is None and not settings.media_dir.is_dir():
        return Finding("ok", "media store", f"{settings.media_dir} will be made at the first start")
    return asyncio.run(_check_stores(settings))


def check_converters() -> Finding:
    """See that PyAV's FFmpeg and Pillow can make what WhatsApp takes."""
    try:
        import av
        import PIL
        import pypdfium2  # type: ignore[import-untyped]
        from av.codec import codecs_available
        from PIL import features
    except ImportError as error:
        return Finding("fail", "converters", f"{error}; run: make setup")
    lacking = [f"{name} (encoder)" for name in ("libx264", "aac", "libopus") if not _encodes(name)]
    lacking += [f"{name} (decoder)" for name in ("h264", "hevc", "vp9", "opus", "mp3") if name not in codecs_available]
    lacking += [f"Pillow's {name}" for name in ("jpg", "webp", "zlib") if not features.check(name)]
    versions = f"Pillow {PIL.__version__}, PDFium {pypdfium2.PDFIUM_INFO}"
    said = f"PyAV {av.__version__} with FFmpeg {av.ffmpeg_version_info}, {versions}"
    if lacking:
        detail = f"{said}; lacking: {', '.join(lacking)}. Install the wheels of PyAV and Pillow: make setup"
        return Finding("fail", "converters", detail)
    return Finding("ok", "converters", f"{said}: H.264, AAC, Opus, JPEG and WebP are made here")


def _encodes(name: str) -> bool:
    from av.codec import Codec

    try:
        Codec(name, "w")
    except ValueError:  # PyAV's UnknownCodecError
        return False
    return True


async def _check_stores(settings: Settings) -> Finding:
    store = MediaStore.from_settings(settings)
    try:
        finding = await _check_backend(store.backend, settings)
        if store.second is None or finding.level == "fail":
            return finding
        other = await _check_backend(store.second, settings)
        levels: dict[Level, int] = {"ok": 0, "warn": 1, "fail": 2}
        worst = max(finding.level, other.level, key=levels.__getitem__)
        return Finding(worst, "media store", f"{finding.detail}. Second store: {other.detail}")
    finally:
        store.close()


async def _check_backend(place: Backend, settings: Settings) -> Finding:
    key, content = f"{_ROOT}/{uuid7()}", os.urandom(_PROBE_BYTES)
    took: dict[str, float] = {}

    async def write() -> bool:
        await place.put(key, content)
        return True

    async def read() -> bool:
        return await place.size(key) == len(content) and b"".join([chunk async for chunk in place.get(key)]) == content

    async def find() -> bool:
        return any(one.key == key for page in [page async for page in place.list(_ROOT)] for one in page)

    async def remove() -> bool:
        await place.delete(key)
        return await place.size(key) is None

    steps: list[tuple[str, str, Callable[[], Awaitable[bool]]]] = [
        ("writing", "s3:PutObject", write),
        ("reading", "s3:GetObject", read),
        ("listing", "s3:ListBucket", find),
        ("removing", "s3:DeleteObject", remove),
    ]
    exposed = False
    for verb, permission, step in steps:
        if verb == "removing" and place.directory is None:
            exposed = await _strangers_read(settings, key)
        began = time.perf_counter()
        problem = await _problem(step)
        took[verb] = (time.perf_counter() - began) * 1000
        if problem is not None:
            way_out = f"; the policy must allow {permission}" if place.directory is None else ""
            return Finding("fail", "media store", f"{place.name}: {verb} an object fails ({problem}){way_out}")
    told = f"{place.name}: written in {took['writing']:.0f} ms, read in {took['reading']:.0f} ms, listed, removed"
    if exposed:
        detail = f"{place.name}: anybody can read its files without a key; take public access away from the bucket"
        return Finding("fail", "media store", detail)
    slow = max(took["writing"], took["reading"]) > _SLOW_MS
    return Finding("warn" if slow else "ok", "media store", told + ("; that is slow" if slow else ""))


async def _problem(step: Callable[[], Awaitable[bool]]) -> str | None:
    """Return why a step failed, None when it did not."""
    try:
        return None if await step() else "what comes back is not what was stored"
    except (BlazzError, obstore.exceptions.BaseError, OSError) as error:
        cause = error.__cause__ or error
        if isinstance(cause, _DENIED):
            return "refused"
        return str(cause).partition("\n")[0][:200]


async def _strangers_read(settings: Settings, key: str) -> bool:
    """Tell whether an object can be read without any key."""
    try:
        return bool([chunk async for chunk in Backend.bucket(settings, signed=False).get(key)])
    except (obstore.exceptions.BaseError, OSError):
        return False
