"""Pieces of history become chats and messages: in their place, once, quietly, with what belongs to them."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import uuid
from hashlib import sha256
from typing import Any

import pytest
from sqlalchemy import select, update

from blazz import events
from blazz._generated.engine import history_pb2 as pb
from blazz._generated.wa.waCommon.WACommon_pb2 import MessageKey
from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import Message, PinInChatMessage, ProtocolMessage
from blazz._generated.wa.waWeb.WAWebProtobufsWeb_pb2 import MessageAddOn, PinInChat, PollUpdate, Reaction
from blazz.accounts.tables import accounts as accounts_table
from blazz.kit.db import Platform, Tx, Workspace
from blazz.kit.time import utc_now
from blazz.media.tables import media, media_downloads
from blazz.messaging import group_chats, history, imports, notices
from blazz.messaging.history_model import Imported, ImportJob
from blazz.messaging.state_tables import history_imports
from blazz.messaging.tables import chats
from blazz.sessions.history_pieces import piece_of
from tests.messaging.stage import Stage

pytestmark = [pytest.mark.anyio, pytest.mark.every_database]
LID, PHONE = "100000000000101", "+628110000101"
NOW = utc_now().replace(microsecond=0)
_serial = itertools.count(1)


def seal(value: bytes, context: str) -> bytes:
    """Stand for the secret box."""
    del context
    return value


def message(body: str, minutes: float, **changes: Any) -> pb.HistoryMessage:
    """A text that was written `minutes` ago."""
    at = int((NOW - dt.timedelta(minutes=minutes)).timestamp() * 1000)
    raw = Message(conversation=body).SerializeToString()
    number = next(_serial)
    fields = {"id": f"3AH{number:06d}", "sender": f"{LID}@lid", "timestamp_ms": at, "order": number, "raw": raw}
    return pb.HistoryMessage(**{**fields, **changes})


def conversation(*messages: pb.HistoryMessage, **changes: Any) -> pb.HistoryConversation:
    """The customer's chat."""
    fields = {"jid": f"{LID}@lid", "jid_alt": f"{PHONE[1:]}@s.whatsapp.net", "messages": messages}
    return pb.HistoryConversation(**{**fields, **changes})


async def announced(stage: Stage, sync_type: int = 3, progress: int = 100) -> ImportJob:
    """Announce a blob; returns what is to be imported."""

    def work(tx: Tx) -> ImportJob:
        name = uuid.uuid4().hex
        imports.announce(tx, stage.account_id, name, b"blob", sync_type=sync_type, progress=progress, seal=seal)
        own = (history_imports.c.workspace_id == tx.workspace_id, history_imports.c.wa_message_id == name)
        row = tx.one(select(history_imports).where(*own))
        assert row is not None
        return imports._job(row)

    return await stage.owner.running.database.write(Workspace(stage.owner.workspace_id), work)


async def take(stage: Stage, *found: pb.HistoryConversation, job: ImportJob | None = None, **piece: Any) -> Imported:
    """Store one piece."""
    job = job or await announced(stage)
    whole = pb.HistoryPiece(**{"number": 1, "last": True, "conversations": found, **piece})
    scope = Workspace(stage.owner.workspace_id)
    return await stage.owner.running.database.write(scope, history.store_piece, job, piece_of(job, whole), seal)


async def shown(stage: Stage) -> list[dict[str, Any]]:
    """Return the messages of the only chat as the API gives them, oldest first."""
    (chat,) = (await stage.owner.get("/chats")).json()["data"]
    page = (await stage.owner.get(f"/chats/{chat['id']}/messages", limit=200)).json()["data"]
    return list(reversed(page))


async def texts(stage: Stage) -> list[str]:
    return [one["text"]["body"] for one in await shown(stage)]


async def rows(stage: Stage, table: Any) -> list[dict[str, Any]]:
    def work(tx: Tx) -> list[dict[str, Any]]:
        return [dict(row) for row in tx.all(select(table))]

    return await stage.owner.running.database.read(Platform("test"), work)


