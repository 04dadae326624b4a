"""Our encoding of stanzas and whatsmeow's agree in both directions, on well-formed stanzas and on broken ones."""

from __future__ import annotations

import random
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.interop.wirecheck import Wirecheck, b64, unb64
from whatsim.wire.binary import FREE_TEXT, Node, decode, encode
from whatsim.wire.errors import WireError
from whatsim.wire.jid import Jid, parse_jid
from whatsim.wire.tokens import dictionary

pytestmark = pytest.mark.engine

SEEDS = st.integers(0, 2**32)
BATCH = 100
_WORDS = [word for word in (*dictionary().single, *(word for page in dictionary().double for word in page)) if word]
# A tag of this word means the end of a stream to whatsmeow.
_WORDS.remove("0")
_LETTERS = "abcdefghijklmnopqrstuvwxyz_-"


class Maker:
    """Stanzas of every form that the encoding has, by chance."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def stanzas(self) -> list[Node]:
        return [self.node(0) for _ in range(BATCH)]

    def node(self, depth: int) -> Node:
        pick = self._random
        attrs = {self._name(): self._value() for _ in range(pick.choice((0, 1, 1, 2, 3, 5)))}
        content: list[Node] | bytes | None = None
        form = pick.random()
        if form < 0.4 and depth < 4:
            content = [self.node(depth + 1) for _ in range(pick.choice((1, 1, 2, 3)))]
        elif form < 0.7:
            content = pick.randbytes(pick.choice((0, 1, 20, 255, 256, 5_000)))
        return Node(self._name(), attrs, content)

    def changed(self) -> bytes:
        """Return an encoded stanza with up to three other bytes."""
        data = bytearray(encode(self.node(0)))
        for _ in range(self._random.randint(1, 3)):
            data[self._random.randrange(1, len(data))] = self._random.randrange(256)
        return bytes(data)

    def _name(self) -> str:
        return self._random.choice(_WORDS) if self._random.random() < 0.7 else self._of(_LETTERS, 20)

    def _value(self) -> str:
        pick = self._random
        match pick.randrange(7):
            case 0:
                return pick.choice(_WORDS)
            case 1:
                return self._of("0123456789.-", 140)
            case 2:
                return self._of("0123456789ABCDEF", 140)
            case 3:
                return "".join(chr(pick.choice((32, 97, 233, 0x4E2D, 0x1F600)) + pick.randrange(16)) for _ in range(9))
            case 4:
                return "x" * pick.choice((1, 255, 256, 300))
            case _:
                return str(self._jid())

    def _jid(self) -> Jid:
        pick = self._random
        user = self._of("0123456789", 15) if pick.random() < 0.7 else self._of(_LETTERS, 15)
        match pick.randrange(4):
            case 0:
                return Jid(user, pick.randrange(256), pick.choice(("s.whatsapp.net", "lid")))
            case 1:
                return Jid(user, pick.randrange(1, 256), pick.choice(("hosted", "hosted.lid")))
            case 2:
                return Jid(user, 0, pick.choice(("g.us", "broadcast", "newsletter", "c.us", "call", "bot")))
            case _:
                return Jid("", 0, pick.choice(("s.whatsapp.net", "g.us")))

    def _of(self, characters: str, most: int) -> str:
        return "".join(self._random.choices(characters, k=self._random.randint(1, most)))


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_whatsmeow_reads_what_we_write(library: Wirecheck, seed: int) -> None:
    nodes = Maker(seed).stanzas()
    inputs = [encode(node) for node in nodes] + [b"\x02" + zlib.compress(encode(node)[1:]) for node in nodes]
    outcomes = library.ask("node.decode", [b64(data) for data in inputs])
    assert [_node(outcome["node"]) for outcome in outcomes] == [_sent(node) for node in nodes] * 2


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_we_read_what_whatsmeow_writes(library: Wirecheck, seed: int) -> None:
    nodes = Maker(seed).stanzas()
    encoded = [unb64(text) for text in library.ask("node.encode", [_json(node) for node in nodes])]
    assert [decode(data) for data in encoded] == [_sent(node) for node in nodes]
    for node, data in zip(nodes, encoded, strict=True):
        # With more attributes their order is anyone's choice.
        if _is_ordered(node):
            assert encode(node) == data


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_of_a_changed_stanza_both_read_the_same_or_one_refuses_it(library: Wirecheck, seed: int) -> None:
    maker = Maker(seed)
    inputs = [maker.changed() for _ in range(BATCH)]
    outcomes = library.ask("node.decode", [b64(data) for data in inputs])
    for data, outcome in zip(inputs, outcomes, strict=True):
        try:
            ours = decode(data)
        except WireError:
            continue
        if "node" in outcome:
            assert _shape(_node(outcome["node"])) == _shape(ours), data.hex()


def test_what_people_write_is_no_address_even_if_it_looks_like_one(library: Wirecheck) -> None:
    node = Node("group", {"subject": "628110000001@s.whatsapp.net", "creator": "628110000001@s.whatsapp.net"})
    (outcome,) = library.ask("node.decode", [b64(encode(node))])
    assert outcome["node"]["attrs"] == node.attrs
    text, address = Node("group", {"subject": "1@lid"}), Node("group", {"creator": "1@lid"})
    assert b"1@lid" in encode(text)
    assert b"1@lid" not in encode(address)


def test_every_word_of_the_dictionary_is_the_same_byte(library: Wirecheck) -> None:
    nodes = [Node(word) for word in dict.fromkeys(_WORDS)]
    encoded = library.ask("node.encode", [_json(node) for node in nodes])
    assert [unb64(text) for text in encoded] == [encode(node) for node in nodes]


def _json(node: Node) -> dict[str, Any]:
    attrs: dict[str, Any] = {}
    for name, value in node.attrs.items():
        jid = parse_jid(value)
        attrs[name] = jid._asdict() if "@" in value and name not in FREE_TEXT else value
    written: dict[str, Any] = {"tag": node.tag, "attrs": attrs}
    if isinstance(node.content, bytes):
        written["data"] = b64(node.content)
    elif node.content:
        written["children"] = [_json(child) for child in node.content]
    return written


def _node(written: dict[str, Any]) -> Node:
    content: list[Node] | bytes | None = None
    if "data" in written:
        content = unb64(written["data"])
    elif written.get("children"):
        content = [_node(child) for child in written["children"]]
    return Node(written["tag"], written["attrs"] or {}, content)


def _sent(node: Node) -> Node:
    """Return the node as it arrives: nothing is made of an attribute without text."""
    content = [_sent(child) for child in node.content] if isinstance(node.content, list) else node.content
    return Node(node.tag, {name: value for name, value in node.attrs.items() if value}, content)


def _is_ordered(node: Node) -> bool:
    return len(node.attrs) < 2 and all(_is_ordered(child) for child in node.children)


def _shape(node: Node) -> Any:
    """Return what two readers must agree on, whatever each makes of bytes that are no text."""
    attrs = {name: value.encode("utf-8", "replace") for name, value in node.attrs.items() if value}
    content = node.content if isinstance(node.content, bytes) else None
    return (node.tag, attrs, [_shape(child) for child in node.children], content)
