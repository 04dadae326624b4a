"""What the kinds with a file share: picture, video, audio and document differ in a few fields only."""

from __future__ import annotations

from typing import Any

from blazz.messaging.kinds.base import MediaReference, Outgoing, quote_context


def reference(part: Any, media_class: str, *, filename: str | None = None) -> MediaReference | None:
    """Return where the file of a media message is; None when the message does not say."""
    if not part.directPath or not part.mediaKey:
        return None
    return MediaReference(
        media_class=media_class,
        direct_path=part.directPath,
        media_key=part.mediaKey,
        file_enc_sha256=part.fileEncSHA256,
        file_sha256=part.fileSHA256,
        file_length=part.fileLength,
        mime_type=part.mimetype or "application/octet-stream",
        filename=filename,
        width=getattr(part, "width", 0) or None,
        height=getattr(part, "height", 0) or None,
        thumbnail=getattr(part, "JPEGThumbnail", b"") or None,
    )


def fill(part: Any, outgoing: Outgoing) -> None:
    """Write the upload's result, the type and the context into a media message."""
    uploaded, facts = outgoing.uploaded, outgoing.media
    if uploaded is None or facts is None:
        raise ValueError("a media message is written after its upload")
    part.URL = uploaded.url
    part.directPath = uploaded.direct_path
    part.mediaKey = uploaded.media_key
    part.fileEncSHA256 = uploaded.file_enc_sha256
    part.fileSHA256 = uploaded.file_sha256
    part.fileLength = uploaded.file_length
    part.mimetype = facts.mime_type
    if outgoing.quote is not None:
        part.contextInfo.CopyFrom(quote_context(outgoing.quote))
