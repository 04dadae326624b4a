"""Groups of the simulated network on the wire: a small client in Python as a member beside phones."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.whatsim.companion import Companion
from whatsim.model import GroupRefused, Script, ScriptRule, TextContent
from whatsim.network import Network, NetworkConfig
from whatsim.wire.binary import Node
from whatsim.wire.sender_keys import SenderKeys
from whatsim.wire.signal import DecryptError, DuplicateMessage, NoSession

pytestmark = pytest.mark.anyio


def test_a_sender_key_reads_in_any_order_and_each_message_once() -> None:
    sender, reader = SenderKeys(), SenderKeys()
    reader.learn(sender.distribution())
    first, second, third = (sender.encrypt(text) for text in (b"one", b"two", b"three"))
    assert reader.decrypt(third) == b"three"
    reader = SenderKeys.load(reader.dump())
    assert [reader.decrypt(first), reader.decrypt(second)] == [b"one", b"two"]
    with pytest.raises(DuplicateMessage):
        reader.decrypt(first)
    with pytest.raises(DecryptError):
        reader.decrypt(_damaged(sender.encrypt(b"four")))


def _damaged(data: bytes) -> bytes:
    return data[:-1] + bytes((data[-1] ^ 1,))


def test_a_sender_key_that_was_forgotten_does_not_read_on() -> None:
    sender, reader = SenderKeys(), SenderKeys()
    reader.learn(sender.distribution())
    sender.forget()
    with pytest.raises(NoSession):
        reader.decrypt(sender.encrypt(b"for those who stay"))


async def test_a_group_is_made_asked_for_and_found_again_after_a_restart(
    wire_network: Network, companion: Companion, shop: str, customer: str
) -> None:
    people = [Node("participant", {"jid": f"{customer}@s.whatsapp.net"})]
    answer = await companion.iq("w:g2", "set", Node("create", {"subject": "Team"}, people), to="@g.us")
    group = answer.child("group")
    assert group is not None and group.attr("subject") == "Team"
    jid = f"{group.attr('id')}@g.us"
    told = await companion.node("notification", type="w:gp2")
    assert told.children[0].tag == "create"
    assert wire_network.groups.get(jid).members == {shop: "superadmin", customer: "member"}
    listed = await companion.iq("w:g2", "get", Node("participating"), to="@g.us")
    assert [entry.attr("subject") for entry in listed.children[0].children] == ["Team"]


async def test_state_survives_a_restart(tmp_path, wire_network: Network, shop: str, customer: str) -> None:  # type: ignore[no-untyped-def]
    view = await wire_network.groups.create(shop, "Team", [customer])
    await wire_network.send_message(shop, view.jid, TextContent("before"))
    await wire_network.close()
    again = await Network.open(NetworkConfig(tmp_path / "state", wire_port=0))
    try:
        assert again.groups.get(view.jid) == view
        (message,) = again.messages(customer)
        assert (message.chat, message.from_number, message.body) == (view.jid, shop, "before")
        await again.send_message(customer, view.jid, TextContent("after"))
        assert again.messages(shop)[-1].from_number == customer
    finally:
        await again.close()


async def test_members_are_told_of_changes_and_strangers_get_nothing(
    wire_network: Network, companion: Companion, shop: str, customer: str
) -> None:
    other = (await wire_network.create_phone(name="Sari")).number
    view = await wire_network.groups.create(customer, "Team", [shop])
    await companion.node("notification", type="w:gp2")
    assert await wire_network.groups.change_members(view.jid, customer, "add", [other, other, "628999999999"]) == [
        200,
        409,
        404,
    ]
    added = await companion.node("notification", type="w:gp2")
    assert added.children[0].tag == "add"
    await wire_network.groups.change(view.jid, customer, subject="New name", announcement=True)
    assert (await companion.node("notification", type="w:gp2")).children[0].attr("subject") == "New name"
    assert (await companion.node("notification", type="w:gp2")).children[0].tag == "announcement"
    with pytest.raises(GroupRefused):
        await wire_network.send_message(other, view.jid, TextContent("not for me"))
    with pytest.raises(GroupRefused):
        await wire_network.groups.change_members(view.jid, other, "remove", [shop])
    refused = await companion.iq("w:g2", "set", Node("locked"), to=view.jid)
    error = refused.child("error")
    assert error is not None and error.attr("code") == "401"


async def test_a_link_lets_in_after_approval_until_it_is_reset(
    wire_network: Network, companion: Companion, shop: str, customer: str
) -> None:
    view = await wire_network.groups.create(customer, "Team", [])
    await wire_network.groups.change(view.jid, customer, approval=True)
    code = view.link.rpartition("/")[2]
    invite = Node("invite", {"code": code})
    shown = (await companion.iq("w:g2", "get", invite, to="@g.us")).child("group")
    assert shown is not None and shown.attr("subject") == "Team" and shown.child("participant") is None
    asked = await companion.iq("w:g2", "set", invite, to="@g.us")
    assert asked.child("membership_approval_request") is not None
    assert wire_network.groups.get(view.jid).requests == [shop]
    assert await wire_network.groups.change_members(view.jid, customer, "approve", [shop]) == [200]
    assert (await companion.node("notification", type="w:gp2")).children[0].tag == "create"
    await wire_network.groups.change(view.jid, customer, approval=False)
    wire_network._core.groups.reset_link(
        wire_network._core.groups.by_id[view.jid.partition("@")[0]],
        wire_network._core.world.phone(customer),
    )
    gone = (await companion.iq("w:g2", "set", invite, to="@g.us")).child("error")
    assert gone is not None and gone.attr("code") == "410"


async def test_an_invitation_lets_in_the_one_whom_it_is_for_and_once(
    wire_network: Network, companion: Companion, shop: str, customer: str
) -> None:
    other = (await wire_network.create_phone(name="Sari")).number
    await wire_network.people.set_privacy(other, {"groupadd": "none"})
    view = await wire_network.groups.create(shop, "Team", [])
    adding = Node("add", {}, [Node("participant", {"jid": f"{other}@s.whatsapp.net"})])
    answer = (await companion.iq("w:g2", "set", adding, to=view.jid)).child("add")
    assert answer is not None
    request = answer.children[0].child("add_request")
    assert answer.children[0].attr("error") == "403" and request is not None
    with pytest.raises(GroupRefused):
        await wire_network.groups.accept(view.jid, customer, request.attr("code"))
    await wire_network.groups.accept(view.jid, other, request.attr("code"))
    assert set(wire_network.groups.get(view.jid).members) == {shop, other}
    await wire_network.groups.leave(view.jid, other)
    with pytest.raises(GroupRefused):
        await wire_network.groups.accept(view.jid, other, request.attr("code"))

    theirs = await wire_network.groups.create(customer, "Theirs", [])
    sent = await wire_network.groups.invite(theirs.jid, customer, shop)
    code = {"code": sent.details["code"], "expiration": str(sent.details["expires_at"]), "admin": f"{customer}@lid"}
    await companion.iq("w:g2", "set", Node("accept", code), to=theirs.jid)
    assert shop in wire_network.groups.get(theirs.jid).members
    await wire_network.groups.leave(theirs.jid, shop)
    error = (await companion.iq("w:g2", "set", Node("accept", code), to=theirs.jid)).child("error")
    assert error is not None and error.attr("code") == "410"


async def test_a_channel_posts_in_plain_and_tells_its_name(
    wire_network: Network, companion: Companion, shop: str
) -> None:
    channel = "120363000000000002@newsletter"

    async def shown() -> Any:
        question = json.dumps({"variables": {"input": {"key": channel, "type": "JID"}}}).encode()
        answer = await companion.iq("w:mex", "get", Node("query", {"query_id": "6563316087068696"}, question))
        result = answer.child("result")
        assert result is not None
        return json.loads(result.data())["data"]["xwa2_newsletter"]

    assert await shown() is None
    message_id = await wire_network.groups.publish(channel, [shop], TextContent("news"), name="Harvest")
    post = await companion.node("message", id=message_id)
    assert post.attr("from") == channel and post.child("plaintext") is not None
    assert (await shown())["thread_metadata"]["name"]["text"] == "Harvest"


async def test_scripts_answer_in_the_group_and_receipts_are_counted_per_member(
    wire_network: Network, shop: str, customer: str
) -> None:
    other = (await wire_network.create_phone(name="Sari")).number
    await wire_network.set_behaviour(customer, Script((ScriptRule("who", "me"),)))
    view = await wire_network.groups.create(shop, "Team", [customer, other])
    sent = await wire_network.send_message(shop, view.jid, TextContent("who is there?"))
    assert wire_network.messages(other)[-1].body == "me"
    assert await wire_network.mark_read(other, view.jid) == 2
    (own,) = [message for message in wire_network.messages(shop) if message.message_id == sent.message_id]
    assert own.reached == {customer: "delivered", other: "read"}
    assert {receipt.state for receipt in own.receipts} == {"sent", "delivered"}
