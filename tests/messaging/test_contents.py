"""WhatsApp's kinds without a file in our terms and back, against messages that phones and businesses write."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import Message
from blazz.messaging import kinds
from blazz.messaging.kinds import Outgoing, Target, contacts, message_secret, vcard
from blazz.messaging.kinds.envelope import new_secret, secret_bytes
from blazz.messaging.repository import messages
from tests.messaging import wire

SECRET = bytes(range(32))
OWN = ("100000000000100@lid", "628119999999@s.whatsapp.net")
TARGET = Target("3EB0AA", from_me=False, chat="100000000000101@lid")


def decoded(raw: bytes) -> kinds.Decoded:
    found = kinds.decode(raw)
    assert found is not None
    return found


def written(kind: str, body: str | None, content: dict[str, Any], **fields: Any) -> kinds.Decoded:
    return decoded(kinds.encode(kind, Outgoing(body, content, own=OWN, **fields)))


@given(st.floats(-90, 90), st.floats(-180, 180), st.text(max_size=40))
def test_a_place_comes_out_as_it_was_written(latitude: float, longitude: float, name: str) -> None:
    content = {"latitude": latitude, "longitude": longitude} | ({"name": name} if name else {})
    assert written("location", None, content).content == content


@pytest.mark.parametrize(("latitude", "longitude"), [(math.nan, 0), (91, 0), (0, math.inf), (0, -181)])
def test_a_place_that_is_none_is_no_location(latitude: float, longitude: float) -> None:
    message = Message(locationMessage={"degreesLatitude": latitude, "degreesLongitude": longitude})
    assert decoded(message.SerializeToString()).kind == kinds.UNSUPPORTED


def plain(text: str) -> bool:
    return text.strip() == text and "\x00" not in text and "\r" not in text


@given(st.text(min_size=1, max_size=40).filter(plain), st.text(max_size=80).filter(plain))
@example("ends with \\", "so does\\")
def test_a_card_comes_out_as_it_was_written(name: str, company: str) -> None:
    card = contacts.ContactCard(
        name=contacts.CardName(formatted_name=name, first_name=name),
        phones=[contacts.CardPhone(phone="+62 811 000 0102", wa_id="628110000102", type="WORK")],
        org=contacts.CardCompany(company=company) if company else None,
    )
    again = contacts.read(contacts.write(card), "unnamed")
    assert (again.name.formatted_name, again.name.first_name) == (name, name)
    assert (again.phones[0].wa_id, again.phones[0].type) == ("628110000102", "WORK")
    assert (again.org.company if again.org else "") == company


def test_a_card_of_another_program_is_read() -> None:
    card = (
        "BEGIN:VCARD\r\nVERSION:3.0\r\nN:Rahma;Siti;;;\r\nFN:Siti Rahma\r\nORG:Shop\\, the;Sales\r\nTITLE:Boss\r\n"
        "item1.TEL;waid=628110000102:+62 811-000-0102\r\nitem1.X-ABLabel:Mobile\r\n"
        "EMAIL;type=INTERNET;type=HOME:s@x.org\r\n"
        "ADR;type=WORK:;;Street 1;Jakarta;;10110;Indonesia\r\nBDAY:1990-02-03\r\n"
        "NOTE:a very long\r\n  note\r\nEND:VCARD"
    )
    found = contacts.read(card, "Siti")
    assert found.org is not None
    assert (found.name.last_name, found.org.company, found.org.title) == ("Rahma", "Shop, the", "Boss")
    assert found.phones[0].phone == "+62 811-000-0102"
    assert (found.emails[0].email, found.birthday) == ("s@x.org", "1990-02-03")
    assert (found.addresses[0].city, found.addresses[0].country) == ("Jakarta", "Indonesia")


def test_a_cards_picture_is_not_kept() -> None:
    card = "BEGIN:VCARD\nFN:A\nPHOTO;ENCODING=b:" + "\n ".join(["A" * 70] * 1000) + "\nTEL:+1\nEND:VCARD"
    assert vcard.without_picture(card) == "BEGIN:VCARD\nFN:A\nTEL:+1\nEND:VCARD"


@given(st.text(max_size=400))
def test_any_card_is_read_somehow(card: str) -> None:
    assert contacts.read(vcard.without_picture(card), "shown").name.formatted_name


@pytest.mark.parametrize(
    "field",
    ["pollCreationMessage", *(f"pollCreationMessageV{version}" for version in (2, 3, 4, 5, 6))],
)
def test_every_version_of_a_poll_is_a_poll_with_its_secret(field: str) -> None:
    found = decoded(wire.poll("Tea?", ["Yes", "No"], SECRET, 1, field))
    assert (found.kind, found.body) == ("poll", "Tea?")
    assert (found.content["options"], found.content["selectable"]) == (["Yes", "No"], 1)
    assert secret_bytes(dict(found.content)) == SECRET


def test_a_vote_of_ours_can_be_read_by_the_polls_author() -> None:
    content = {"options": ["Yes"], "at": 5}
    poll = {"options": ["Yes", "No"], **new_secret()}
    raw = kinds.encode("poll_vote", Outgoing(None, content, target=TARGET, target_content=poll, own=OWN))
    vote = Message.FromString(raw).pollUpdateMessage
    use = message_secret.Use(message_secret.POLL_VOTE, "3EB0AA", TARGET.chat, OWN[0])
    secret = secret_bytes(poll)
    assert secret is not None
    assert message_secret.decrypt(secret, use, vote.vote.encPayload, vote.vote.encIV) is not None
    assert Message.FromString(raw).messageContextInfo.messageSecret == b"", "a change has no secret of its own"


@pytest.mark.parametrize(
    ("kind", "body", "content"),
    [
        ("reaction", None, {"emoji": "👍", "at": 5}),
        ("edit", "new", {"at": 5}),
        ("delete", None, {"for": "everyone"}),
        ("pin", None, {"pinned": True, "seconds": 86_400, "at": 5}),
        ("pin", None, {"pinned": False, "seconds": 604_800, "at": 5}),
    ],
)
def test_a_change_comes_out_as_it_was_written(kind: str, body: str | None, content: dict[str, Any]) -> None:
    found = written(kind, body, content, target=TARGET)
    assert (found.kind, found.body, found.content, found.target) == (kind, body, content, TARGET)


def test_a_change_of_a_members_message_names_the_member() -> None:
    target = Target("3EB0AA", from_me=False, author="100000000000102@lid", chat=wire.GROUP)
    assert written("reaction", None, {"emoji": "👍", "at": 5}, target=target).target == target


def test_a_change_without_a_target_is_kept_as_unsupported() -> None:
    message = Message()
    message.reactionMessage.text = "👍"
    assert decoded(message.SerializeToString()).kind == kinds.UNSUPPORTED


def test_buttons_lists_templates_and_flows_are_readable() -> None:
    buttons, picker, native, template = Message(), Message(), Message(), Message()
    buttons.buttonsMessage.contentText = "Red or blue?"
    buttons.buttonsMessage.buttons.add(buttonID="r", buttonText={"displayText": "Red"})
    picker.listMessage.description, picker.listMessage.buttonText = "Pick", "Open"
    picker.listMessage.sections.add(title="Colours", rows=[{"title": "Red", "rowID": "r", "description": "warm"}])
    native.interactiveMessage.body.text = "Go?"
    native.interactiveMessage.nativeFlowMessage.buttons.add(
        name="cta_url", buttonParamsJSON=json.dumps({"display_text": "Site", "url": "https://x.org"})
    )
    native.interactiveMessage.nativeFlowMessage.buttons.add(name="broken", buttonParamsJSON="{")
    part = template.templateMessage.hydratedTemplate
    part.hydratedContentText = "Your order"
    part.hydratedButtons.add(quickReplyButton={"displayText": "Track", "ID": "t"})
    found = [decoded(one.SerializeToString()) for one in (buttons, picker, native, template)]
    assert [(one.kind, one.body, one.content["type"]) for one in found] == [
        ("interactive", "Red or blue?", "button"),
        ("interactive", "Pick", "list"),
        ("interactive", "Go?", "button"),
        ("interactive", "Your order", "button"),
    ]
    assert found[1].content["sections"][0]["rows"] == [{"title": "Red", "id": "r", "description": "warm"}]
    assert found[2].content["buttons"] == [{"title": "Site", "url": "https://x.org"}, {"title": "broken"}]
    assert found[3].content["buttons"] == [{"title": "Track", "id": "t"}]


def test_answers_are_what_metas_webhooks_show() -> None:
    flow, quick, template = Message(), Message(), Message()
    response = flow.interactiveResponseMessage
    response.nativeFlowResponseMessage.name, response.nativeFlowResponseMessage.paramsJSON = "flow", '{"a": 1}'
    quick.interactiveResponseMessage.body.text = "Yes"
    quick.interactiveResponseMessage.nativeFlowResponseMessage.name = "quick_reply"
    quick.interactiveResponseMessage.nativeFlowResponseMessage.paramsJSON = '{"id": "y"}'
    template.templateButtonReplyMessage.selectedDisplayText, template.templateButtonReplyMessage.selectedID = (
        "Track",
        "t",
    )
    found = [decoded(one.SerializeToString()) for one in (flow, quick, template)]
    assert found[0].content["nfm_reply"]["response_json"] == '{"a": 1}'
    assert found[1].content["button_reply"] == {"title": "Yes", "id": "y"}
    assert (found[2].kind, found[2].body, found[2].content) == ("button", "Track", {"payload": "t"})


def test_invitations_events_products_and_orders_are_put_into_words() -> None:
    invite, event, product, order = Message(), Message(), Message(), Message()
    invite.groupInviteMessage.groupName, invite.groupInviteMessage.inviteCode = "Sailors", "abc"
    event.eventMessage.name = "Regatta"
    product.productMessage.product.title, product.productMessage.product.priceAmount1000 = "Sail", 12_500
    product.productMessage.product.currencyCode = "EUR"
    order.orderMessage.orderTitle = "Two sails"
    texts = [decoded(one.SerializeToString()).body for one in (invite, event, product, order)]
    assert texts == ["Sailors\nhttps://chat.whatsapp.com/abc", "Regatta", "Sail\n12.50 EUR", "Two sails"]


def test_what_announces_an_album_is_no_message() -> None:
    message = Message()
    message.albumMessage.expectedImageCount = 3
    assert kinds.decode(message.SerializeToString()) is None


def test_the_quiet_kinds_are_those_that_are_never_unread() -> None:
    assert set(messages.QUIET) == kinds.QUIET


@pytest.mark.parametrize("name", sorted(kinds.BY_NAME))
def test_every_kind_gives_a_line_for_the_list_of_chats(name: str) -> None:
    assert isinstance(kinds.BY_NAME[name].preview("text", {}), str)


def test_numbers_of_hostile_clients_are_bounded() -> None:
    message = Message()
    message.extendedTextMessage.text = "x"
    context = message.extendedTextMessage.contextInfo
    context.expiration, context.forwardingScore, context.isForwarded = 2**32 - 1, 2**32 - 1, True
    context.mentionedJID.extend(["1@lid"] * 5000)
    around = decoded(message.SerializeToString()).envelope
    assert around.expires_s < 2**31
    assert len(around.mentions) <= 1024
    pin = decoded(wire.pin("3EB0AA", 2**31 - 1))
    assert pin.content["seconds"] <= 2_592_000
