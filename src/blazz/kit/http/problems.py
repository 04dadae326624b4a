"""Problem details (RFC 9457): every failure as `application/problem+json` with a stable code and a request id."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import Field
from sqlalchemy.exc import DataError, IntegrityError
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from blazz.kit.errors import BlazzError, FieldError
from blazz.kit.http.models import Model

PROBLEM_JSON = "application/problem+json"
_MAX_FIELD_ERRORS = 20

_CODES = {
    400: ("bad_request", "The request could not be understood."),
    404: ("not_found", "There is nothing at this address."),
    405: ("method_not_allowed", "This address does not know that method."),
    406: ("not_acceptable", "No answer in the wanted form."),
    413: ("body_too_large", "The body is larger than this address accepts."),
    415: ("unsupported_media_type", "Send the body as application/json."),
}


class ProblemField(Model):
    """One wrong field."""

    field: str = Field(description="Path of the field, such as `text.body`.")
    message: str
    code: str


class Problem(Model):
    """A failure, as RFC 9457 describes it."""

    type: str
    title: str
    status: int
    detail: str = Field(description="A sentence for the person who must act.")
    code: str = Field(description="Stable; decide by this, not by the text.")
    request_id: str
    errors: list[ProblemField] | None = None


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the `responses=` of a route that may fail with `statuses`."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }


def request_id_of(connection: HTTPConnection) -> str:
    """Return the id that the middleware gave to this request; empty outside of it."""
    return str(connection.scope.get("state", {}).get("request_id", ""))


def problem_document(error: BlazzError, request_id: str) -> dict[str, Any]:
    """Return `error` as the JSON object of RFC 9457."""
    document: dict[str, Any] = {
        **error.members,
        "type": f"urn:blazz:problem:{error.code}",
        "title": _title(error.status),
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
        "request_id": request_id,
    }
    if error.errors:
        document["errors"] = [
            {"field": item.field, "message": item.message, "code": item.code} for item in error.errors
        ]
    oldest = getattr(error, "oldest", None)
    if isinstance(oldest, int):
        document["oldest"] = oldest
    return document


def problem_response(connection: HTTPConnection, error: BlazzError) -> Response:
    """Return the HTTP answer for `error`."""
    body = json.dumps(problem_document(error, request_id_of(connection)), ensure_ascii=False)
    headers = {"Cache-Control": "no-store", **error.headers}
    return Response(body.encode("utf-8", "replace"), error.status, headers, PROBLEM_JSON)


def internal_error() -> BlazzError:
    """The answer to an unexpected failure: says nothing about its inside."""
    return BlazzError("internal_error", "Something went wrong here. Please tell us the request id.", 500)


def install_problem_handlers(app: FastAPI) -> None:
    """Make `app` answer every expected failure as problem details."""
    app.add_exception_handler(BlazzError, _on_blazz_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(IntegrityError, _on_integrity_error)
    app.add_exception_handler(DataError, _on_data_error)


async def _on_blazz_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, BlazzError)
    return problem_response(request, error)


async def _on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    fields = [_field_error(item) for item in error.errors()[:_MAX_FIELD_ERRORS]]
    first = fields[0] if fields else FieldError("", "The request is wrong.")
    detail = f"{first.field}: {first.message}" if first.field else first.message
    return problem_response(request, BlazzError("invalid_request", detail, 422, fields))


def _field_error(item: dict[str, Any]) -> FieldError:
    place = [str(part) for part in item["loc"]]
    if place and place[0] in ("body", "query", "path", "header", "cookie"):
        place = place[1:]
    return FieldError(".".join(place)[:200], str(item["msg"])[:300], str(item["type"])[:64])


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code, detail = _CODES.get(error.status_code, ("http_error", _title(error.status_code)))
    headers = dict(error.headers or {})
    return problem_response(request, BlazzError(code, detail, error.status_code, headers=headers))


async def _on_integrity_error(request: Request, _error: Exception) -> Response:
    # services check first; this is the race between two requests that both passed the check
    return problem_response(request, BlazzError("conflict", "Another request changed this at the same time.", 409))


async def _on_data_error(request: Request, _error: Exception) -> Response:
    return problem_response(request, BlazzError("invalid_request", "A value cannot be stored.", 422))


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
