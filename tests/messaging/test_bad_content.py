"""What a request for any kind may hold wrongly: a clear problem, and nothing stored."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from sqlalchemy import update

from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import Message
from blazz.kit.db import Platform
from blazz.kit.time import utc_now
from blazz.messaging.schemas import SendMessage
from blazz.messaging.tables import messages
from tests.messaging import wire
from tests.messaging.stage import Stage
from tests.support.app import problem

pytestmark = pytest.mark.anyio
TO = "+628110000101"
SOME = str(uuid.UUID(int=1))
INVITE = {"address": "120363000000000001@g.us", "code": "x", "expires_at": "2030-01-01T00:00:00Z", "name": "Team"}

WRONG: list[tuple[str, Any]] = [
    ("text", {}),
    ("text", {"body": ""}),
    ("text", {"body": "x" * 4097}),
    ("text", {"body": 7}),
    ("text", {"body": "x", "colour": "red"}),
    ("location", {"latitude": 91, "longitude": 0}),
    ("location", {"latitude": "north", "longitude": 0}),
    ("location", {"latitude": 1}),
    ("location", {"latitude": 1, "longitude": 1, "url": "javascript:alert(1)"}),
    ("location", {"latitude": 1, "longitude": 1, "name": "x" * 257}),
    ("contacts", []),
    ("contacts", [{"name": {}}]),
    ("contacts", [{"name": {"formatted_name": "A"}}] * 101),
    ("contacts", [{"name": {"formatted_name": "A"}, "phones": [{"wa_id": "none"}]}]),
    ("contacts", {"name": {"formatted_name": "A"}}),
    ("poll", {"question": "?", "options": ["one"]}),
    ("poll", {"question": "?", "options": ["same", "same"]}),
    ("poll", {"question": "?", "options": [str(n) for n in range(13)]}),
    ("poll", {"question": " ", "options": ["a", "b"]}),
    ("poll", {"question": "?", "options": ["a", "b" * 101]}),
    ("group_invite", {"address": "120363000000000001@g.us", "code": "x", "name": "Team"}),
    ("group_invite", {**INVITE, "address": "628110000101@s.whatsapp.net"}),
    ("group_invite", {**INVITE, "code": ""}),
    ("group_invite", {**INVITE, "expires_at": "2030-01-01"}),
    ("reaction", {"message_id": SOME}),
    ("reaction", {"message_id": "mine", "emoji": "x"}),
    ("reaction", {"message_id": SOME, "emoji": "x" * 33}),
    ("poll_vote", {"message_id": SOME}),
    ("edit", {"message_id": SOME, "text": {"body": " "}}),
    ("edit", {"message_id": SOME, "body": "x"}),
    ("delete", {"message_id": SOME, "for": "them"}),
    ("pin", {"message_id": SOME, "seconds": 5}),
    ("timer", {"seconds": 60}),
    ("forward", {}),
    ("interactive", {"type": "button", "body": {"text": "x"}}),
]


CONTRADICTIONS: list[dict[str, Any]] = [
    {"type": "text"},
    {"type": "text", "poll": {"question": "?", "options": ["a", "b"]}},
    {"type": "text", "text": {"body": "x"}, "timer": {"seconds": 0}},
    {"type": "button", "button": {"text": "x"}},
    {"type": "system", "system": {"event": "x"}},
    {"type": "timer", "timer": {"seconds": 0}, "context": {"forwarded": True}},
    {"type": "text", "text": {"body": "x"}, "context": {"mentions": ["nobody"]}},
    {"type": "text", "text": {"body": "x"}, "context": {"mentions": [SOME]}},
]


async def test_a_wrong_content_is_refused_and_nothing_is_stored(stage: Stage) -> None:
    for kind, content in WRONG:
        answer = await stage.owner.post("/messages", {"to": TO, "type": kind, kind: content})
        document = problem(answer, 422)
        assert document["errors"], (kind, content)
        assert document["errors"][0]["field"].startswith(kind), (kind, content)
    for body in CONTRADICTIONS:
        answer = await stage.owner.post("/messages", {"to": TO, **body})
        assert answer.status_code in (404, 422), (body, answer.text)
        assert answer.json()["code"]
    assert await stage.rows() == []
    assert (await stage.owner.get("/chats")).json()["data"] == []


async def test_what_may_not_be_done_with_a_message_is_said(stage: Stage) -> None:
    await stage.deliver(stage.inbound("hello", wa_message_id="3AHELLO"))
    (row,) = await stage.rows()
    theirs = {"message_id": str(row["id"])}
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("edit", {**theirs, "text": {"body": "x"}}, "not_yours"),
        ("delete", theirs, "not_yours"),
        ("poll_vote", {**theirs, "options": []}, "not_a_poll"),
        ("reaction", {"message_id": SOME, "emoji": "x"}, "message_not_in_chat"),
    ]
    for kind, content, code in cases:
        problem(await stage.owner.post("/messages", {"to": TO, "type": kind, kind: content}), 422, code)
    late = stage.inbound("mine", wa_message_id="3AMINE", from_me=True, author="")
    await stage.deliver(late)
    mine = next(one for one in await stage.rows() if one["from_me"])
    await _age(stage, mine["id"], days=3)
    for kind, content in (("edit", {"text": {"body": "x"}}), ("delete", {})):
        body = {"to": TO, "type": kind, kind: {"message_id": str(mine["id"]), **content}}
        problem(await stage.owner.post("/messages", body), 422, "too_late")
    assert len(await stage.rows()) == 2


async def test_a_poll_takes_the_votes_that_it_allows(stage: Stage) -> None:
    secret = bytes(range(32))
    await stage.deliver(
        stage.inbound(
            "", raw=wire.poll("One?", ["a", "b"], secret, 1, "pollCreationMessageV3"), wa_message_id="3APOLL"
        ),
        stage.inbound("", raw=wire.poll("No secret?", ["a", "b"], b"", 1), wa_message_id="3ABARE"),
    )
    ids = {row["wa_message_id"]: str(row["id"]) for row in await stage.rows()}
    cases = [
        ("3APOLL", ["a", "b"], "too_many_options"),
        ("3APOLL", ["c"], "unknown_option"),
        ("3ABARE", ["a"], "poll_not_votable"),
    ]
    for wa_id, options, code in cases:
        body = {"to": TO, "type": "poll_vote", "poll_vote": {"message_id": ids[wa_id], "options": options}}
        problem(await stage.owner.post("/messages", body), 422, code)
    assert len(await stage.rows()) == 2


async def test_what_is_seen_once_or_has_no_copy_is_not_forwarded(stage: Stage) -> None:
    once, invite = Message(), Message()
    once.viewOnceMessageV2.message.imageMessage.caption = "once"
    invite.groupInviteMessage.groupName = "Sailors"
    await stage.deliver(*(stage.inbound("", raw=message.SerializeToString()) for message in (once, invite)))
    for row in await stage.rows():
        body = {"to": TO, "type": "forward", "forward": {"message_id": str(row["id"])}}
        problem(await stage.owner.post("/messages", body), 422, "not_forwardable")
    assert len(await stage.rows()) == 2


async def test_buttons_are_refused_in_words(stage: Stage) -> None:
    body = {"to": TO, "type": "interactive", "interactive": {"type": "button", "action": {"buttons": []}}}
    assert "poll" in problem(await stage.owner.post("/messages", body), 422, "not_supported_by_provider")["detail"]


async def _age(stage: Stage, message_id: Any, *, days: int) -> None:
    def work(tx: Any) -> None:
        before = utc_now() - dt.timedelta(days=days)
        tx.execute(update(messages).where(messages.c.id == message_id).values(timestamp=before))

    await stage.owner.running.database.write(Platform("test"), work)


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)
_kinds = sorted({kind for kind, _ in WRONG})


@settings(max_examples=200)
@given(
    st.sampled_from(_kinds),
    st.dictionaries(st.sampled_from(["message_id", "body", "options", "seconds", "latitude", "text", "for"]), _values),
)
def test_any_content_is_taken_or_refused(kind: str, content: dict[str, Any]) -> None:
    try:
        SendMessage.model_validate({"to": TO, "type": kind, kind: content})
    except ValidationError:
        return