async def test_history_stands_where_it_belongs_whatever_the_order_it_comes_in(stage: Stage) -> None:
    await stage.deliver(stage.inbound("live 1", phone=PHONE, lid=LID, timestamp=NOW - dt.timedelta(minutes=30)))
    await stage.deliver(stage.inbound("live 2", phone=PHONE, lid=LID, timestamp=NOW - dt.timedelta(minutes=10)))
    await take(stage, conversation(message("between 2", 15), message("between 1", 20)))
    await take(stage, conversation(message("old 2", 50), message("old 3", 40), message("newest", 1)))
    await take(stage, conversation(message("old 1", 60)))
    await stage.deliver(stage.inbound("live 3", phone=PHONE, lid=LID))
    wanted = ["old 1", "old 2", "old 3", "live 1", "between 1", "between 2", "live 2", "newest", "live 3"]
    assert await texts(stage) == wanted
    # page by page, also where many share a position
    (chat,) = (await stage.owner.get("/chats")).json()["data"]
    assert chat["last_message"]["preview"] == "live 3"
    seen, cursor = [], None
    for _ in wanted:
        query = {"limit": 1} | ({"cursor": cursor} if cursor else {})
        page = (await stage.owner.get(f"/chats/{chat['id']}/messages", **query)).json()
        seen.append(page["data"][0]["text"]["body"])
        cursor = page["next_cursor"]
    assert (seen[::-1], cursor) == (wanted, None)


async def test_nothing_is_doubled_and_nothing_is_news(stage: Stage) -> None:
    live = stage.inbound("here already", phone=PHONE, lid=None, timestamp=NOW - dt.timedelta(minutes=5))
    await stage.deliver(live)
    before = (await stage.owner.get("/events")).json()["data"]
    same = message("here already", 5, id=live.wa_message_id)
    again = conversation(same, message("new here", 9), unread=7)
    assert (await take(stage, again)).messages == 1
    assert (await take(stage, again)).messages == 0
    assert await texts(stage) == ["new here", "here already"]
    (chat,) = (await stage.owner.get("/chats")).json()["data"]
    assert chat["unread_count"] == 1, "what the phone says counts only for chats that are new here"
    names = [event["name"] for event in (await stage.owner.get("/events")).json()["data"]]
    assert names.count("message.received") == [event["name"] for event in before].count("message.received")
    assert names.count("history.progress") == 2


async def test_a_piece_that_is_stored_is_not_stored_again(stage: Stage) -> None:
    job = await announced(stage)
    found = conversation(message("once", 5))
    assert (await take(stage, found, job=job, last=False)).messages == 1
    assert (await take(stage, found, job=job, last=False)).messages == 0
    assert (await take(stage, conversation(message("twice", 4)), job=job, number=2)).messages == 1
    (row,) = await rows(stage, history_imports)
    assert (row["pieces"], row["messages"], row["chats"], row["state"]) == (2, 2, 1, "stored")


async def test_a_new_chat_is_as_the_phone_has_it(stage: Stage) -> None:
    file = Message()
    file.imageMessage.mimetype, file.imageMessage.directPath = "image/jpeg", "/v/x?"
    file.imageMessage.mediaKey = file.imageMessage.fileEncSHA256 = file.imageMessage.fileSHA256 = b"k" * 32
    file.imageMessage.fileLength = 100
    heart = Reaction(text="❤️", senderTimestampMS=int(NOW.timestamp() * 1000))
    heart.key.ID, heart.key.fromMe, heart.key.remoteJID = "3AREACTION", True, f"{LID}@lid"
    found = conversation(
        message("", 30, raw=file.SerializeToString()),
        message("ours", 20, from_me=True, status=4, starred=True),
        message("theirs", 10, reactions=[heart.SerializeToString()], push_name="Ayu"),
        unread=2,
        marked_unread=True,
        pinned=True,
        muted_until_ms=-1,
        more_on_phone=True,
    )
    assert (await take(stage, found)).new_chats == 1
    (chat,) = (await stage.owner.get("/chats")).json()["data"]
    assert (chat["unread_count"], chat["marked_unread"], chat["pinned"]) == (2, True, True)
    assert chat["muted_until"].startswith("9999")
    assert chat["more_on_phone"] is True
    assert (chat["contact"]["phone"], chat["contact"]["lid"]) == (PHONE, LID)
    picture, ours, theirs = await shown(stage)
    assert (ours["state"], ours["starred_at"] is not None, ours["source"]) == ("read", True, "phone")
    assert [one["emoji"] for one in theirs["reactions"]] == ["❤️"]
    assert picture["image"]["status"] == "remote", "files are fetched when somebody wants them"
    wanted = await stage.owner.post(f"/media/{picture['image']['id']}/fetch")
    assert (wanted.status_code, wanted.json()["status"]) == (202, "pending")
    (download,) = await rows(stage, media_downloads)
    assert download["due_at"] <= utc_now()
    assert len(await rows(stage, media)) == 1


