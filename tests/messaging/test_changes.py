"""Messages that change others: in any order, once, by those who may, and taken back when they could not be sent."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
from typing import Any

import pytest

from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import Message
from blazz.kit.db import Workspaces
from blazz.kit.time import utc_now
from blazz.messaging import admins, outbox
from blazz.messaging.inbound import prepare, store_messages
from blazz.messaging.kinds.envelope import secret_bytes
from blazz.messaging.outbox import SendResult
from tests.messaging import wire
from tests.messaging.stage import Stage
from tests.support.app import Person, problem

pytestmark = [pytest.mark.anyio]
AYU = "628110000101@s.whatsapp.net"
SECRET = bytes(range(32))


async def shown(stage: Stage, row: dict[str, Any]) -> Any:
    answer = await stage.owner.get(f"/messages/{row['id']}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def target(stage: Stage, wa_id: str = "3ATARGET") -> dict[str, Any]:
    return next(row for row in await stage.rows() if row["wa_message_id"] == wa_id)


def first(stage: Stage, body: str = "first", **changes: Any) -> Any:
    return stage.inbound(body, **{"raw": wire.text(body, SECRET), "wa_message_id": "3ATARGET", **changes})


def later(stage: Stage, raw: bytes, seconds: int = 1, **changes: Any) -> Any:
    return stage.inbound("", raw=raw, timestamp=utc_now() + dt.timedelta(seconds=seconds), **changes)


async def send(stage: Stage, kind: str, content: Any, status: int = 202, **fields: Any) -> Any:
    body = {"to": "+628110000101", "type": kind, kind: content, **fields}
    answer = await stage.owner.post("/messages", body)
    assert answer.status_code == status, answer.text
    return answer.json()


async def finish(stage: Stage, outcome: str) -> None:
    """Let everything that waits be sent, or fail."""

    def work(tx: Any) -> None:
        items = outbox.claim(tx, [stage.account_id], 100, utc_now())
        results = [
            SendResult.sent(item, utc_now()) if outcome == "sent" else SendResult.failed(item, "refused", "No.")
            for item in items
        ]
        outbox.record_results(tx, results)

    await stage.owner.running.database.write(Workspaces.of([stage.owner.workspace_id]), work)


async def names(stage: Stage) -> list[str]:
    return [event["name"] for event in (await stage.owner.get("/events", after=0, limit=200)).json()["data"]]


@pytest.mark.every_database
@pytest.mark.parametrize("together", ["one batch", "one commit", "two commits"])
@pytest.mark.parametrize("order", ["target first", "change first"])
async def test_a_change_finds_its_target_in_any_order(stage: Stage, order: str, together: str) -> None:
    batch = [first(stage), later(stage, wire.reaction("3ATARGET", "👍", from_me=True))]
    if order == "change first":
        batch.reverse()
    scope, database = Workspaces.of([stage.owner.workspace_id]), stage.owner.running.database

    def keep(value: bytes, context: str) -> bytes:
        return value

    if together == "one batch":
        await stage.deliver(*batch)
    elif together == "one commit":
        await asyncio.gather(*(database.write(scope, store_messages, prepare([message]), keep) for message in batch))
    else:
        for message in batch:
            await stage.deliver(message)
    message = await shown(stage, await target(stage))
    assert [(one["emoji"], one["author"]) for one in message["reactions"]] == [("👍", AYU)]
    assert (await names(stage)).count("message.reaction") == 1
    chat = (await stage.owner.get("/chats")).json()["data"][0]
    assert (chat["unread_count"], chat["last_message"]["preview"]) == (1, "first")
    listed = (await stage.owner.get(f"/chats/{chat['id']}/messages")).json()["data"]
    assert [one["id"] for one in listed] == [message["id"]]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4)))[::4])
async def test_whatever_the_order_the_latest_change_counts(stage: Stage, order: tuple[int, ...]) -> None:
    batch = [
        first(stage),
        later(stage, wire.edit("3ATARGET", "second"), 1),
        later(stage, wire.edit("3ATARGET", "third"), 2),
        later(stage, wire.reaction("3ATARGET", "", from_me=True), 4),
    ]
    for index in order:
        await stage.deliver(batch[index])
        if index == 3:
            await stage.deliver(later(stage, wire.reaction("3ATARGET", "👎", from_me=True), 3))
    message = await shown(stage, await target(stage))
    assert (message["text"]["body"], message["reactions"]) == ("third", [])
    changes = (await stage.owner.get(f"/messages/{message['id']}/changes")).json()
    assert changes["original"] == {"body": "first"}
    assert {one["edit"]["text"]["body"] for one in changes["data"] if one["type"] == "edit"} == {"second", "third"}


async def test_only_its_author_edits_or_deletes_a_message(stage: Stage) -> None:
    ours = await send(stage, "text", {"body": "ours"})
    for raw in (
        wire.edit(ours["wa_message_id"], "forged", from_me=False),
        wire.revoke(ours["wa_message_id"], from_me=False),
    ):
        await stage.deliver(later(stage, raw))
    group: dict[str, Any] = {"chat": wire.GROUP, "is_group": True}
    await stage.deliver(first(stage, **group))
    key: dict[str, Any] = {"chat": wire.GROUP}
    await stage.deliver(later(stage, wire.edit("3ATARGET", "forged", **key), phone="+628110000102", **group))
    forged = wire.edit("3ATARGET", "forged", from_me=False, author=AYU, **key)
    await stage.deliver(later(stage, forged, phone="+628110000102", **group))
    assert {row["body"] for row in await stage.rows() if row["kind"] == "text"} == {"ours", "first"}
    assert all(row["deleted_at"] is None for row in await stage.rows())
    await stage.deliver(later(stage, wire.edit("3ATARGET", "mine", **key), **group))
    assert (await target(stage))["body"] == "mine"


async def test_a_groups_admin_deletes_what_others_wrote(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    group: dict[str, Any] = {"chat": wire.GROUP, "is_group": True}
    await stage.deliver(first(stage, **group))
    raw = wire.revoke("3ATARGET", from_me=False, author=AYU, chat=wire.GROUP)
    await stage.deliver(later(stage, raw, phone="+628110000102", **group))
    assert (await target(stage))["deleted_at"] is None, "this member is no admin"
    monkeypatch.setattr(
        admins, "is_admin", lambda tx, workspace, chat, address: address == "628110000103@s.whatsapp.net"
    )
    await stage.deliver(later(stage, raw, phone="+628110000103", **group))
    assert (await target(stage))["deleted_at"] is not None


async def test_a_deleted_message_says_nothing_any_more(stage: Stage) -> None:
    await stage.deliver(first(stage), later(stage, wire.edit("3ATARGET", "second")))
    await stage.deliver(later(stage, wire.revoke("3ATARGET"), 2))
    await stage.deliver(later(stage, wire.reaction("3ATARGET", "👍", from_me=True), 3))
    row = await target(stage)
    message = await shown(stage, row)
    assert message["deleted_at"] is not None
    assert (message["text"], message["reactions"]) == (None, [])
    told = str([one for one in await stage.rows() if one["kind"] != "reaction"])
    assert "first" not in told
    assert "second" not in told
    assert (await stage.owner.get(f"/messages/{row['id']}/changes")).json()["original"] is None
    chat = (await stage.owner.get("/chats")).json()["data"][0]
    assert (chat["last_message"]["kind"], chat["last_message"]["preview"]) == ("deleted", "")


async def test_an_edit_encrypted_with_the_messages_secret_is_read(stage: Stage) -> None:
    sealed = wire.sealed_edit("3ATARGET", "second", SECRET, AYU)
    await stage.deliver(later(stage, sealed))
    (waiting,) = await stage.rows()
    assert (await shown(stage, waiting))["edit"] == {"message_id": None, "text": None}
    await stage.deliver(first(stage))
    assert (await shown(stage, await target(stage)))["text"]["body"] == "second"
    assert (await shown(stage, waiting))["edit"]["text"] == {"body": "second"}
    await stage.deliver(later(stage, wire.sealed_edit("3ATARGET", "forged", bytes(32), AYU), 5))
    assert (await target(stage))["body"] == "second"


async def test_what_was_encrypted_under_the_other_address_is_read_too(stage: Stage) -> None:
    lid = "100000000000101"
    await stage.deliver(first(stage, lid=lid))
    await stage.deliver(later(stage, wire.sealed_edit("3ATARGET", "second", SECRET, AYU), lid=lid))
    assert (await target(stage))["body"] == "second"
    raw = wire.sealed_reaction("3ATARGET", "👍", SECRET, f"{lid}@lid", AYU, from_me=True)
    await stage.deliver(later(stage, raw, 2, lid=lid))
    assert [one["emoji"] for one in (await shown(stage, await target(stage)))["reactions"]] == ["👍"]


@pytest.mark.every_database
async def test_reactions_and_votes_follow_their_author_to_the_lid(stage: Stage) -> None:
    ours = await send(stage, "poll", {"question": "Tea?", "options": ["Yes", "No"]})
    wa_id, own = ours["wa_message_id"], "628119999999@s.whatsapp.net"
    row = await target(stage, wa_id)
    secret = secret_bytes(row["content"])
    assert secret is not None
    await stage.deliver(
        later(stage, wire.reaction(wa_id, "👍")), later(stage, wire.vote(wa_id, ["No"], secret, own, AYU))
    )
    before = await shown(stage, row)
    assert [one["voters"][0]["author"] for one in before["poll"]["options"] if one["voters"]] == [AYU]
    await stage.deliver(stage.inbound("now by LID", lid="100000000000101"))
    message = await shown(stage, row)
    author = "100000000000101@lid"
    assert [one["author"] for one in message["reactions"]] == [author]
    assert [[voter["author"] for voter in one["voters"]] for one in message["poll"]["options"]] == [[], [author]]
    await stage.deliver(later(stage, wire.reaction(wa_id, ""), 5, lid="100000000000101"))
    assert (await shown(stage, row))["reactions"] == []


async def test_a_change_of_ours_that_fails_is_taken_back_and_comes_again_with_a_retry(stage: Stage) -> None:
    await stage.deliver(first(stage))
    message_id = str((await target(stage))["id"])
    reaction = await send(stage, "reaction", {"message_id": message_id, "emoji": "👍"})
    assert [one["from_me"] for one in (await shown(stage, await target(stage)))["reactions"]] == [True]
    await finish(stage, "failed")
    assert (await shown(stage, await target(stage)))["reactions"] == []
    assert (await stage.owner.post(f"/messages/{reaction['id']}/retry")).status_code == 202
    assert [one["emoji"] for one in (await shown(stage, await target(stage)))["reactions"]] == ["👍"]
    await finish(stage, "sent")
    problem(
        await stage.owner.post(
            "/messages",
            {"to": "+628110000101", "type": "reaction", "reaction": {"message_id": message_id, "emoji": "👍"}},
        ),
        409,
        "nothing_to_change",
    )


async def test_a_deletion_of_ours_is_final_only_when_it_was_sent(stage: Stage) -> None:
    ours = await send(stage, "text", {"body": "regretted"})
    await finish(stage, "sent")
    await send(stage, "edit", {"message_id": ours["id"], "text": {"body": "better"}})
    await finish(stage, "sent")
    deletion = await send(stage, "delete", {"message_id": ours["id"]})
    assert deletion["delete"]["for"] == "everyone"
    assert (await shown(stage, ours))["text"] is None
    await finish(stage, "failed")
    assert (await shown(stage, ours))["text"]["body"] == "better"
    assert (await stage.owner.post(f"/messages/{deletion['id']}/retry")).status_code == 202
    await finish(stage, "sent")
    assert (await shown(stage, ours))["deleted_at"] is not None
    assert "better" not in str(await stage.rows())
    assert "regretted" not in str(await stage.rows())


async def test_a_message_deleted_for_us_is_not_listed_and_not_the_newest(stage: Stage) -> None:
    await stage.deliver(first(stage, "one", wa_message_id="3AONE"), first(stage, "two"))
    chat = (await stage.owner.get("/chats")).json()["data"][0]
    await send(stage, "delete", {"message_id": str((await target(stage))["id"]), "for": "me"})
    listed = (await stage.owner.get(f"/chats/{chat['id']}/messages")).json()["data"]
    assert [one["text"]["body"] for one in listed] == ["one"]
    assert (await stage.owner.get("/chats")).json()["data"][0]["last_message"]["preview"] == "one"
    assert (await shown(stage, await target(stage)))["hidden_at"] is not None


async def test_a_placeholder_that_stood_for_a_change_becomes_one(stage: Stage) -> None:
    await stage.deliver(first(stage))
    broken = stage.inbound("", raw=b"", undecryptable=True)
    await stage.deliver(broken)
    raw = wire.reaction("3ATARGET", "👍", from_me=True)
    await stage.deliver(stage.inbound("", raw=raw, wa_message_id=broken.wa_message_id))
    assert [one["emoji"] for one in (await shown(stage, await target(stage)))["reactions"]] == ["👍"]
    chat = (await stage.owner.get("/chats")).json()["data"][0]
    assert (chat["unread_count"], chat["last_message"]["preview"]) == (1, "first")
    assert len((await stage.owner.get(f"/chats/{chat['id']}/messages")).json()["data"]) == 1


async def test_an_edit_of_a_placeholder_counts_when_the_message_is_readable(stage: Stage) -> None:
    await stage.deliver(first(stage, raw=b"", undecryptable=True))
    await stage.deliver(later(stage, wire.sealed_edit("3ATARGET", "second", SECRET, AYU)))
    await stage.deliver(first(stage))
    assert (await target(stage))["body"] == "second"


async def test_a_pin_holds_as_long_as_it_says(stage: Stage) -> None:
    await stage.deliver(first(stage), later(stage, wire.pin("3ATARGET", 86_400, from_me=True)))
    until = dt.datetime.fromisoformat((await shown(stage, await target(stage)))["pinned_until"])
    assert dt.timedelta(hours=23) < until - utc_now() < dt.timedelta(hours=25)
    await stage.deliver(later(stage, wire.pin("3ATARGET", None, from_me=True), 2))
    assert (await shown(stage, await target(stage)))["pinned_until"] is None


async def test_a_timer_is_a_notice_and_new_messages_carry_it(stage: Stage) -> None:
    message = Message()
    message.protocolMessage.type = message.protocolMessage.EPHEMERAL_SETTING
    message.protocolMessage.ephemeralExpiration = 86_400
    await stage.deliver(first(stage), later(stage, message.SerializeToString()))
    chat = (await stage.owner.get("/chats")).json()["data"][0]
    assert (chat["unread_count"], chat["last_message"]["preview"]) == (1, "first")
    notice = (await stage.owner.get(f"/chats/{chat['id']}/messages")).json()["data"][0]
    assert (notice["type"], notice["system"]) == ("system", {"event": "timer", "data": {"seconds": 86_400}})
    ours = await send(stage, "text", {"body": "fleeting"})
    assert ours["expires_at"] is not None
    await send(stage, "timer", {"seconds": 0})
    assert (await send(stage, "text", {"body": "lasting"}))["expires_at"] is None


async def test_a_timer_from_before_shows_in_messages(stage: Stage) -> None:
    message = Message()
    message.extendedTextMessage.text, message.extendedTextMessage.contextInfo.expiration = "fleeting", 604_800
    await stage.deliver(first(stage, raw=message.SerializeToString()))
    row = await target(stage)
    assert row["content"]["context"] == {"expires_s": 604_800}
    assert (await send(stage, "text", {"body": "as fleeting"}))["expires_at"] is not None


@pytest.mark.parametrize("kind", ["reaction", "pin", "edit", "delete", "poll_vote", "forward"])
async def test_another_workspaces_message_is_no_target(stage: Stage, kind: str) -> None:
    stranger = await stage.owner.running.stranger()
    elsewhere = await Stage.build(stranger, "Other")
    await elsewhere.deliver(first(elsewhere, phone="+628110000109"))
    foreign = str((await target(elsewhere))["id"])
    extras: dict[str, dict[str, Any]] = {
        "reaction": {"emoji": "👍"},
        "edit": {"text": {"body": "x"}},
        "poll_vote": {"options": []},
    }
    before = len(await stage.rows())
    content = {"message_id": foreign, **extras.get(kind, {})}
    answer = await stage.owner.post("/messages", {"to": "+628110000101", "type": kind, kind: content})
    document = problem(answer, 422, "message_not_in_chat")
    assert document["errors"][0]["field"] == f"{kind}.message_id"
    quote = {"to": "+628110000101", "type": "text", "text": {"body": "x"}, "context": {"message_id": foreign}}
    problem(await stage.owner.post("/messages", quote), 422, "quote_not_in_chat")
    assert len(await stage.rows()) == before
    problem(await stage.owner.get(f"/messages/{foreign}/changes"), 404)


async def test_a_forward_takes_over_what_it_is_and_counts(owner: Person, stage: Stage) -> None:
    await stage.deliver(first(stage))
    again = await send(stage, "forward", {"message_id": str((await target(stage))["id"])}, to="+628110000102")
    assert (again["type"], again["text"]["body"], again["context"]["forwarded"]) == ("text", "first", True)
    own = await send(stage, "forward", {"message_id": again["id"]})
    assert own["context"]["frequently_forwarded"] is False
    rows = {str(row["id"]): row for row in await stage.rows()}
    assert rows[own["id"]]["content"]["context"]["forwarded"] == 1, "passing on what oneself sent does not count"
    assert rows[own["id"]]["content"]["secret"] != rows[again["id"]]["content"]["secret"]
