"""The control API's error family, rendered as problem details (RFC 9457) with stable codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from fastapi.responses import JSONResponse

PROBLEM_MEDIA_TYPE = "application/problem+json"


@dataclass(slots=True)
class ControlError(Exception):
    """A refusal that the caller can act on.

    `code` is stable and meant for programs, `detail` is a sentence for people, `errors` names single fields.
    """

    status: int
    code: str
    detail: str
    errors: Sequence[dict[str, str]] = field(default_factory=tuple)

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"


def problem(status: int, code: str, detail: str, errors: Sequence[dict[str, str]] = ()) -> JSONResponse:
    """Return the problem document as a response; `errors` is left out when empty."""
    body: dict[str, Any] = {
        "type": f"urn:whatsim:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
    }
    if errors:
        body["errors"] = list(errors)
    return JSONResponse(body, status_code=status, media_type=PROBLEM_MEDIA_TYPE, headers={"Cache-Control": "no-store"})


def invalid(field_name: str, message: str, code: str = "invalid_request") -> ControlError:
    """Return the error for one field whose value cannot be used (422)."""
    return ControlError(422, code, message, ({"field": field_name, "message": message},))