async def test_groups_broken_and_strange_things_do_not_stop_an_import(stage: Stage) -> None:
    group = pb.HistoryConversation(
        jid="120363000000000001@g.us",
        messages=[
            message("in the group", 5, push_name="Ayu", sender_alt=f"{PHONE[1:]}@s.whatsapp.net"),
            message("broken", 4, raw=b"\xff\xff\xff"),
            message("no time", 3, timestamp_ms=0),
            message("a notice", 2, raw=b"", stub=27),
            message("unread by the phone", 1, raw=b"", stub=2),
        ],
    )
    strange = [pb.HistoryConversation(jid=jid) for jid in ("", "nonsense", "1@newsletter", "status@broadcast")]
    names = [pb.HistoryName(jid=f"{LID}@lid", name="Ayu\x00!"), pb.HistoryName(jid="9@lid", name="Nobody here")]
    mappings = [pb.HistoryMapping(phone=f"{PHONE[1:]}@s.whatsapp.net", lid=f"{LID}@lid"), pb.HistoryMapping()]
    assert (await take(stage, group, *strange, names=names, mappings=mappings)).messages == 4
    (chat,) = await rows(stage, chats)
    assert chat["kind"] == "group"
    kinds = [one["type"] for one in await shown(stage)]
    assert kinds == ["text", "unsupported", "system", "unsupported"]
    people = (await stage.owner.get("/contacts")).json()["data"]
    assert [person["push_name"] for person in people] == ["Ayu"], "only people with a chat are contacts"


async def test_a_placeholder_is_filled_by_history(stage: Stage) -> None:
    lost = stage.inbound("", raw=b"", undecryptable=True, phone=PHONE, lid=LID, timestamp=NOW - dt.timedelta(minutes=5))
    await stage.deliver(lost)
    await take(stage, conversation(message("found", 5, id=lost.wa_message_id)))
    assert await texts(stage) == ["found"]


def key_json(name: str, *, from_me: bool, participant: str = "") -> dict[str, Any]:
    """How a phone names a message of its own history."""
    return {"ID": name, "fromMe": from_me, "remoteJID": f"{LID}@lid", "participant": participant}


def poll(*options: str, minutes: float = 20, **changes: Any) -> pb.HistoryMessage:
    """A poll of the customer's, with its secret beside it."""
    content = Message()
    content.pollCreationMessage.name = "When?"
    for option in options:
        content.pollCreationMessage.options.add(optionName=option)
    return message("", minutes, raw=content.SerializeToString(), secret=b"s" * 32, **changes)


def vote(name: str, *options: str, from_me: bool) -> bytes:
    """A vote as a phone has noted it at its poll."""
    update = PollUpdate(pollUpdateMessageKey=MessageKey(**key_json(name, from_me=from_me)))
    update.vote.selectedOptions.extend(sha256(option.encode()).digest() for option in options)
    update.senderTimestampMS = int(NOW.timestamp() * 1000) - 60_000
    return update.SerializeToString()


def edit(target: str, body: str, minutes: float, **changes: Any) -> pb.HistoryMessage:
    """A message as its last edit: that is what phones keep of it."""
    content = Message()
    protocol = content.editedMessage.message.protocolMessage
    protocol.type, protocol.editedMessage.conversation = ProtocolMessage.MESSAGE_EDIT, body
    protocol.key.ID, protocol.key.fromMe, protocol.key.remoteJID = target, True, f"{LID}@lid"
    return message("", minutes, raw=content.SerializeToString(), **changes)


