"""The OpenAPI document: FastAPI's, with problem details instead of its own error shapes."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from blazz import __version__
from blazz.kit.http import PROBLEM_JSON, Problem, problems

DESCRIPTION = """
Everything that the web application does goes through this API.

**Who is asking.** Programs send an API key (`Authorization: Bearer blz_...`); the workspace follows from the key.
Browsers have a session cookie; their unsafe requests carry `X-CSRF-Token`.

**Errors** are problem details (RFC 9457). Decide by `code`; `detail` is a sentence for people.

**Lists** give `next_cursor`; pass it as `cursor` for the next page.

**Events.** Each workspace has one log with positions 1, 2, 3, ... Read it by `GET /api/v1/events?after=`, or follow it
by WebSocket at `/api/v1/events/ws?after=`: frames `ready`, `event`, `ephemeral`, and `ping` every 15 s, to be answered
by `{"type":"pong"}`. Close codes: 4400 bad request, 4401 unauthenticated, 4403 forbidden, 4408 too slow, 4410 position
expired.
"""

TAGS = [
    {"name": "sign-in", "description": "First set-up, signing in, oneself."},
    {"name": "workspaces", "description": "A company's place."},
    {"name": "people", "description": "Members and invitations."},
    {"name": "api-keys", "description": "Keys for programs."},
    {"name": "accounts", "description": "WhatsApp numbers and their connection."},
    {"name": "contacts", "description": "Customers."},
    {"name": "chats", "description": "Conversations."},
    {"name": "messages", "description": "Sending and reading messages."},
    {"name": "groups", "description": "WhatsApp groups: members, settings, invite links."},
    {"name": "media", "description": "Files."},
    {"name": "events", "description": "What happened."},
    {"name": "cluster", "description": "Instances and moves, for administrators of the installation."},
]
_METHODS = ("get", "put", "post", "delete", "patch", "head", "options")


def install_openapi(app: FastAPI) -> None:
    """Make `app.openapi()` return the document, made once."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _document(app: FastAPI) -> dict[str, Any]:
    made = get_openapi(
        title="Blazz",
        version=__version__,
        openapi_version="3.1.0",
        summary="Shared inbox, API and durable delivery for WhatsApp numbers.",
        description=DESCRIPTION.strip(),
        routes=app.routes,
        tags=TAGS,
        servers=[{"url": "/", "description": "This server"}],
    )
    components = made.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        components.pop(name, None)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    components.update(problem.pop("$defs", {}))
    components["Problem"] = problem
    for path, methods in made["paths"].items():
        for method, operation in methods.items():
            if method in _METHODS:
                has_input = "{" in path or method != "get" or bool(operation.get("parameters"))
                _complete(operation, has_input=has_input, names_thing="{" in path, changes=method != "get")
    return made


def _complete(operation: dict[str, Any], *, has_input: bool, names_thing: bool, changes: bool) -> None:
    """Give an operation the problems that every one of its kind may answer."""
    operation["tags"] = [tag.lower() for tag in operation.get("tags", [])]
    answers = operation["responses"]
    statuses = [500, 503]
    if has_input:
        statuses += [400, 422]
    if changes:
        statuses += [409]  # somebody else may change the same thing at the same time
    if names_thing:
        statuses += [404]
    if "requestBody" in operation:
        statuses += [413]
    if operation.get("security"):
        statuses += [400, 401, 403]
    if "422" in answers and PROBLEM_JSON not in answers["422"].get("content", {}):
        del answers["422"]
    for status, answer in problems(*statuses).items():
        answers.setdefault(str(status), answer)
    operation["responses"] = dict(sorted(answers.items()))
