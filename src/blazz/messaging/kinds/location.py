"""Places: a fixed one, or where somebody is at the moment (a live location, which changes by edits)."""

from __future__ import annotations

import math
from typing import Any

from pydantic import Field

from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import LiveLocationMessage, LocationMessage, Message
from blazz.kit.http import Model, RequestModel
from blazz.messaging.kinds.base import Content, Decoded, Draft, Kind, Lookup, Outgoing, Row
from blazz.messaging.kinds.unsupported import UNSUPPORTED

NAME_MAX, ADDRESS_MAX = 256, 1024  # characters


class LocationBody(RequestModel):
    """A place."""

    latitude: float = Field(ge=-90, le=90, allow_inf_nan=False)
    longitude: float = Field(ge=-180, le=180, allow_inf_nan=False)
    name: str | None = Field(None, max_length=NAME_MAX)
    address: str | None = Field(None, max_length=ADDRESS_MAX)
    url: str | None = Field(None, max_length=2048, pattern=r"^https?://")


class LocationPart(Model):
    """A place. A live one tells where the sender is; `sequence` rises with every move that reached this number."""

    latitude: float
    longitude: float
    name: str | None = None
    address: str | None = None
    url: str | None = None
    live: bool = False
    accuracy_m: int | None = None
    speed_mps: float | None = None
    heading_degrees: int | None = None
    sequence: int | None = None


class Location(Kind):
    """`locationMessage` and `liveLocationMessage`.

    WhatsApp shows the moves of a live location on phones only; a linked device gets the place where it began.
    """

    name = "location"
    fields = ("locationMessage", "liveLocationMessage")
    request = LocationBody
    view = LocationPart
    forwards = True

    def decode(self, message: Message, field: str) -> Decoded:
        part = getattr(message, field)
        if not _on_earth(part.degreesLatitude, part.degreesLongitude):
            return Decoded(UNSUPPORTED, None, {"kind": field})
        if field == "liveLocationMessage":
            return Decoded("location", part.caption or None, live(part))
        told = {"name": part.name, "address": part.address, "url": part.URL, "live": part.isLive}
        content = {**_point(part), **{key: value for key, value in told.items() if value}}
        return Decoded("location", part.comment or part.name or part.address or None, content)

    def draft(self, content: LocationBody, lookup: Lookup) -> Draft:
        return Draft(content.name or content.address, content.model_dump(exclude_none=True))

    def encode(self, outgoing: Outgoing) -> Message:
        content = outgoing.content
        part = LocationMessage(degreesLatitude=content["latitude"], degreesLongitude=content["longitude"])
        part.name, part.address, part.URL = (content.get(key) or "" for key in ("name", "address", "url"))
        return Message(locationMessage=part)

    def show(self, row: Row, file: Any) -> LocationPart:
        content = row["content"]
        return LocationPart.model_construct(
            **{key: content[key] for key in LocationPart.model_fields if key in content}
        )

    def preview(self, body: str | None, content: Content) -> str:
        return body or ""

    def copied(self, content: Content) -> dict[str, Any]:
        return {key: content[key] for key in LocationBody.model_fields if key in content}


def live(part: LiveLocationMessage) -> dict[str, Any]:
    """Return what a row keeps of a live location."""
    content: dict[str, Any] = {**_point(part), "live": True, "sequence": part.sequenceNumber}
    if part.accuracyInMeters:
        content["accuracy_m"] = part.accuracyInMeters
    if part.HasField("speedInMps") and math.isfinite(part.speedInMps):
        content["speed_mps"] = part.speedInMps
    if part.HasField("degreesClockwiseFromMagneticNorth"):
        content["heading_degrees"] = part.degreesClockwiseFromMagneticNorth
    return content


def moved(content: Content, part: LiveLocationMessage) -> dict[str, Any] | None:
    """Return the content of a live location after a move; None when the move is older than what is known."""
    new = live(part)
    if not content.get("live") or not _on_earth(part.degreesLatitude, part.degreesLongitude):
        return None
    if new["sequence"] <= content.get("sequence", 0):
        return None
    kept = {key: value for key, value in content.items() if key not in LocationPart.model_fields}
    return {**kept, **new}


def _point(part: LocationMessage | LiveLocationMessage) -> dict[str, Any]:
    return {"latitude": part.degreesLatitude, "longitude": part.degreesLongitude}


def _on_earth(latitude: float, longitude: float) -> bool:
    return abs(latitude) <= 90 and abs(longitude) <= 180  # false for what is no number, too