async def test_votes_and_pins_are_imported_with_what_they_are_about(stage: Stage) -> None:
    pin = PinInChat(type=PinInChat.PIN_FOR_ALL, key=MessageKey(**key_json("3APIN", from_me=True)))
    pin.senderTimestampMS = int(NOW.timestamp() * 1000) - 30_000
    pin.messageAddOnContextInfo.messageAddOnDurationInSecs = 86_400
    votes = [vote("3AVOTE1", "Monday", from_me=False), vote("3AVOTE2", "Monday", "Tuesday", from_me=True)]
    asked = poll("Monday", "Tuesday", votes=[*votes, b"\xff"], pin=pin.SerializeToString())
    assert (await take(stage, conversation(asked))).messages == 1
    (found,) = await shown(stage)
    picked = {one["name"]: sorted(voter["from_me"] for voter in one["voters"]) for one in found["poll"]["options"]}
    assert picked == {"Monday": [False, True], "Tuesday": [True]}
    assert dt.datetime.fromisoformat(found["pinned_until"]) == NOW - dt.timedelta(seconds=30) + dt.timedelta(days=1)
    before = len(await stage.rows())
    await take(stage, conversation(asked))
    assert len(await stage.rows()) == before, "changes come once, too"
    # the poll can be voted in: its secret is here
    body = {"message_id": found["id"], "options": ["Tuesday"]}
    sent = await stage.owner.post("/messages", {"to": PHONE, "type": "poll_vote", "poll_vote": body})
    assert sent.status_code == 202, sent.text


async def test_changes_in_the_form_of_newer_phones_are_imported_once(stage: Stage) -> None:
    heart = MessageAddOn(messageAddOnKey=MessageKey(**key_json("3AHEART", from_me=True)), senderTimestampMS=5)
    heart.messageAddOn.reactionMessage.text = "❤️"
    pin = MessageAddOn(messageAddOnKey=MessageKey(**key_json("3APIN", from_me=False)))
    pin.senderTimestampMS = int(NOW.timestamp() * 1000)
    pin.messageAddOn.pinInChatMessage.type = PinInChatMessage.PIN_FOR_ALL
    pin.addOnContextInfo.messageAddOnDurationInSecs = 86_400
    old = MessageAddOn(messageAddOnKey=MessageKey(**key_json("3AVOTE", from_me=False)))
    old.legacyMessage.pollVote.selectedOptions.append(sha256(b"Monday").digest())
    strange = MessageAddOn(messageAddOnKey=MessageKey(**key_json("3AEVENT", from_me=False)))
    same = Reaction(text="❤️", key=MessageKey(**key_json("3AHEART", from_me=True))).SerializeToString()
    add_ons = [one.SerializeToString() for one in (heart, pin, old, strange)] + [b"\xff"]
    await take(stage, conversation(poll("Monday", "Tuesday", add_ons=add_ons, reactions=[same])))
    (found,) = await shown(stage)
    assert [one["emoji"] for one in found["reactions"]] == ["❤️"]
    assert [len(one["voters"]) for one in found["poll"]["options"]] == [1, 0]
    assert dt.datetime.fromisoformat(found["pinned_until"]) == NOW + dt.timedelta(days=1)
    assert len(await stage.rows()) == 4


async def test_what_is_here_learns_what_became_of_it(stage: Stage) -> None:
    early = [stage.inbound(body, phone=PHONE, lid=LID, timestamp=NOW - dt.timedelta(minutes=9)) for body in "abc"]
    await stage.deliver(*early)
    events = len((await stage.owner.get("/events", limit=500)).json()["data"])
    gone, changed, liked = (one.wa_message_id for one in early)
    heart = Reaction(text="❤️", key=MessageKey(**key_json("3AHEART", from_me=False)))
    found = conversation(
        message("", 9, id=gone, raw=b"", stub=1, revoked_ms=int(NOW.timestamp() * 1000)),
        edit(changed, "b, better", 8),
        message("c", 7, id=liked, reactions=[heart.SerializeToString()]),
    )
    assert (await take(stage, found)).messages == 0
    first, second, third = await shown(stage)
    assert (first["deleted_at"] is not None, first["text"]) == (True, None)
    assert (second["text"]["body"], second["edited_at"] is not None) == ("b, better", True)
    assert [one["emoji"] for one in third["reactions"]] == ["❤️"]
    names = [event["name"] for event in (await stage.owner.get("/events", limit=500)).json()["data"]][events:]
    assert names == ["history.progress"], "a past sets nothing off"


