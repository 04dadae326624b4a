"""The examples of docs/messages.md are sent as they are printed; the published schema agrees with them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from jsonschema_rs import validator_for

from blazz.messaging import kinds
from tests.messaging.stage import Stage
from tests.support.app import Person

_PAGE = Path(__file__).resolve().parents[2] / "docs" / "messages.md"
_EXAMPLE = re.compile(r"<!-- example: (?P<name>[a-z_]+) -->\n```json\n(?P<body>.*?)```", re.DOTALL)
pytestmark = pytest.mark.anyio


def examples() -> dict[str, str]:
    return {match["name"]: match["body"] for match in _EXAMPLE.finditer(_PAGE.read_text(encoding="utf-8"))}


Test = TypeVar("Test", bound=Callable[..., Any])


def shown_by_api(*names: str) -> Callable[[Test], Test]:
    """Mark a test as one that shows these kinds through the API."""

    def mark(test: Test) -> Test:
        for name in names:
            test = pytest.mark.kind(name, "api")(test)
        return test

    return mark


@shown_by_api("text", "reply", "location", "contacts", "poll", "poll_vote", "forward")
@shown_by_api("reaction", "edit", "pin", "delete", "timer")
async def test_every_example_is_taken_and_fits_the_published_schema(owner: Person) -> None:
    stage = await Stage.build(owner)
    await stage.deliver(stage.inbound("Are you open?"))
    (question,) = await stage.rows()
    ids: dict[str, Any] = {"MESSAGE": question["id"]}
    schema = (await owner.get("/schemas/message.json")).json()
    to_send = validator_for(schema)
    shown = validator_for({**schema, "$ref": "#/$defs/MessageView"})
    seen = set()
    for name, text in examples().items():
        for word, value in ids.items():
            text = text.replace(f"${word}", str(value))
        body = json.loads(text)
        to_send.validate(body)
        answer = await owner.post("/messages", body)
        assert answer.status_code == 202, (name, answer.text)
        shown.validate(answer.json())
        seen.add(body["type"])
        if name in ("text", "poll"):
            ids["OURS" if name == "text" else "POLL"] = answer.json()["id"]
    elsewhere = {kind.name for kind in kinds.SENDABLE if kind.media_class is not None}  # need a file
    assert seen | elsewhere | {"interactive"} == {kind.name for kind in kinds.SENDABLE}


async def test_the_schema_refuses_what_the_api_refuses(owner: Person) -> None:
    schema = (await owner.get("/schemas/message.json")).json()
    validator = validator_for(schema)
    for wrong in ({"to": "+628110000101", "type": "telepathy"}, {"type": "text", "text": {"body": "no recipient"}}):
        assert not validator.is_valid(wrong)
        assert (await owner.post("/messages", wrong)).status_code == 422
