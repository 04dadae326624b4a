"""Every kind of message without a file, both ways: a number of ours, the real engine, and a customer's phone."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import RowMapping

from blazz.messaging.tables import messages
from blazz.messaging.views import message_views
from tests.support.network import simulated_network
from tests.support.product import Blazz, Number, running
from tests.support.waiting import eventually
from whatsim import language, model
from whatsim.model import MessageView, OutgoingContent, RawContent, TextContent
from whatsim.network import Network
from whatsim.wire import e2e, kinds

pytestmark = [pytest.mark.anyio, pytest.mark.engine]
_serials = itertools.count(1)


@dataclass
class Pair:
    """A number of ours and a customer who know each other."""

    blazz: Blazz
    network: Network
    number: Number
    customer: str

    async def writes(self, content: OutgoingContent, *, by_owner: bool = False) -> MessageView:
        """The customer (or the owner of our number, on the phone) writes."""
        author, reader = (self.number.phone, self.customer) if by_owner else (self.customer, self.number.phone)
        return await self.network.send_message(author, reader, content)

    async def sends(self, kind: str, content: Any, **fields: Any) -> RowMapping:
        """We write; returns the row when the phone has confirmed it."""
        message_id = await self.blazz._send(self.number, self.customer, {"type": kind, kind: content, **fields})
        return await self.blazz.state(message_id, "delivered")

    async def row(self, wa_id: str) -> RowMapping:
        """Wait until a message is stored here."""

        async def stored() -> RowMapping | None:
            return next(iter(await self.blazz.messages(messages.c.wa_message_id == wa_id)), None)

        found = await eventually(stored, what=f"message {wa_id}")
        assert found is not None
        return found

    async def shown(self, wa_id: str) -> dict[str, Any]:
        """What the API gives of a stored message."""
        row = await self.row(wa_id)
        views = await self.blazz.database.read(self.blazz.scope, lambda tx: message_views(tx, [row]))
        shown: dict[str, Any] = views[0].model_dump(mode="json")
        return shown

    async def changed(self, wa_id: str, what: str, value: Any) -> dict[str, Any]:
        """Wait until the API shows `value` as `what` of a message (true: anything)."""

        async def reached() -> dict[str, Any] | None:
            shown = await self.shown(wa_id)
            return shown if (bool(shown[what]) if value is True else shown[what] == value) else None

        found: dict[str, Any] | None = await eventually(reached, what=f"{what} of {wa_id}")
        assert found is not None
        return found

    def on_phone(self, wa_id: str) -> MessageView:
        """The message as the customer's phone shows it now."""
        return next(one for one in self.network.messages(self.customer, limit=1000) if one.message_id == wa_id)


