"""Endpoints about messages: send, read what a phone shows, fetch media, mark read, type."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi import Path as PathParameter

from whatsim.control.errors import ControlError, invalid
from whatsim.control.language import Part
from whatsim.control.phones import Net
from whatsim.control.schemas import MAX_ID, MAX_IMAGE_BYTES, ImageBody, NewMessage, Number, Read, Typing
from whatsim.control.sources import decode
from whatsim.control.views import Message, Messages, ReadResult
from whatsim.model import ImageContent, OutgoingContent, RawContent, TextContent

# Types that a browser draws without being able to run anything in them; all others are offered as a download.
INLINE_TYPES = frozenset({"image/jpeg", "image/png", "image/webp", "image/gif", "audio/ogg", "audio/mpeg", "video/mp4"})

_SIGNATURES = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF8", "image/gif"),
)

router = APIRouter(prefix="/phones/{number}", tags=["messages"])


@router.post("/messages", status_code=201, summary="Send a message from this phone")
async def send_message(request: Request, network: Net, number: Number, body: NewMessage) -> Message:
    allowed: Path | None = request.app.state.allow_paths
    return Message.of(await network.send_message(number, body.to, _content(body, allowed)))


@router.get("/messages", summary="What the phone shows, in the order of arrival")
async def list_messages(
    network: Net,
    number: Number,
    after: Annotated[int, Query(ge=0, le=MAX_ID, description="Return messages with an id above this")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> Messages:
    views = network.messages(number, after, limit)
    last = views[-1].id if views else after
    return Messages(data=[Message.of(view) for view in views], next_after=last, more=len(views) == limit)


@router.get(
    "/messages/{message_id}/media",
    summary="A message's media, decrypted",
    response_class=Response,
    responses={200: {"content": {"*/*": {}}, "description": "The file"}},
)
async def get_media(
    network: Net, number: Number, message_id: Annotated[str, PathParameter(min_length=1, max_length=128)]
) -> Response:
    data, mimetype = network.media(number, message_id)
    plain = mimetype.partition(";")[0].strip().lower()
    inline = plain in INLINE_TYPES
    return Response(
        data,
        media_type=plain if inline else "application/octet-stream",
        headers={
            "Content-Disposition": "inline" if inline else "attachment",
            "Content-Security-Policy": "sandbox; default-src 'none'",
            "Cache-Control": "private, max-age=3600",
        },
    )


@router.post("/read", summary="Mark a chat's messages as read and tell the senders")
async def mark_read(network: Net, number: Number, body: Read) -> ReadResult:
    return ReadResult(read=await network.mark_read(number, body.chat, body.up_to))


@router.post("/typing", status_code=204, summary="Show the other side that this phone types")
async def typing(network: Net, number: Number, body: Typing) -> None:
    await network.typing(number, body.to, body.composing)


def _content(body: NewMessage, allowed: Path | None) -> OutgoingContent:
    if body.text is not None:
        return TextContent(body.text.body, body.text.reply_to, tuple(body.text.mentions))
    part = getattr(body, body.type)
    if isinstance(part, Part):
        return part.content()
    if body.raw is not None:
        return RawContent(decode(body.raw.base64, "raw.base64"))
    assert body.image is not None, "the schema allows exactly one content field"
    data = _image_bytes(body.image, allowed)
    mimetype = body.image.mimetype or _image_type(data)
    return ImageContent(data, mimetype, body.image.caption, body.image.view_once)


def _image_bytes(image: ImageBody, allowed: Path | None) -> bytes:
    if image.base64 is not None:
        data = decode(image.base64, "image.base64")
    else:
        data = _read_file(image.path or "", allowed)
    if len(data) > MAX_IMAGE_BYTES:
        raise ControlError(413, "image_too_large", f"A picture has at most {MAX_IMAGE_BYTES} bytes.")
    return data


def _read_file(path: str, allowed: Path | None) -> bytes:
    """Return a file's bytes (at most one more than a picture may have); only files beneath `allowed` are read."""
    if allowed is None:
        raise ControlError(403, "paths_not_allowed", "Start the network with --allow-paths DIR to send files by path.")
    try:
        file = (allowed / path).resolve(strict=True)
        if not file.is_relative_to(allowed.resolve()) or not file.is_file():
            raise invalid("image.path", "The file is not beneath the allowed directory.", "path_refused")
        with file.open("rb") as stream:
            return stream.read(MAX_IMAGE_BYTES + 1)
    except (OSError, ValueError, RuntimeError):
        raise invalid("image.path", "There is no such file beneath the allowed directory.", "path_refused") from None


def _image_type(data: bytes) -> str:
    """Return the picture's MIME type by its first bytes. Raises ControlError for what is no known picture."""
    for signature, mimetype in _SIGNATURES:
        if data.startswith(signature):
            return mimetype
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    raise invalid(
        "image", "This is no JPEG, PNG, GIF or WebP picture; name its mimetype if it is meant so.", "not_an_image"
    )
