"""A small protobuf reader and writer for the few messages which the simulated network looks into.

A message is a dataclass whose fields are declared with `uint`, `real`, `text`, `blob`, `flag` or `message`:

    @dataclass(slots=True)
    class Hello(Record):
        ephemeral: bytes | None = blob(1)

Absent fields are None (empty lists when repeated). Unknown fields are skipped, of repeated scalars the last one counts.
"""

from __future__ import annotations

import dataclasses
import struct
from dataclasses import dataclass
from typing import Any, ClassVar, Self, TypeVar

from whatsim.wire.errors import WireError

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
_MAX_DEPTH = 24
_MASK_64 = (1 << 64) - 1
R = TypeVar("R", bound="Record")


def write_varint(out: bytearray, value: int) -> None:
    """Append `value` (0 to 2⁶⁴-1, negative ones in two's complement)."""
    value &= _MASK_64
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def write_bytes(out: bytearray, number: int, data: bytes) -> None:
    """Append a length-delimited field."""
    write_varint(out, number << 3 | LENGTH)
    write_varint(out, len(data))
    out += data


def write_uint(out: bytearray, number: int, value: int) -> None:
    """Append a varint field."""
    write_varint(out, number << 3)
    write_varint(out, value)


def read_fields(data: bytes) -> list[tuple[int, int | bytes]]:
    """Return (field number, value) in the order of the wire. Raises WireError when malformed."""
    fields: list[tuple[int, int | bytes]] = []
    at, end = 0, len(data)
    while at < end:
        key, at = _read_varint(data, at)
        form = key & 7
        if form == VARINT:
            value, at = _read_varint(data, at)
            fields.append((key >> 3, value))
            continue
        if form == LENGTH:
            size, at = _read_varint(data, at)
        elif form == FIXED64:
            size = 8
        elif form == FIXED32:
            size = 4
        else:
            raise WireError(f"unknown protobuf wire type {form}")
        if size > end - at:
            raise WireError("protobuf field is longer than its message")
        fields.append((key >> 3, data[at : at + size]))
        at += size
    return fields


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise WireError("malformed protobuf number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & _MASK_64, at
        shift += 7


@dataclass(frozen=True, slots=True)
class _Spec:
    number: int
    kind: str
    repeated: bool = False
    of: type[Record] | None = None


@dataclass(frozen=True, slots=True)
class _Slot:
    name: str
    spec: _Spec


def uint(number: int) -> Any:
    """Declare an optional integer (also for enumerations)."""
    return dataclasses.field(default=None, metadata={"pb": _Spec(number, "uint")})


def flag(number: int) -> Any:
    """Declare an optional boolean."""
    return dataclasses.field(default=None, metadata={"pb": _Spec(number, "flag")})


def text(number: int) -> Any:
    """Declare an optional string."""
    return dataclasses.field(default=None, metadata={"pb": _Spec(number, "text")})


def blob(number: int) -> Any:
    """Declare optional bytes."""
    return dataclasses.field(default=None, metadata={"pb": _Spec(number, "blob")})


def real(number: int) -> Any:
    """Declare an optional number of double precision."""
    return dataclasses.field(default=None, metadata={"pb": _Spec(number, "real")})


def texts(number: int) -> Any:
    """Declare a list of strings."""
    return dataclasses.field(default_factory=list, metadata={"pb": _Spec(number, "text", True)})


def blobs(number: int) -> Any:
    """Declare a list of bytes."""
    return dataclasses.field(default_factory=list, metadata={"pb": _Spec(number, "blob", True)})


def message(number: int, of: type[Record] | None) -> Any:
    """Declare an optional sub-message; None stands for the class that is being declared."""
    return dataclasses.field(default=None, metadata={"pb": _Spec(number, "message", of=of)})


def messages(number: int, of: type[Record]) -> Any:
    """Declare a list of sub-messages."""
    return dataclasses.field(default_factory=list, metadata={"pb": _Spec(number, "message", True, of)})


def packed_uints(number: int) -> Any:
    """Declare a packed list of integers."""
    return dataclasses.field(default_factory=list, metadata={"pb": _Spec(number, "packed", True)})


@dataclass(slots=True)
class Record:
    """Base of the declared messages."""

    _depth_limit: ClassVar[int] = _MAX_DEPTH

    def encode(self) -> bytes:
        """Return the serialised message; fields are written in the order of their declaration."""
        out = bytearray()
        for slot in _slots(type(self)).values():
            value = getattr(self, slot.name)
            if value is None:
                continue
            spec = slot.spec
            if spec.kind == "packed":
                inner = bytearray()
                for item in value:
                    write_varint(inner, item)
                write_bytes(out, spec.number, bytes(inner))
                continue
            for item in value if spec.repeated else (value,):
                _write_value(out, spec, item)
        return bytes(out)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Return the message. Raises WireError when malformed or nested deeper than 24 levels."""
        return _decode(cls, data, 0)


def _write_value(out: bytearray, spec: _Spec, value: Any) -> None:
    if spec.kind in ("uint", "flag"):
        write_uint(out, spec.number, int(value))
    elif spec.kind == "message":
        write_bytes(out, spec.number, value.encode())
    elif spec.kind == "real":
        write_varint(out, spec.number << 3 | FIXED64)
        out += struct.pack("<d", value)
    else:
        write_bytes(out, spec.number, value.encode() if spec.kind == "text" else value)


_SLOTS: dict[type[Record], dict[int, _Slot]] = {}


def _slots(cls: type[Record]) -> dict[int, _Slot]:
    slots = _SLOTS.get(cls)
    if slots is None:
        declared = [(field.name, field.metadata["pb"]) for field in dataclasses.fields(cls) if "pb" in field.metadata]
        slots = _SLOTS[cls] = {spec.number: _Slot(name, spec) for name, spec in declared}
    return slots


def _decode(cls: type[R], data: bytes, depth: int) -> R:
    if depth > _MAX_DEPTH:
        raise WireError("protobuf message is nested too deeply")
    slots = _slots(cls)
    record = cls()
    for number, raw in read_fields(data):
        slot = slots.get(number)
        if slot is None:
            continue
        spec = slot.spec
        value = _read_value(spec, cls, raw, depth)
        if spec.kind == "packed":
            getattr(record, slot.name).extend(value)
        elif spec.repeated:
            getattr(record, slot.name).append(value)
        else:
            setattr(record, slot.name, value)
    return record


def _read_value(spec: _Spec, owner: type[Record], raw: int | bytes, depth: int) -> Any:
    if spec.kind in ("uint", "flag"):
        if not isinstance(raw, int):
            raise WireError("protobuf field has another type than expected")
        return raw if spec.kind == "uint" else bool(raw)
    if spec.kind == "packed":
        return [raw] if isinstance(raw, int) else _unpack(raw)
    if isinstance(raw, int):
        raise WireError("protobuf field has another type than expected")
    if spec.kind == "message":
        return _decode(spec.of or owner, raw, depth + 1)
    if spec.kind == "real":
        if len(raw) != 8:
            raise WireError("protobuf field has another type than expected")
        return struct.unpack("<d", raw)[0]
    if spec.kind == "text":
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise WireError("protobuf text is not UTF-8") from error
    return raw


def _unpack(raw: bytes) -> list[int]:
    values: list[int] = []
    at = 0
    while at < len(raw):
        value, at = _read_varint(raw, at)
        values.append(value)
    return values
