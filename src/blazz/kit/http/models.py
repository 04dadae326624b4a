"""Bases of the API's models: what we answer, what we accept, and pages of lists."""

from __future__ import annotations

from typing import Any, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

T = TypeVar("T")


class Model(BaseModel):
    """Something the API answers with. Moments are UTC and end in `Z`."""

    model_config = ConfigDict(frozen=True, from_attributes=True, ser_json_timedelta="float")


class RequestModel(BaseModel):
    """Something the API accepts: unknown fields and NUL characters (which not every database can store) are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_max_length=100_000)

    @model_validator(mode="before")
    @classmethod
    def _refuse_nul(cls, value: Any) -> Any:
        if _has_nul(value):
            raise PydanticCustomError("invalid_character", "Text must not contain the character U+0000.")
        return value


class Page(Model, Generic[T]):
    """One page of a list. Pass `next_cursor` as `cursor` to get the next one; null on the last page."""

    data: list[T]
    next_cursor: str | None = Field(None, description="Opaque; null on the last page.")

    @classmethod
    def last(cls, data: list[T]) -> Self:
        """A list that has only one page."""
        return cls(data=data, next_cursor=None)


def _has_nul(value: object) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any(_has_nul(key) or _has_nul(item) for key, item in value.items())
    return isinstance(value, list) and any(_has_nul(item) for item in value)
