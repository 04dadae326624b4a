"""File types by their first bytes (as registered with IANA and described in the formats' own specifications)."""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

HEAD_BYTES = 64 * 1024
_MAX_ARCHIVE_NAMES = 20_000


@dataclass(frozen=True, slots=True)
class FileType:
    """`active` content could act in a browser or on a machine and is never kept."""

    mime_type: str
    extension: str
    active: bool = False


# fmt: off
_ACTIVE_EXTENSIONS = frozenset({
    "apk", "appimage", "bat", "cmd", "cpl", "deb", "dll", "dmg", "exe", "hta", "htm", "html", "jar",
    "js", "jse", "jsx", "lnk", "mht", "mhtml", "mjs", "msi", "php", "ps1", "reg", "rpm", "scr",
    "sh", "svg", "svgz", "swf", "vb", "vbe", "vbs", "wasm", "wsf", "xht", "xhtml", "xml", "xsl",
    "xslt",
})
# fmt: on
_ACTIVE_TYPE = re.compile(
    r"(?:.*(?:html|xml|svg|script|x-sh|shockwave|wasm|msdownload|x-msdos|executable|package-archive|java-archive).*)"
)
_OFFICE_TYPE = re.compile(r"application/vnd\.(?:openxmlformats|oasis|ms-)[a-z0-9.+-]*")
_MARKUP = re.compile(
    r"\s*<(?:!doctype|!--|\?xml|html|head|body|script|svg|iframe|object|embed|img|style|link|meta|base|form|math|a|div|p"
    r"|table|title|br|h[1-6]|video|audio|template|xsl:)\b|\s*<(?:!doctype|!--|\?xml)",
    re.IGNORECASE,
)

_PREFIXES: tuple[tuple[bytes, FileType], ...] = (
    (b"\xff\xd8\xff", FileType("image/jpeg", "jpg")),
    (b"\x89PNG\r\n\x1a\n", FileType("image/png", "png")),
    (b"GIF87a", FileType("image/gif", "gif")),
    (b"GIF89a", FileType("image/gif", "gif")),
    (b"ID3", FileType("audio/mpeg", "mp3")),
    (b"#!AMR", FileType("audio/amr", "amr")),
    (b"fLaC", FileType("audio/flac", "flac")),
    (b"{\\rtf", FileType("application/rtf", "rtf")),
    (b"7z\xbc\xaf\x27\x1c", FileType("application/x-7z-compressed", "7z")),
    (b"Rar!\x1a\x07", FileType("application/vnd.rar", "rar")),
    (b"\x1f\x8b\x08", FileType("application/gzip", "gz")),
    (b"MZ", FileType("application/vnd.microsoft.portable-executable", "exe", active=True)),
    (b"\x7fELF", FileType("application/x-executable", "elf", active=True)),
    (b"\xcf\xfa\xed\xfe", FileType("application/x-mach-binary", "macho", active=True)),
    (b"\xca\xfe\xba\xbe", FileType("application/java-vm", "class", active=True)),
    (b"\x00asm", FileType("application/wasm", "wasm", active=True)),
    (b"#!", FileType("text/x-shellscript", "sh", active=True)),
)
_RIFF = {b"WEBP": FileType("image/webp", "webp"), b"WAVE": FileType("audio/wav", "wav")}
_OPEN_XML = {
    "word/": FileType("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"),
    "xl/": FileType("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"),
    "ppt/": FileType("application/vnd.openxmlformats-officedocument.presentationml.presentation", "pptx"),
}
_OPEN_DOCUMENT = {
    "application/vnd.oasis.opendocument.text": "odt",
    "application/vnd.oasis.opendocument.spreadsheet": "ods",
    "application/vnd.oasis.opendocument.presentation": "odp",
    "application/epub+zip": "epub",
}
_OLD_OFFICE = {
    "xls": FileType("application/vnd.ms-excel", "xls"),
    "ppt": FileType("application/vnd.ms-powerpoint", "ppt"),
}
_TEXTS = {
    "csv": FileType("text/csv", "csv"),
    "json": FileType("application/json", "json"),
    "md": FileType("text/markdown", "md"),
}
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif", b"avis"})
_MARKED_UP = FileType("text/html", "html", active=True)


def refused_by_name(filename: str | None, declared: str) -> bool:
    """Tell whether the name or the declared type says that the file is meant to act."""
    extension = extension_of(filename)
    if extension in _ACTIVE_EXTENSIONS:
        return True
    return bool(_ACTIVE_TYPE.fullmatch(declared)) and not _OFFICE_TYPE.fullmatch(declared)


