"""Requests of the engine contract made from its own description: such as they should be, and with hostile values."""

from __future__ import annotations

import random

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

_MAX_DEPTH = 4
_ADDRESS = "628110000002@s.whatsapp.net"
_TEXTS = (
    "",
    _ADDRESS,
    "628110000002",
    "@",
    "@s.whatsapp.net",
    ":9999@lid",
    "1" * 300 + "@lid",
    "120363000000000001@g.us",
    "status@broadcast",
    "../../../etc/passwd",
    "/dev/zero",
    "Ω\u202e\x00\n",
    "x" * 100_000,
)
_BLOBS = (b"", b"\x0a\x01x", b"\xff" * 40, bytes(32), b"\x0a\xff\xff\xff\xff\x0f", bytes(200_000))
_NUMBERS = (0, 1, 2, 255, 2**31 - 1)
_FLOATS = (0.0, -1.0, 1e308, float("nan"), float("inf"))


def example(descriptor: Descriptor, session_id: str, depth: int = 0) -> Message:
    """Return a request in which every field is set to something sensible."""
    return _Maker(None, session_id).message(descriptor, depth)


def hostile(descriptor: Descriptor, session_id: str, pick: random.Random) -> Message:
    """Return a request to a session that exists, with about half of its fields set to what nobody should send."""
    return _Maker(pick, session_id).message(descriptor, 0)


class _Maker:
    def __init__(self, pick: random.Random | None, session_id: str) -> None:
        self._pick = pick
        self._session_id = session_id

    def message(self, descriptor: Descriptor, depth: int) -> Message:
        made: Message = GetMessageClass(descriptor)()
        for field in descriptor.fields:
            if field.type == FieldDescriptor.TYPE_MESSAGE and depth >= _MAX_DEPTH:
                continue
            for _ in range(self._times(field)):
                self._set(made, field, depth)
        return made

    def _times(self, field: FieldDescriptor) -> int:
        if self._pick is None or field.name in ("session_id", "epoch"):
            return 1
        return self._pick.choice((0, 1, 1, 3, 200)) if field.is_repeated else self._pick.choice((0, 1, 1))

    def _set(self, made: Message, field: FieldDescriptor, depth: int) -> None:
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            assert field.message_type is not None
            inner = self.message(field.message_type, depth + 1)
            place = getattr(made, field.name)
            (place.add() if field.is_repeated else place).CopyFrom(inner)
        elif field.is_repeated:
            getattr(made, field.name).append(self._value(field))
        else:
            setattr(made, field.name, self._value(field))

    def _value(self, field: FieldDescriptor) -> object:
        if field.name == "session_id":
            return self._session_id
        sensible = self._pick is None or self._pick.random() < 0.4
        pick = self._pick or random.Random(0)
        if field.type == FieldDescriptor.TYPE_STRING:
            return _ADDRESS if sensible else pick.choice(_TEXTS)
        if field.type == FieldDescriptor.TYPE_BYTES:
            return b"\x0a\x01x" if sensible else pick.choice(_BLOBS)
        if field.type in (FieldDescriptor.TYPE_FLOAT, FieldDescriptor.TYPE_DOUBLE):
            return 1.0 if sensible else pick.choice(_FLOATS)
        if field.type == FieldDescriptor.TYPE_ENUM:
            return 1 if sensible else pick.choice((0, 1, 99))
        return 1 if sensible or field.name == "epoch" else pick.choice(_NUMBERS)
