"""Binary XML, the encoding of stanzas: nodes with a tag, string attributes and either child nodes or bytes.

A node is a list of 2 × attributes + 1 (+ 1 with content) items. Words of the dictionary are one or two bytes, digits
and upper-case hexadecimal text is packed two characters a byte, addresses have forms of their own.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, field

from whatsim.wire.errors import WireError
from whatsim.wire.jid import format_jid
from whatsim.wire.tokens import Dictionary, dictionary

LIST_EMPTY = 0
DICTIONARY_0, DICTIONARY_3 = 236, 239
INTEROP_JID, FB_JID, AD_JID = 245, 246, 247
LIST_8, LIST_16 = 248, 249
JID_PAIR = 250
HEX_8, BINARY_8, BINARY_20, BINARY_32, NIBBLE_8 = 251, 252, 253, 254, 255
_JIDS = frozenset({INTEROP_JID, FB_JID, AD_JID, JID_PAIR})

MAX_STANZA = 1 << 24  # the frame length has three bytes
MAX_DEPTH = 32

# A device address carries a domain byte in place of the server's name.
_DOMAINS = {"s.whatsapp.net": 0, "lid": 1, "hosted": 128, "hosted.lid": 129}
_DOMAIN_NAMES = {number: name for name, number in _DOMAINS.items()}
_JID = re.compile(
    r"([A-Za-z0-9._+-]*)(?::(\d{1,3}))?@(s\.whatsapp\.net|lid|g\.us|broadcast|newsletter|c\.us|hosted|hosted\.lid|call|bot)"
)
# What people and programs choose may look like an address and is none; clients refuse an address in these.
FREE_TEXT = frozenset({"id", "subject", "notify", "name", "display_name"})
_NIBBLES = "0123456789-."
_HEX = "0123456789ABCDEF"
_NIBBLE_TEXT = re.compile(r"[0-9.-]{1,127}")
_HEX_TEXT = re.compile(r"[0-9A-F]{1,127}")
_TO_HEX = str.maketrans("-.", "ab")
# What stands for no digit, among them the filler of an odd length, becomes a character that no text has.
_NO_DIGIT = "\0"
_NIBBLE_PAIRS = ["".join((_NIBBLES + _NO_DIGIT * 4)[digit] for digit in (b >> 4, b & 15)) for b in range(256)]


@dataclass(slots=True)
class Node:
    """One stanza or a part of it. Attributes with an empty value are not transmitted."""

    tag: str
    attrs: dict[str, str] = field(default_factory=dict)
    content: list[Node] | bytes | None = None

    @property
    def children(self) -> list[Node]:
        """The child nodes; empty for a node with bytes or nothing."""
        return self.content if isinstance(self.content, list) else []

    def child(self, tag: str) -> Node | None:
        """Return the first child with this tag."""
        for node in self.children:
            if node.tag == tag:
                return node
        return None

    def data(self, tag: str | None = None) -> bytes:
        """Return the bytes of this node or of the first child `tag`; raises WireError when there are none."""
        node = self if tag is None else self.child(tag)
        if node is None or not isinstance(node.content, bytes):
            raise WireError(f"<{self.tag}> lacks the bytes of <{tag or self.tag}>")
        return node.content

    def attr(self, name: str) -> str:
        """Return an attribute; raises WireError when it is absent."""
        try:
            return self.attrs[name]
        except KeyError:
            raise WireError(f"<{self.tag}> lacks the attribute {name}") from None

    def __str__(self) -> str:
        attrs = "".join(f" {name}={value!r}" for name, value in self.attrs.items())
        if isinstance(self.content, list):
            return f"<{self.tag}{attrs}>{''.join(map(str, self.content))}</{self.tag}>"
        if self.content is None:
            return f"<{self.tag}{attrs}/>"
        return f"<{self.tag}{attrs}>{len(self.content)} bytes</{self.tag}>"


def encode(node: Node, words: Dictionary | None = None) -> bytes:
    """Return the uncompressed form with its leading flag byte; `words` is another dictionary than the generated one."""
    out = bytearray(b"\0")
    _write_node(out, node, (words or dictionary()).codes)
    return bytes(out)


def _write_node(out: bytearray, node: Node, codes: dict[str, bytes]) -> None:
    attrs = [(name, value) for name, value in node.attrs.items() if value]
    content = node.content
    _write_list_size(out, 2 * len(attrs) + (1 if content is None else 2))
    _write_text(out, node.tag, codes)
    for name, value in attrs:
        _write_text(out, name, codes)
        if "@" in value and name not in FREE_TEXT and (match := _JID.fullmatch(value)) is not None:
            _write_jid(out, match, codes)
        else:
            _write_text(out, value, codes)
    if isinstance(content, list):
        _write_list_size(out, len(content))
        for child in content:
            _write_node(out, child, codes)
    elif content is not None:
        _write_bytes(out, content)


def _write_list_size(out: bytearray, size: int) -> None:
    if size == 0:
        out.append(LIST_EMPTY)
    elif size < 256:
        out.append(LIST_8)
        out.append(size)
    else:
        out.append(LIST_16)
        out += size.to_bytes(2, "big")


def _write_bytes(out: bytearray, data: bytes) -> None:
    size = len(data)
    if size < 256:
        out.append(BINARY_8)
        out.append(size)
    elif size < 1 << 20:
        out.append(BINARY_20)
        out += size.to_bytes(3, "big")
    else:
        out.append(BINARY_32)
        out += size.to_bytes(4, "big")
    out += data


def _write_text(out: bytearray, text: str, codes: dict[str, bytes]) -> None:
    code = codes.get(text)
    if code is not None:
        out += code
    elif _NIBBLE_TEXT.fullmatch(text):
        _write_packed(out, NIBBLE_8, text.translate(_TO_HEX))
    elif _HEX_TEXT.fullmatch(text):
        _write_packed(out, HEX_8, text)
    else:
        _write_bytes(out, text.encode())


def _write_packed(out: bytearray, form: int, digits: str) -> None:
    odd = len(digits) % 2
    out.append(form)
    out.append((len(digits) + 1) // 2 | (0x80 if odd else 0))
    out += bytes.fromhex(digits + "f" if odd else digits)


def _write_jid(out: bytearray, match: re.Match[str], codes: dict[str, bytes]) -> None:
    user, device, server = match.groups()
    if device and int(device) and int(device) < 256 and server in _DOMAINS:
        out += bytes((AD_JID, _DOMAINS[server], int(device)))
        _write_text(out, user, codes)
        return
    out.append(JID_PAIR)
    if user:
        _write_text(out, user, codes)
    else:
        out.append(LIST_EMPTY)
    _write_text(out, server, codes)


def decode(data: bytes, words: Dictionary | None = None) -> Node:
    """Return the node of one frame; `words` is another dictionary than the generated one.

    Raises WireError for anything malformed or too deep, for more than 16 MiB and for bytes after the node.
    """
    if not data:
        raise WireError("empty stanza")
    if data[0] & 2:
        data = b"\0" + _inflate(data[1:])
    reader = _Reader(data, words or dictionary())
    try:
        node = reader.node(0)
    except (IndexError, UnicodeDecodeError) as error:
        raise WireError("truncated or malformed stanza") from error
    if not reader.is_at_end:
        raise WireError("stanza has bytes after its end")
    return node


def _inflate(data: bytes) -> bytes:
    inflater = zlib.decompressobj()
    try:
        plain = inflater.decompress(data, MAX_STANZA)
    except zlib.error as error:
        raise WireError("compressed stanza cannot be inflated") from error
    if not inflater.eof:
        raise WireError("compressed stanza is truncated or too large")
    return plain


class _Reader:
    """Reads one stanza; running off the end raises IndexError, which `decode` turns into a WireError."""

    __slots__ = ("_at", "_data", "_double", "_single")

    def __init__(self, data: bytes, words: Dictionary) -> None:
        self._data = data
        self._at = 1
        self._single = words.single
        self._double = words.double

    @property
    def is_at_end(self) -> bool:
        return self._at == len(self._data)

    def node(self, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise WireError("stanza is nested too deeply")
        size = self._list_size(self._byte())
        if size == 0:
            raise WireError("node without tag")
        tag = self._text()
        attrs: dict[str, str] = {}
        for _ in range((size - 1) >> 1):
            name = self._text()
            attrs[name] = self._text()
        if size % 2:
            return Node(tag, attrs)
        return Node(tag, attrs, self._content(depth))

    def _byte(self) -> int:
        value = self._data[self._at]
        self._at += 1
        return value

    def _number(self, size: int) -> int:
        return int.from_bytes(self._take(size), "big")

    def _take(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._data):
            raise WireError("stanza ends too early")
        piece = self._data[self._at : end]
        self._at = end
        return piece

    def _list_size(self, form: int) -> int:
        if form == LIST_EMPTY:
            return 0
        if form == LIST_8:
            return self._byte()
        if form == LIST_16:
            return self._number(2)
        raise WireError(f"expected a list, found form {form}")

    def _content(self, depth: int) -> list[Node] | bytes | None:
        form = self._byte()
        if form == LIST_EMPTY:
            return None
        if form in (LIST_8, LIST_16):
            return [self.node(depth + 1) for _ in range(self._list_size(form))]
        if form in (BINARY_8, BINARY_20, BINARY_32):
            return self._blob(form)
        return self._word(form).encode()

    def _blob(self, form: int) -> bytes:
        if form == BINARY_8:
            return self._take(self._byte())
        if form == BINARY_20:
            return self._take(self._number(3) & 0xFFFFF)
        return self._take(self._number(4))

    def _text(self) -> str:
        form = self._data[self._at]
        self._at += 1
        if LIST_EMPTY < form < DICTIONARY_0:
            return self._single[form]
        if form in (BINARY_8, BINARY_20, BINARY_32):
            return self._blob(form).decode("utf-8")
        return self._word(form)

    def _word(self, form: int) -> str:
        if form == LIST_EMPTY:
            return ""
        if form < DICTIONARY_0:
            return self._single[form]
        if DICTIONARY_0 <= form <= DICTIONARY_3:
            return self._double[form - DICTIONARY_0][self._byte()]
        if form == NIBBLE_8:
            return self._packed(nibbles=True)
        if form == HEX_8:
            return self._packed(nibbles=False)
        if form in _JIDS:
            return self._jid(form)
        raise WireError(f"unknown form {form}")

    def _jid(self, form: int) -> str:
        if form == JID_PAIR:
            user = self._part()
            return f"{user}@{self._part()}"
        if form == AD_JID:
            domain, device = self._byte(), self._byte()
            return format_jid(self._part(), device, _DOMAIN_NAMES.get(domain, "s.whatsapp.net"))
        user = self._part()
        device = self._number(2)
        if form == INTEROP_JID:
            self._take(2)
        return format_jid(user, device, self._part())

    def _part(self) -> str:
        """Read a user or a server; a JID inside a JID is refused, as it would nest without end."""
        if self._data[self._at] in _JIDS:
            raise WireError("JID inside a JID")
        return self._text()

    def _packed(self, *, nibbles: bool) -> str:
        header = self._byte()
        data = self._take(header & 0x7F)
        text = "".join([_NIBBLE_PAIRS[byte] for byte in data]) if nibbles else data.hex().upper()
        if header & 0x80:
            text = text[:-1]
        if _NO_DIGIT in text:
            raise WireError("packed text with something else than digits")
        return text
