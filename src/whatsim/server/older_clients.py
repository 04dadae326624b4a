"""Clients with an older dictionary: they know people by their numbers only and miss what comes too early.

Everything in the network is addressed by LID and written with the present dictionary. For an older client a stanza is
written anew as it leaves, and its confirmations, which name numbers, are matched to what waits under LIDs.
"""

from __future__ import annotations

from whatsim.server.world import World
from whatsim.wire.binary import Node
from whatsim.wire.jid import LID_SERVER, USER_SERVER, format_jid, parse_jid

# The client sets up its ciphers a moment after its last handshake message; stanzas before that are lost to it.
FIRST_STANZA_S = 0.05
_ADDRESSES = frozenset({"from", "participant", "recipient", "author", "jid"})
_FOR_LIDS = frozenset({"addressing_mode", "sender_pn", "participant_pn", "recipient_pn", "peer_recipient_pn"})
# What these say is about LIDs.
_UNTOUCHED = frozenset({"success", "pair-success"})


def by_number(world: World, node: Node) -> Node:
    """Return the stanza with LIDs of known people replaced by their numbers, beside which the LID is told."""
    if node.tag in _UNTOUCHED:
        return node
    attrs = {name: value for name, value in node.attrs.items() if name not in _FOR_LIDS}
    for name in _ADDRESSES & attrs.keys():
        attrs[name] = number_of(world, attrs[name])
    if node.tag == "message" and attrs["from"] != node.attrs["from"]:
        attrs["sender_lid"] = node.attrs["from"]
        if "addressing_mode" in node.attrs:
            attrs["addressing_mode"] = "pn"
    content = [by_number(world, child) for child in node.content] if isinstance(node.content, list) else node.content
    return Node(node.tag, attrs, content)


def number_of(world: World, address: str) -> str:
    """Return an address by number for one by LID; any other as it is."""
    return _exchanged(world, address, LID_SERVER, USER_SERVER)


def lid_of(world: World, address: str) -> str:
    """Return an address by LID for one by number; any other as it is."""
    return _exchanged(world, address, USER_SERVER, LID_SERVER)


def _exchanged(world: World, address: str, given: str, wanted: str) -> str:
    jid = parse_jid(address)
    phone = world.find(jid) if jid.server == given else None
    if phone is None:
        return address
    return format_jid(phone.lid if wanted == LID_SERVER else phone.number, jid.device, wanted)
