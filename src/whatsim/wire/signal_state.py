"""The state of one Signal session and its compact form on disk."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from whatsim.wire.curve import KeyPair

# Stands for "no number" in the stored form.
_NONE = 0xFFFFFFFF


@dataclass(slots=True)
class Chain:
    """A receiving chain: the other side's ratchet key, the chain key and the number of the next message."""

    ratchet: bytes
    key: bytes
    index: int


@dataclass(slots=True)
class State:
    """One session. `base` is the initiator's base key, `pending` what a first message must repeat until answered."""

    root: bytes
    send_key: bytes
    send_index: int
    previous: int
    ratchet: KeyPair
    base: bytes
    pending: tuple[int | None, int] | None
    chains: list[Chain] = field(default_factory=list)
    skipped: dict[tuple[bytes, int], bytes] = field(default_factory=dict)


_FIXED = struct.Struct(">B32s32sII32s32s32sII")
_CHAIN = struct.Struct(">32s32sI")


def dump_state(state: State) -> bytes:
    """Return the stored form."""
    one_time_id, signed_id = state.pending if state.pending is not None else (None, _NONE)
    fixed = _FIXED.pack(
        1,
        state.root,
        state.send_key,
        state.send_index,
        state.previous,
        state.ratchet.private,
        state.ratchet.public,
        state.base,
        _NONE if one_time_id is None else one_time_id,
        signed_id,
    )
    parts = [fixed, bytes((len(state.chains),))]
    parts += [_CHAIN.pack(chain.ratchet, chain.key, chain.index) for chain in state.chains]
    parts += [_CHAIN.pack(ratchet, seed, index) for (ratchet, index), seed in state.skipped.items()]
    return b"".join(parts)


def load_state(data: bytes) -> State:
    """Undo `dump_state`."""
    _, root, send_key, send_index, previous, private, public, base, one_time_id, signed_id = _FIXED.unpack_from(data)
    pending = None if signed_id == _NONE else (None if one_time_id == _NONE else one_time_id, signed_id)
    state = State(root, send_key, send_index, previous, KeyPair(private, public), base, pending)
    at = _FIXED.size
    chains = data[at]
    entries = [_CHAIN.unpack_from(data, at + 1 + n * _CHAIN.size) for n in range((len(data) - at - 1) // _CHAIN.size)]
    state.chains = [Chain(ratchet, key, index) for ratchet, key, index in entries[:chains]]
    state.skipped = {(ratchet, index): seed for ratchet, seed, index in entries[chains:]}
    return state
