"""The one family of errors: each has a stable code, an HTTP status and a sentence that a person can act on."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field of a request: its path (`text.body`), a sentence, and a stable code."""

    field: str
    message: str
    code: str = "invalid"


@dataclass(slots=True)
class BlazzError(Exception):
    """An expected failure. `code` is part of the public API; `detail` is written for the person who must act."""

    code: str
    detail: str
    status: int = 400
    errors: list[FieldError] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    members: dict[str, str | int | float | None] = field(default_factory=dict)
    """Further members of the problem document, for programs."""

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"


def invalid(
    detail: str,
    *,
    code: str = "invalid_request",
    errors: list[FieldError] | None = None,
) -> BlazzError:
    """422: the request is understood and wrong."""
    return BlazzError(code, detail, 422, errors or [])


def unauthenticated(detail: str = "Sign in or send an API key.", *, code: str = "unauthenticated") -> BlazzError:
    """401: who is asking is not known."""
    return BlazzError(code, detail, 401, headers={"WWW-Authenticate": "Bearer"})


def forbidden(detail: str, *, code: str = "forbidden") -> BlazzError:
    """403: known, and not allowed."""
    return BlazzError(code, detail, 403)


def not_found(what: str) -> BlazzError:
    """404: there is no such thing in the caller's workspace (whether it exists in another is never told)."""
    return BlazzError("not_found", f"There is no such {what}.", 404)


def conflict(code: str, detail: str) -> BlazzError:
    """409: the state of the thing does not allow this now."""
    return BlazzError(code, detail, 409)


def too_many(detail: str, *, retry_after_s: int, code: str = "too_many_requests") -> BlazzError:
    """429, with `Retry-After` in whole seconds."""
    return BlazzError(code, detail, 429, headers={"Retry-After": str(max(1, retry_after_s))})


def unavailable(code: str, detail: str, *, retry_after_s: int = 2) -> BlazzError:
    """503: a part that this needs is away; the same call may work soon."""
    return BlazzError(code, detail, 503, headers={"Retry-After": str(retry_after_s)})
