"""One message, once, whichever addresses it comes under and whenever the mapping between them is learned."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blazz.contacts.peers import Peer
from blazz.kit.db import Workspaces
from blazz.messaging import identities
from tests.messaging.stage import Stage

pytestmark = [pytest.mark.anyio, pytest.mark.every_database]
PHONE, OTHER, LID = "+628110000101", "+628110000102", "100000000000101"
GROUP: dict[str, Any] = {"chat": "120363000000000001@g.us", "is_group": True}


def broken(stage: Stage, **who: Any) -> Any:
    return stage.inbound("", raw=b"", undecryptable=True, wa_message_id="3ABROKEN", **who)


def readable(stage: Stage, **who: Any) -> Any:
    return stage.inbound("readable", wa_message_id="3ABROKEN", **who)


async def learn(stage: Stage, phone: str | None, lid: str | None) -> None:
    peers = [Peer(stage.owner.workspace_id, phone, lid, reason="lookup")]
    scope = Workspaces.of([stage.owner.workspace_id])
    await stage.owner.running.database.write(scope, identities.learn, peers)


async def only_message(stage: Stage) -> dict[str, Any]:
    (row,) = await stage.rows()
    return row


@pytest.mark.parametrize("where", [{}, GROUP], ids=["direct", "group"])
@pytest.mark.parametrize(
    ("later", "learned_between"),
    [
        ({"phone": PHONE, "lid": LID}, True),
        ({"phone": PHONE, "lid": LID}, False),
        ({"phone": None, "lid": LID}, True),  # without it nobody can know that the two are one person
    ],
    ids=["tells both", "tells both first", "tells the LID only"],
)
async def test_a_placeholder_under_the_number_is_filled_by_a_message_under_the_lid(
    stage: Stage, where: dict[str, Any], later: dict[str, Any], learned_between: bool
) -> None:
    await stage.deliver(broken(stage, phone=PHONE, **where))
    if learned_between:
        await learn(stage, PHONE, LID)
    await stage.deliver(readable(stage, **later, **where))
    row = await only_message(stage)
    assert (row["body"], row["author"]) == ("readable", f"{LID}@lid")
    await stage.deliver(readable(stage, phone=PHONE, **where), readable(stage, **later, **where))
    assert (await only_message(stage))["body"] == "readable"


@pytest.mark.parametrize("where", [{}, GROUP], ids=["direct", "group"])
async def test_a_placeholder_under_the_lid_is_filled_by_a_message_under_the_number(
    stage: Stage, where: dict[str, Any]
) -> None:
    await stage.deliver(broken(stage, phone=None, lid=LID, **where))
    await learn(stage, PHONE, LID)
    await stage.deliver(readable(stage, phone=PHONE, **where))
    row = await only_message(stage)
    assert (row["body"], row["author"]) == ("readable", f"{LID}@lid")


@pytest.mark.parametrize("where", [{}, GROUP], ids=["direct", "group"])
async def test_placeholder_and_message_under_both_addresses_in_one_batch_are_one(
    stage: Stage, where: dict[str, Any]
) -> None:
    await stage.deliver(
        broken(stage, phone=PHONE, **where),
        readable(stage, phone=PHONE, lid=LID, **where),
        broken(stage, phone=None, lid=LID, **where),
    )
    row = await only_message(stage)
    assert (row["body"], row["author"]) == ("readable", f"{LID}@lid")


@pytest.mark.parametrize("readable_under", ["number", "lid"])
async def test_when_two_contacts_prove_to_be_one_the_readable_double_is_kept(stage: Stage, readable_under: str) -> None:
    by_number: dict[str, Any] = {"phone": PHONE}
    by_lid: dict[str, Any] = {"phone": None, "lid": LID}
    first, second = (by_number, by_lid) if readable_under == "number" else (by_lid, by_number)
    await stage.deliver(readable(stage, **first))
    await stage.deliver(broken(stage, **second))
    assert len(await stage.rows()) == 2
    await learn(stage, PHONE, LID)
    row = await only_message(stage)
    assert (row["body"], row["author"]) == ("readable", f"{LID}@lid")
    (chat,) = (await stage.owner.get("/chats")).json()["data"]
    assert (chat["unread_count"], chat["last_message"]["id"]) == (1, str(row["id"]))


async def test_a_chat_follows_its_person_to_another_number(stage: Stage) -> None:
    await stage.deliver(stage.inbound("before", phone=PHONE, lid=LID, chat=f"{PHONE[1:]}@s.whatsapp.net"))
    await stage.deliver(stage.inbound("after", phone=OTHER, lid=LID, chat=f"{OTHER[1:]}@s.whatsapp.net"))
    (chat,) = (await stage.owner.get("/chats")).json()["data"]
    assert chat["contact"]["phone"] == OTHER
    assert {row["author"] for row in await stage.rows()} == {f"{LID}@lid"}
    sent = (await stage.send(to=chat["id"])).json()
    assert sent["chat_id"] == chat["id"]
    # the former number is nobody's: who is written to there is somebody else
    assert (await stage.send(to=PHONE)).json()["chat_id"] != chat["id"]


async def test_events_tell_every_known_address_of_the_person(stage: Stage) -> None:
    await stage.deliver(stage.inbound("one", phone=PHONE, lid=LID))
    (contact,) = (await stage.owner.get("/contacts")).json()["data"]
    await stage.owner.patch(f"/contacts/{contact['id']}", {"username": "ayu.l"})
    await stage.deliver(stage.inbound("two", phone=None, lid=LID))
    told = [
        event["data"]["identifiers"]
        for event in (await stage.owner.get("/events", after=0, limit=200)).json()["data"]
        if event["name"] == "message.received"
    ]
    assert told == [{"phone": PHONE, "lid": LID}, {"phone": PHONE, "lid": LID, "username": "ayu.l"}]


_SIGHTINGS = st.lists(
    st.tuples(st.sampled_from(["number", "lid", "both"]), st.booleans(), st.booleans(), st.integers(0, 1)),
    min_size=1,
    max_size=8,
)


_serials = itertools.count(1)


@pytest.mark.sqlite_is_enough
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(batches=st.lists(_SIGHTINGS, min_size=1, max_size=4))
async def test_whatever_the_order_each_message_is_there_once_and_readable_if_it_ever_was(
    stage: Stage, batches: list[list[tuple[str, bool, bool, int]]]
) -> None:
    """Direct messages and group messages of one person, readable or not, under any address, learned at the end."""
    serial = next(_serials)  # another person and other messages in each example
    phone, lid, mark = f"+6281200{serial:05}", f"2000000000{serial:05}", f"3A{serial:05}"
    seen: dict[tuple[bool, int], bool] = {}
    for batch in batches:
        deliveries = []
        for form, in_group, can_be_read, number in batch:
            who: dict[str, Any] = {"phone": None if form == "lid" else phone, "lid": None if form == "number" else lid}
            where = GROUP if in_group else {}
            more: dict[str, Any] = {} if can_be_read else {"raw": b"", "undecryptable": True}
            wa_id = f"{mark}{'G' if in_group else 'D'}{number}"
            deliveries.append(stage.inbound("text", **{**who, **where, **more, "wa_message_id": wa_id}))
            seen[in_group, number] = seen.get((in_group, number), False) or can_be_read
        await stage.deliver(*deliveries)
    await learn(stage, phone, lid)
    rows = [row for row in await stage.rows() if row["wa_message_id"].startswith(f"{mark}D")]
    expected = {f"{mark}D{number}": known for (in_group, number), known in seen.items() if not in_group}
    assert {row["wa_message_id"]: row["body"] == "text" for row in rows} == expected
    assert len(rows) == len(expected)