def extension_of(filename: str | None) -> str:
    """Return the extension in lower case without its dot; empty when there is none."""
    return (filename or "").rstrip(" .").rpartition(".")[2].lower() if "." in (filename or "") else ""


def identify(head: bytes, file: Path, filename: str | None, declared: str) -> FileType | None:
    """Return the type of a file that starts with `head`, or None when it is unknown."""
    for prefix, found in _PREFIXES:
        if head.startswith(prefix):
            return found
    if head[:4] == b"RIFF" and head[8:12] in _RIFF:
        return _RIFF[head[8:12]]
    if head[4:8] == b"ftyp":
        return _iso_media(head[8:12], declared, extension_of(filename))
    if head[:4] == b"\x1aE\xdf\xa3":
        return _matroska(head, declared)
    if head[:4] == b"OggS":
        return _ogg(head)
    if len(head) > 2 and head[0] == 0xFF and head[1] & 0xF0 == 0xF0 and head[1] != 0xFE:  # FF FE opens UTF-16 text
        return _mpeg_frames(head[1])
    if b"%PDF-" in head[:1024]:
        return FileType("application/pdf", "pdf")
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return _archive(file)
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return _OLD_OFFICE.get(extension_of(filename), FileType("application/msword", "doc"))
    return _text(head, filename)


def _iso_media(brand: bytes, declared: str, extension: str) -> FileType | None:
    if brand in _HEIF_BRANDS:
        return None
    if brand in (b"M4A ", b"M4B ") or declared.startswith("audio/") or extension in ("m4a", "m4b"):
        return FileType("audio/mp4", "m4a")
    if brand == b"qt  ":
        return FileType("video/quicktime", "mov")
    if brand[:2] == b"3g":
        return FileType("video/3gpp", "3gp")
    return FileType("video/mp4", "mp4")


_PICTURE_CODECS = (b"V_VP8", b"V_VP9", b"V_AV1", b"V_MPEG")  # as Matroska's track headers name them


def _matroska(head: bytes, declared: str) -> FileType | None:
    if b"webm" in head[:64]:
        heard_only = b"A_" in head and not any(codec in head for codec in _PICTURE_CODECS)
        only = declared.startswith("audio/") or heard_only
        return FileType("audio/webm", "weba") if only else FileType("video/webm", "webm")
    return FileType("video/x-matroska", "mkv") if b"matroska" in head[:64] else None


def _ogg(head: bytes) -> FileType:
    if b"OpusHead" in head[:512]:
        # WhatsApp plays voice notes only when the codec is named
        return FileType("audio/ogg; codecs=opus", "ogg")
    if b"\x80theora" in head[:512]:
        return FileType("video/ogg", "ogv")
    return FileType("audio/ogg", "ogg")


def _mpeg_frames(second: int) -> FileType | None:
    layer = (second >> 1) & 0b11
    if layer == 0b00:
        return FileType("audio/aac", "aac")
    return FileType("audio/mpeg", "mp3") if layer in (0b01, 0b10) else None


def _archive(file: Path) -> FileType | None:
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()[:_MAX_ARCHIVE_NAMES]
            if "mimetype" in names and archive.getinfo("mimetype").file_size < 100:
                declared = archive.read("mimetype").decode("ascii", "replace").strip()
                if declared in _OPEN_DOCUMENT:
                    return FileType(declared, _OPEN_DOCUMENT[declared])
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError):
        return None
    if "[Content_Types].xml" in names:
        for folder, found in _OPEN_XML.items():
            if any(name.startswith(folder) for name in names):
                return found
    if "AndroidManifest.xml" in names or "META-INF/MANIFEST.MF" in names:
        return FileType("application/java-archive", "jar", active=True)
    return FileType("application/zip", "zip")


def _text(head: bytes, filename: str | None) -> FileType | None:
    text = _decoded(head)
    if text is None:
        return None
    if _MARKUP.match(text.lstrip("\ufeff")):
        return _MARKED_UP
    if text.lstrip("\ufeff").startswith("BEGIN:VCARD"):
        return FileType("text/vcard", "vcf")
    return _TEXTS.get(extension_of(filename), FileType("text/plain", "txt"))


def _decoded(head: bytes) -> str | None:
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return head[: len(head) // 2 * 2].decode("utf-16", "replace")
    if b"\x00" in head or any(byte < 32 and byte not in b"\t\n\r\x0c\x1b" for byte in head[:4096]):
        return None
    try:
        return head.decode("utf-8")
    except UnicodeDecodeError as error:
        if len(head) - error.start < 4:  # a character cut off at the end of the head
            return head[: error.start].decode("utf-8")
        return head.decode("cp1252", "replace")