@pytest.fixture(scope="module")
async def pair(anyio_backend: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    """One network, one engine and one conversation for all."""
    directory: Path = tmp_path_factory.mktemp("kinds")
    async with simulated_network(directory / "network") as network, running(directory / "blazz", network) as blazz:
        number = await blazz.link()
        customer = (await network.create_phone(name="Budi")).number
        made = Pair(blazz, network, number, customer)
        await made.row((await made.writes(TextContent("hello"))).message_id)
        yield made


def unique(text: str) -> str:
    return f"{text} {next(_serials)}"


@pytest.mark.kind("text", "receive")
@pytest.mark.kind("text", "network")
@pytest.mark.kind("mentions", "receive")
@pytest.mark.kind("mentions", "network")
async def test_a_text_with_mentions_comes_in(pair: Pair) -> None:
    sent = await pair.writes(TextContent(unique("hello @628110000101"), mentions=("628110000101",)))
    shown = await pair.shown(sent.message_id)
    assert (shown["text"]["body"], shown["context"]["mentions"]) == (sent.body, ["628110000101@s.whatsapp.net"])


@pytest.mark.kind("text", "send")
@pytest.mark.kind("mentions", "send")
async def test_a_text_with_a_mention_goes_out(pair: Pair) -> None:
    row = await pair.sends("text", {"body": unique("hi")}, context={"mentions": [f"+{pair.customer}"]})
    assert len(pair.on_phone(row["wa_message_id"]).details["mentions"]) == 1


@pytest.mark.kind("location", "send")
async def test_a_place_goes_out(pair: Pair) -> None:
    row = await pair.sends("location", {"latitude": -6.2, "longitude": 106.8, "name": "Monas", "address": "Jakarta"})
    seen = pair.on_phone(row["wa_message_id"])
    assert (seen.type, seen.body) == ("location", "Monas")
    assert seen.details == {"latitude": -6.2, "longitude": 106.8, "name": "Monas", "address": "Jakarta"}


@pytest.mark.kind("location", "receive")
@pytest.mark.kind("location", "network")
async def test_a_place_comes_in(pair: Pair) -> None:
    sent = await pair.writes(language.LocationContent(-6.2, 106.8, "Monas"))
    place = (await pair.shown(sent.message_id))["location"]
    assert (place["latitude"], place["longitude"], place["name"], place["live"]) == (-6.2, 106.8, "Monas", False)


@pytest.mark.kind("live_location", "receive")
@pytest.mark.kind("live_location", "network")
async def test_a_live_place_moves(pair: Pair) -> None:
    sent = await pair.writes(language.LocationContent(1.0, 2.0, live=True))
    assert (await pair.shown(sent.message_id))["location"]["live"] is True
    await pair.writes(language.MoveContent(sent.message_id, 3.0, 4.0))

    async def moved() -> bool:
        place = (await pair.shown(sent.message_id))["location"]
        return (place["latitude"], place["longitude"]) == (3.0, 4.0)

    await eventually(moved, what="the move")


@pytest.mark.kind("contacts", "send")
async def test_cards_go_out(pair: Pair) -> None:
    phones = [{"phone": "+62 811 000 0102", "wa_id": "628110000102"}]
    cards = [
        {"name": {"formatted_name": "Siti", "first_name": "Siti"}, "phones": phones},
        {"name": {"formatted_name": "Dewi"}},
    ]
    row = await pair.sends("contacts", cards)
    seen = pair.on_phone(row["wa_message_id"])
    assert (seen.type, seen.body) == ("contacts", "Siti, Dewi")
    assert seen.details["cards"][0] == {"name": "Siti", "numbers": ["+62 811 000 0102"]}


@pytest.mark.kind("contacts", "receive")
@pytest.mark.kind("contacts", "network")
async def test_cards_come_in(pair: Pair) -> None:
    sent = await pair.writes(language.ContactsContent((("Siti", "628110000102"),)))
    (card,) = (await pair.shown(sent.message_id))["contacts"]
    assert (card["name"]["formatted_name"], card["phones"][0]["wa_id"]) == ("Siti", "628110000102")


@pytest.mark.kind("poll", "send")
@pytest.mark.kind("poll_vote", "receive")
@pytest.mark.kind("poll_vote", "network")
async def test_a_poll_of_ours_is_voted_on(pair: Pair) -> None:
    row = await pair.sends("poll", {"question": "Tea?", "options": ["Yes", "No", "Later"], "multiple": True})
    wa_id = row["wa_message_id"]
    assert pair.on_phone(wa_id).details == {"options": ["Yes", "No", "Later"], "multiple": True}
    await pair.writes(language.VoteContent(wa_id, ("Yes", "Later")))

    async def counted(expected: list[int]) -> bool:
        options = (await pair.shown(wa_id))["poll"]["options"]
        return [len(one["voters"]) for one in options] == expected

    await eventually(lambda: counted([1, 0, 1]), what="the vote")
    await pair.writes(language.VoteContent(wa_id, ()))
    await eventually(lambda: counted([0, 0, 0]), what="the vote taken back")


@pytest.mark.kind("poll", "receive")
@pytest.mark.kind("poll", "network")
@pytest.mark.kind("poll_vote", "send")
@pytest.mark.parametrize("multiple", [False, True])
async def test_we_vote_on_a_customers_poll(pair: Pair, multiple: bool) -> None:
    sent = await pair.writes(language.PollContent("Coffee?", ("Yes", "No"), multiple))
    shown = await pair.shown(sent.message_id)
    assert (shown["poll"]["question"], shown["poll"]["multiple"]) == ("Coffee?", multiple)
    await pair.sends("poll_vote", {"message_id": shown["id"], "options": ["No"]})
    assert pair.on_phone(sent.message_id).votes == {pair.number.phone: ["No"]}
    mine = (await pair.shown(sent.message_id))["poll"]["options"][1]["voters"]
    assert [one["from_me"] for one in mine] == [True]


@pytest.mark.kind("reaction", "send")
async def test_a_reaction_goes_out_and_is_taken_back(pair: Pair) -> None:
    sent = await pair.writes(TextContent(unique("react")))
    message_id = (await pair.shown(sent.message_id))["id"]
    await pair.sends("reaction", {"message_id": message_id, "emoji": "👍"})
    assert pair.on_phone(sent.message_id).reactions == {pair.number.phone: "👍"}
    await pair.sends("reaction", {"message_id": message_id, "emoji": ""})
    assert pair.on_phone(sent.message_id).reactions == {}


@pytest.mark.kind("reaction", "receive")
@pytest.mark.kind("reaction", "network")
async def test_a_reaction_comes_in_and_is_taken_back(pair: Pair) -> None:
    row = await pair.sends("text", {"body": unique("react")})
    await pair.writes(language.ReactionContent(row["wa_message_id"], "❤️"))
    shown = await pair.changed(row["wa_message_id"], "reactions", True)
    assert [(one["emoji"], one["from_me"]) for one in shown["reactions"]] == [("❤️", False)]
    await pair.writes(language.ReactionContent(row["wa_message_id"], ""))
    await pair.changed(row["wa_message_id"], "reactions", [])


@pytest.mark.kind("reply", "receive")
@pytest.mark.kind("reply", "network")
@pytest.mark.kind("reply", "send")
async def test_a_reply_goes_both_ways(pair: Pair) -> None:
    sent = await pair.writes(TextContent(unique("a question")))
    question = await pair.shown(sent.message_id)
    row = await pair.sends("text", {"body": unique("an answer")}, context={"message_id": question["id"]})
    assert pair.on_phone(row["wa_message_id"]).quoted_id == sent.message_id
    again = await pair.writes(TextContent(unique("thanks"), quoted_id=row["wa_message_id"]))
    assert (await pair.shown(again.message_id))["context"]["message_id"] == str(row["id"])


@pytest.mark.kind("delete_for_me", "send")
async def test_a_deletion_for_us_stays_with_us(pair: Pair) -> None:
    sent = await pair.writes(TextContent(unique("noise")))
    message_id = (await pair.shown(sent.message_id))["id"]
    await pair.blazz._send(
        pair.number, pair.customer, {"type": "delete", "delete": {"message_id": message_id, "for": "me"}}
    )
    assert (await pair.shown(sent.message_id))["hidden_at"] is not None
    assert pair.on_phone(sent.message_id).deleted is False


@pytest.mark.kind("reaction", "receive")
async def test_a_reaction_made_on_our_own_phone_is_ours(pair: Pair) -> None:
    sent = await pair.writes(TextContent(unique("react")))
    await pair.row(sent.message_id)
    await pair.writes(language.ReactionContent(sent.message_id, "🙏"), by_owner=True)
    shown = await pair.changed(sent.message_id, "reactions", True)
    assert [(one["emoji"], one["from_me"], one["author"]) for one in shown["reactions"]] == [("🙏", True, "")]


@pytest.mark.kind("edit", "send")
async def test_an_edit_goes_out(pair: Pair) -> None:
    row = await pair.sends("text", {"body": unique("tpyo")})
    await pair.sends("edit", {"message_id": str(row["id"]), "text": {"body": "typo"}})
    seen = pair.on_phone(row["wa_message_id"])
    assert (seen.body, seen.edited) == ("typo", True)


@pytest.mark.kind("edit", "receive")
@pytest.mark.kind("edit", "network")
@pytest.mark.parametrize("sealed", [False, True])
async def test_an_edit_comes_in(pair: Pair, sealed: bool) -> None:
    sent = await pair.writes(TextContent(unique("tpyo")))
    await pair.writes(language.EditContent(sent.message_id, "typo", sealed))
    shown = await pair.changed(sent.message_id, "edited_at", True)
    assert shown["text"]["body"] == "typo"


@pytest.mark.kind("edit", "receive")
async def test_an_edit_made_on_our_own_phone_changes_what_we_sent(pair: Pair) -> None:
    row = await pair.sends("text", {"body": unique("tpyo")})
    await pair.writes(language.EditContent(row["wa_message_id"], "typo"), by_owner=True)
    assert (await pair.changed(row["wa_message_id"], "edited_at", True))["text"]["body"] == "typo"


@pytest.mark.kind("delete", "send")
async def test_a_deletion_goes_out(pair: Pair) -> None:
    row = await pair.sends("text", {"body": unique("secret")})
    await pair.sends("delete", {"message_id": str(row["id"])})
    seen = pair.on_phone(row["wa_message_id"])
    assert (seen.body, seen.deleted) == ("", True)


@pytest.mark.kind("delete", "receive")
@pytest.mark.kind("delete", "network")
async def test_a_deletion_comes_in(pair: Pair) -> None:
    sent = await pair.writes(TextContent(unique("secret")))
    await pair.writes(language.DeleteContent(sent.message_id))
    assert (await pair.changed(sent.message_id, "deleted_at", True))["text"] is None


@pytest.mark.kind("pin", "send")
async def test_a_pin_goes_out(pair: Pair) -> None:
    row = await pair.sends("text", {"body": unique("important")})
    await pair.sends("pin", {"message_id": str(row["id"]), "seconds": 86_400})
    assert pair.on_phone(row["wa_message_id"]).pinned is True
    await pair.sends("pin", {"message_id": str(row["id"]), "pinned": False})
    assert pair.on_phone(row["wa_message_id"]).pinned is False


@pytest.mark.kind("pin", "receive")
@pytest.mark.kind("pin", "network")
async def test_a_pin_comes_in(pair: Pair) -> None:
    sent = await pair.writes(TextContent(unique("important")))
    await pair.writes(language.PinContent(sent.message_id, 86_400))
    await pair.changed(sent.message_id, "pinned_until", True)
    await pair.writes(language.PinContent(sent.message_id, 0))
    await pair.changed(sent.message_id, "pinned_until", None)


@pytest.mark.kind("forward", "send")
async def test_a_forward_goes_out(pair: Pair) -> None:
    sent = await pair.writes(TextContent(unique("pass it on")))
    row = await pair.sends("forward", {"message_id": (await pair.shown(sent.message_id))["id"]})
    seen = pair.on_phone(row["wa_message_id"])
    assert (seen.type, seen.body, seen.details["forwarded"]) == ("text", sent.body, 1)


@pytest.mark.kind("forward", "receive")
@pytest.mark.kind("forward", "network")
async def test_a_forward_comes_in(pair: Pair) -> None:
    row = await pair.sends("location", {"latitude": 1.5, "longitude": 2.5})
    sent = await pair.writes(language.ForwardContent(row["wa_message_id"]))
    shown = await pair.shown(sent.message_id)
    assert (shown["type"], shown["location"]["latitude"], shown["context"]["forwarded"]) == ("location", 1.5, True)


@pytest.mark.kind("interactive", "receive")
@pytest.mark.kind("interactive", "network")
@pytest.mark.kind("button", "receive")
@pytest.mark.kind("button", "network")
async def test_buttons_and_the_answer_to_them_come_in(pair: Pair) -> None:
    asked = e2e.Message(buttons=kinds.Buttons("Red or blue?", buttons=[kinds.Button("r", kinds.ButtonText("Red"))]))
    sent = await pair.writes(RawContent(asked.encode()))
    shown = await pair.shown(sent.message_id)
    assert (shown["interactive"]["type"], shown["interactive"]["buttons"][0]["title"]) == ("button", "Red")
    answer = await pair.writes(language.AnswerContent(sent.message_id, "r", "Red"))
    reply = await pair.shown(answer.message_id)
    assert reply["interactive"]["button_reply"] == {
        "id": "r",
        "title": "Red",
        "description": None,
        "url": None,
        "phone": None,
    }
    assert reply["context"]["message_id"] == shown["id"]


@pytest.mark.kind("button", "receive")
async def test_a_picked_row_comes_in(pair: Pair) -> None:
    sent = await pair.writes(TextContent(unique("list")))
    answer = await pair.writes(language.AnswerContent(sent.message_id, "row-2", "Second", "list"))
    assert (await pair.shown(answer.message_id))["interactive"]["list_reply"]["id"] == "row-2"


@pytest.mark.kind("view_once", "receive")
@pytest.mark.kind("view_once", "network")
async def test_a_picture_to_be_seen_once_says_so(pair: Pair) -> None:
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(buffer, "JPEG")
    sent = await pair.writes(model.ImageContent(buffer.getvalue(), view_once=True))
    shown = await pair.shown(sent.message_id)
    assert (shown["type"], shown["view_once"]) == ("image", True)


@pytest.mark.kind("timer", "send")
@pytest.mark.kind("timer", "receive")
@pytest.mark.kind("timer", "network")
async def test_a_timer_goes_both_ways(pair: Pair) -> None:
    row = await pair.sends("timer", {"seconds": 86_400})
    assert pair.on_phone(row["wa_message_id"]).details == {"seconds": 86_400}
    fleeting = await pair.sends("text", {"body": unique("fleeting")})
    assert pair.on_phone(fleeting["wa_message_id"]).details["expires_s"] == 86_400
    message_id = str(fleeting["id"])
    await pair.sends("reaction", {"message_id": message_id, "emoji": "👍"})
    sent = await pair.writes(language.TimerContent(0))
    assert (await pair.shown(sent.message_id))["system"] == {"event": "timer", "data": {"seconds": 0}}
    assert (await pair.sends("text", {"body": unique("lasting")}))["content"].get("context") is None


@pytest.mark.kind("unsupported", "receive")
@pytest.mark.kind("unsupported", "network")
async def test_what_has_no_kind_is_shown_by_its_name(pair: Pair) -> None:
    from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import Message

    message = Message()
    message.groupInviteMessage.groupName = "Sailors"
    sent = await pair.writes(RawContent(message.SerializeToString()))
    assert (await pair.shown(sent.message_id))["unsupported"] == {"kind": "groupInviteMessage", "text": "Sailors"}


@pytest.mark.kind("group", "send")
@pytest.mark.kind("group", "receive")
@pytest.mark.parametrize("addressing", ["lid", "pn"])
async def test_changes_in_a_group_find_their_message_and_author(pair: Pair, addressing: Any) -> None:
    network, ours = pair.network, pair.number.phone
    third = (await network.create_phone(name="Sari")).number
    group = (await network.groups.create(pair.customer, f"Team {addressing}", [ours, third], addressing)).jid
    poll = await network.send_message(pair.customer, group, language.PollContent("Tea?", ("Yes", "No")))
    shown = await pair.shown(poll.message_id)
    await network.send_message(third, group, language.VoteContent(poll.message_id, ("No",)))
    await network.send_message(third, group, language.ReactionContent(poll.message_id, "👍"))
    await pair.changed(poll.message_id, "reactions", True)
    votes = [len(one["voters"]) for one in (await pair.shown(poll.message_id))["poll"]["options"]]
    assert votes == [0, 1]
    to = {"to": shown["chat_id"]}
    vote = await pair.blazz._send(pair.number, pair.customer, {**to, **_as("poll_vote", shown["id"], options=["Yes"])})
    reaction = await pair.blazz._send(pair.number, pair.customer, {**to, **_as("reaction", shown["id"], emoji="❤️")})
    for message_id in (vote, reaction):
        await pair.blazz.state(message_id, "delivered")
    seen = next(one for one in network.messages(third, limit=1000) if one.message_id == poll.message_id)
    assert (seen.reactions[ours], seen.votes[ours]) == ("❤️", ["Yes"])
    said = await network.send_message(third, group, TextContent(unique("tpyo")))
    await pair.row(said.message_id)
    await network.send_message(third, group, language.EditContent(said.message_id, "typo"))
    assert (await pair.changed(said.message_id, "edited_at", True))["text"]["body"] == "typo"
    await network.send_message(pair.customer, group, language.DeleteContent(said.message_id))
    await pair.changed(said.message_id, "deleted_at", True)


def _as(kind: str, message_id: str, **content: Any) -> dict[str, Any]:
    return {"type": kind, kind: {"message_id": message_id, **content}}
