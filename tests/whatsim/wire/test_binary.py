"""The binary XML keeps every stanza as it was, and survives garbage."""

from __future__ import annotations

import contextlib
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatsim.wire.binary import JID_PAIR, LIST_8, MAX_DEPTH, Node, decode, encode
from whatsim.wire.errors import WireError

words = st.one_of(
    st.sampled_from(
        ["message", "receipt", "s.whatsapp.net", "12025550100@s.whatsapp.net", "1:3@lid", "@s.whatsapp.net"]
    ),
    st.text("0123456789.-", min_size=1, max_size=140),
    st.text("0123456789ABCDEF", min_size=1, max_size=140),
    st.text(min_size=1, max_size=300).filter(lambda text: "@" not in text),
)
names = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=20)
nodes = st.recursive(
    st.builds(Node, names, st.dictionaries(names, words, max_size=6), st.none() | st.binary(max_size=400)),
    lambda children: st.builds(Node, names, st.dictionaries(names, words, max_size=3), st.lists(children, min_size=1)),
    max_leaves=12,
)


@given(nodes)
def test_a_stanza_comes_back_as_it_was(node: Node) -> None:
    assert decode(encode(node)) == node


@given(nodes)
def test_a_compressed_stanza_comes_back_as_it_was(node: Node) -> None:
    assert decode(b"\x02" + zlib.compress(encode(node)[1:])) == node


@given(st.binary(max_size=200))
def test_garbage_raises_only_the_wire_error(data: bytes) -> None:
    with contextlib.suppress(WireError):
        decode(data)


@given(nodes, st.data())
def test_a_cut_stanza_raises_only_the_wire_error(node: Node, data: st.DataObject) -> None:
    encoded = encode(node)
    cut = data.draw(st.integers(0, len(encoded) - 1))
    with pytest.raises(WireError):
        decode(encoded[:cut])


def test_a_compression_bomb_is_refused() -> None:
    with pytest.raises(WireError):
        decode(b"\x02" + zlib.compress(bytes(64 << 20)))


def test_deep_nesting_is_refused() -> None:
    node = Node("a")
    for _ in range(MAX_DEPTH + 1):
        node = Node("a", {}, [node])
    with pytest.raises(WireError):
        decode(encode(node))


def test_a_jid_inside_a_jid_is_refused() -> None:
    with pytest.raises(WireError, match="JID inside a JID"):
        decode(bytes([0, LIST_8, 3, 3]) + bytes([JID_PAIR]) * 5_000)


def test_large_lists_and_large_content_use_the_wider_forms() -> None:
    node = Node("list", {}, [Node("item", {"id": str(number)}) for number in range(812)])
    assert decode(encode(node)) == node
    blob = Node("blob", {}, bytes(2 << 20))
    assert decode(encode(blob)) == blob