async def test_a_message_of_which_only_an_edit_or_a_deletion_is_left_is_imported_as_that(stage: Stage) -> None:
    kept = conversation(
        edit("3AORIGINAL", "as it is now", 20, from_me=True, status=3),
        message("", 15, id="3AGONE", raw=b"", stub=1),
        message("said", 10),
    )
    assert (await take(stage, kept)).messages == 3
    edited, deleted, _ = await shown(stage)
    assert (edited["text"]["body"], edited["wa_message_id"]) == ("as it is now", "3AORIGINAL")
    assert (edited["edited_at"] is not None, edited["state"]) == (True, "delivered")
    assert deleted["deleted_at"] is not None
    assert (await take(stage, kept)).messages == 0
    # the message itself, delivered late, is a double of what is here
    late = stage.inbound("too late", wa_message_id="3AGONE", phone=PHONE, lid=LID)
    assert (await stage.deliver(late)).stored == 0


async def test_what_happened_in_a_chat_is_told_once_live_or_by_history(stage: Stage) -> None:
    group = "120363000000000001@g.us"
    ayu, budi = f"{LID}@lid", "100000000000102@lid"
    told_live = NOW - dt.timedelta(minutes=30)
    await notice(stage, group, "group_subject", {"subject": "Known"}, told_live, ayu)
    raw: dict[str, Any] = {"raw": b"", "sender": ayu}
    found = pb.HistoryConversation(
        jid=group,
        messages=[
            message("", 30, stub=21, stub_parameters=["Known"], **raw),
            message("", 25, stub=21, stub_parameters=["New name"], **raw),
            message("", 20, stub=27, stub_parameters=[json.dumps({"id": budi, "phoneNumber": "x"}), ayu], **raw),
            message("", 19, stub=28, stub_parameters=[ayu], **raw),
            message("", 18, stub=26, stub_parameters=["on"], raw=b"", sender=""),
            message("", 17, stub=40, raw=b"", sender=ayu),
            message("", 16, stub=99, **raw),
        ],
    )
    assert (await take(stage, found)).messages == 5
    assert (await take(stage, found)).messages == 0
    await notice(stage, group, "group_left", {"participants": [ayu]}, NOW - dt.timedelta(minutes=19), ayu)
    rows_of = sorted((row for row in await stage.rows() if row["kind"] == "system"), key=lambda row: row["timestamp"])
    assert [row["content"]["event"] for row in rows_of] == [
        "group_subject",
        "group_subject",
        "group_joined",
        "group_left",
        "group_announcement",
        "call",
    ]
    assert rows_of[2]["content"]["data"] == {"participants": [budi, ayu]}
    assert [row["source"] for row in rows_of] == ["system"] * 6
    (chat,) = await rows(stage, chats)
    assert (chat["last_message_at"], chat["unread_count"]) == (None, 0), "notices are neither newest nor unread"


async def test_reactions_of_a_groups_members_are_theirs(stage: Stage) -> None:
    group, budi = "120363000000000001@g.us", "100000000000102@lid"
    key: dict[str, Any] = {"fromMe": False, "remoteJID": group, "participant": budi}
    heart, thumb = (
        Reaction(text=emoji, key=MessageKey(ID=f"3A{emoji}", **key)).SerializeToString() for emoji in ("❤️", "👍")
    )
    found = pb.HistoryConversation(
        jid=group,
        messages=[
            message("from Ayu", 9, reactions=[heart]),
            message("ours", 8, from_me=True, sender="", reactions=[thumb]),
        ],
    )
    assert (await take(stage, found)).messages == 2
    reactions = [[(one["emoji"], one["author"]) for one in item["reactions"]] for item in await shown(stage)]
    assert reactions == [[("❤️", budi)], [("👍", budi)]]


async def notice(
    stage: Stage, group: str, event: str, data: dict[str, Any], at: dt.datetime, author: str
) -> uuid.UUID | None:
    """Tell of something that happened in a group just now."""

    def work(tx: Tx) -> uuid.UUID | None:
        events.see_all_rows(tx, tx.workspace_id)
        chat = group_chats.ensure(tx, tx.workspace_id, stage.account_id, [group])[group]
        return notices.add(tx, chat, event, data, key=f"group:{uuid.uuid4().hex}", author=author, at=at)

    return await stage.owner.running.database.write(Workspace(stage.owner.workspace_id), work)


async def test_an_import_gives_up_in_the_end_and_says_so(stage: Stage) -> None:
    job = await announced(stage)
    scope, database = Workspace(stage.owner.workspace_id), stage.owner.running.database
    for _ in range(imports.TRIES):
        current = await database.write(scope, imports.current, job)
        assert current is not None
        assert current.state == "waiting"
        await database.write(scope, imports.failed, current, "the media host is ill", final=False)
    view = (await stage.owner.get(f"/accounts/{stage.account_id}/history")).json()
    assert (view["state"], view["failed"]) == ("failed", 1)
    (row,) = await rows(stage, history_imports)
    assert (row["failure"], row["notification"]) == ("the media host is ill", b"")


async def test_an_import_of_a_number_that_is_gone_ends(stage: Stage) -> None:
    job = await announced(stage)
    await take(stage, conversation(message("stored", 5)), job=job, last=False)
    database, scope = stage.owner.running.database, Workspace(stage.owner.workspace_id)
    await imports.interrupt_orphans(database)
    assert (await overview(stage))["state"] == "running", "its pairing is there"
    await change(stage, accounts_table, deleted_at=utc_now())
    await imports.interrupt_orphans(database)
    assert [row["state"] for row in await rows(stage, history_imports)] == ["waiting"], "it may be new"
    await change(stage, history_imports, created_at=utc_now() - dt.timedelta(minutes=5))
    await imports.interrupt_orphans(database)
    (row,) = await rows(stage, history_imports)
    assert (row["state"], row["failure"], row["notification"]) == ("interrupted", "removed", b"")
    (told,) = [event for event in await progress(stage) if "interrupted" in event]
    assert (told["interrupted"], told["import_id"]) == ("removed", str(job.id))
    # whatever was under way finds that it has ended
    again = pb.HistoryPiece(number=2, last=True, conversations=[conversation(message("late", 4))])
    done = await database.write(scope, history.store_piece, job, piece_of(job, again), seal)
    assert (done.ended, done.messages) == (True, 0)
    await database.write(scope, imports.finish, job)
    await database.write(scope, imports.failed, job, "late", final=False)
    assert [row["state"] for row in await rows(stage, history_imports)] == ["interrupted"]
    await imports.interrupt_orphans(database)
    assert len([event for event in await progress(stage) if "interrupted" in event]) == 1


async def test_an_import_that_rests_says_since_when_and_what_it_waits_for(stage: Stage) -> None:
    job = await announced(stage, progress=40)
    await take(stage, conversation(message("first part", 5)), job=job)
    assert (await overview(stage))["still_since"] is None
    long_ago = utc_now() - dt.timedelta(minutes=10)
    await change(stage, history_imports, progress_at=long_ago)
    view = await overview(stage)
    assert (view["state"], view["waits_for"], view["progress"]) == ("running", None, 40), "it is slow itself"
    assert dt.datetime.fromisoformat(view["still_since"]) == long_ago
    await change(stage, history_imports, state="done", finished_at=long_ago)
    view = await overview(stage)
    assert (view["state"], view["waits_for"]) == ("running", "phone"), "the phone said that more comes"
    await change(stage, accounts_table, status="disconnected")
    assert (await overview(stage))["waits_for"] == "connection"
    await change(stage, history_imports, progress_at=utc_now() - dt.timedelta(days=2))
    view = await overview(stage)
    assert (view["state"], view["waits_for"], view["progress"]) == ("done", None, 40), "not a word more than came"


async def overview(stage: Stage) -> dict[str, Any]:
    """Return the import as the API tells it."""
    answer = await stage.owner.get(f"/accounts/{stage.account_id}/history")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def progress(stage: Stage) -> list[dict[str, Any]]:
    """Return what was told of imports."""
    found = (await stage.owner.get("/events", limit=500)).json()["data"]
    return [event["data"] for event in found if event["name"] == "history.progress"]


async def change(stage: Stage, table: Any, **values: Any) -> None:
    """Write columns of all rows."""

    def work(tx: Tx) -> None:
        tx.execute(update(table).values(**values))

    await stage.owner.running.database.write(Platform("test"), work)
