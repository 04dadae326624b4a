"""Profiles, privacy, blocking, and phones that change how they are known: as linked clients see them."""

from __future__ import annotations

import hashlib
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.whatsim.companion import Companion
from tests.whatsim.server.test_queries import usync
from whatsim.model import InvalidContent, InvalidNumber, TextContent
from whatsim.network import Network, NetworkConfig
from whatsim.server.profiles import Business
from whatsim.wire.binary import Node

pytestmark = pytest.mark.anyio
JPEG = b"\xff\xd8\xff\xe0 a picture"
AVAILABLE = Node("presence", {"type": "available", "name": "Shop"})


async def in_touch(network: Network, shop: str, customer: str, companion: Companion) -> str:
    """Have the customer write to the shop; returns the customer's LID address."""
    await network.send_message(customer, shop, TextContent("hello"))
    await companion.text("hello")
    return f"{network.get_phone(customer).lid}@lid"


async def picture(companion: Companion, of: str, known: str = "") -> Node:
    asked = Node("picture", {"type": "image", "query": "url", **({"id": known} if known else {})})
    return await companion.iq("w:profile:picture", "get", asked, target=of)


async def test_a_profile_is_told_and_what_is_private_is_not(
    wire_network: Network, shop: str, customer: str, companion: Companion
) -> None:
    people = wire_network.people
    lid = await in_touch(wire_network, shop, customer, companion)
    assert (await picture(companion, lid)).children[0].attrs["code"] == "404"
    await people.change_profile(customer, about="At work", username="budi.k")
    assert (await companion.node("notification", type="status")).children[0].data() == b"At work"
    await people.set_picture(customer, JPEG)
    news = await companion.node("notification", type="picture")
    told = (await picture(companion, lid)).children[0].attrs
    assert told["id"] == news.children[0].attrs["id"]
    assert (await picture(companion, lid, told["id"])).children[0].attrs["status"] == "304"

    context = ssl.create_default_context(cafile=str(wire_network.ca_path))
    async with httpx.AsyncClient(verify=context, trust_env=False) as client:
        path = urlsplit(told["url"])
        answer = await client.get(
            f"https://{wire_network.wire_address}{path.path}?{path.query}",
            headers={"Host": path.netloc},
            extensions={"sni_hostname": path.netloc},
        )
    assert hashlib.sha256(answer.content).digest() == hashlib.sha256(JPEG).digest()

    asked = (Node("status"), Node("picture"), Node("username"))
    (user,) = await usync(companion, [Node("user", {"jid": lid})], *asked)
    assert [child.data() for child in user.children if child.tag != "picture"] == [b"At work", b"budi.k"]
    await people.set_privacy(customer, {"status": "none", "profile": "none"})
    (user,) = await usync(companion, [Node("user", {"jid": lid})], *asked)
    assert [child.attrs.get("id") for child in user.children if child.tag == "picture"] == [None]
    assert user.children[0].content is None
    assert (await picture(companion, lid)).children[0].attrs["code"] == "401"
    await people.set_picture(customer, None)
    assert people.profile(customer).picture_id == ""
    with pytest.raises(InvalidContent):
        await people.set_picture(customer, b"no picture")
    with pytest.raises(InvalidContent):
        await people.set_privacy(customer, {"nonsense": "all"})


async def test_a_business_tells_its_name_and_hours(wire_network: Network, customer: str, companion: Companion) -> None:
    jid = f"{customer}@s.whatsapp.net"
    asked = Node("business_profile", {"v": "244"}, [Node("profile", {"jid": jid})])
    assert (await companion.iq("w:biz", "get", asked)).children[0].children == []
    shop = Business("Kopi Senja", "Jl. Braga 1", "hi@kopi.example", ["Cafe"], "Asia/Jakarta", [("mon", 480, 1020)])
    await wire_network.people.set_business(customer, shop)
    profile = (await companion.iq("w:biz", "get", asked)).children[0].children[0]
    assert [child.tag for child in profile.children][:4] == ["address", "email", "categories", "business_hours"]
    (user,) = await usync(companion, [Node("user", {"jid": jid})], Node("business", {}, [Node("verified_name")]))
    assert b"Kopi Senja" in user.children[0].children[0].data()


async def test_own_profile_privacy_and_block_list_are_changed_by_a_companion(
    wire_network: Network, shop: str, customer: str, companion: Companion
) -> None:
    people = wire_network.people
    await companion.iq("w:profile:picture", "set", Node("picture", {"type": "image"}, JPEG))
    assert people.profile(shop).picture_id
    body = b'{"variables":{"input":{"text":"Open till five"}}}'
    await companion.iq("w:mex", "get", Node("query", {"query_id": "9152604461510864"}, body))
    category = Node("category", {"name": "last", "value": "none"})
    answer = await companion.iq("privacy", "set", Node("privacy", {}, [category]))
    assert {"name": "last", "value": "none"} in [child.attrs for child in answer.children[0].children]
    lid = f"{wire_network.get_phone(customer).lid}@lid"
    listed = await companion.iq("blocklist", "set", Node("item", {"jid": lid, "action": "block"}))
    assert [item.attrs["jid"] for item in listed.children[0].children] == [lid]
    shown = people.profile(shop)
    assert (shown.about, shown.privacy, shown.blocked) == ("Open till five", {"last": "none"}, (customer,))

    await wire_network.send_message(customer, shop, TextContent("do you hear me?"))
    await wire_network.typing(customer, shop, True)
    await people.block(shop, customer, blocked=False)
    news = await companion.node("notification", type="account_sync")
    while news.children[0].tag != "blocklist":
        news = await companion.node("notification", type="account_sync")
    assert news.children[0].children[0].attrs["action"] == "unblock"
    await wire_network.send_message(customer, shop, TextContent("now?"))
    await companion.text("now?")
    assert [one.text for one in companion.received] == ["now?"], "what was said meanwhile is never delivered"


async def test_who_hides_is_not_told_what_others_do(
    wire_network: Network, shop: str, customer: str, companion: Companion
) -> None:
    await in_touch(wire_network, shop, customer, companion)
    companion.send(Node("presence", {"type": "subscribe", "to": f"{customer}@s.whatsapp.net"}))
    await wire_network.typing(customer, shop, True)
    await wire_network.set_online(customer, False)
    await wire_network.set_online(customer, True)
    companion.send(AVAILABLE)
    companion.send(Node("presence", {"type": "subscribe", "to": f"{customer}@s.whatsapp.net"}))
    assert "type" not in (await companion.node("presence")).attrs, "nothing of what came before"
    await wire_network.people.set_privacy(customer, {"last": "none"})
    await wire_network.set_online(customer, False)
    assert (await companion.node("presence")).attrs["last"] == "deny"
    await wire_network.people.set_privacy(customer, {"online": "match_last_seen"})
    await wire_network.set_online(customer, True)
    await wire_network.typing(customer, shop, True)
    await companion.node("chatstate")
    assert not [node for node in companion.nodes if node.tag == "presence"]


async def test_a_phone_is_known_by_number_then_by_lid_and_moves_to_another_number(
    wire_network: Network, shop: str, customer: str, companion: Companion
) -> None:
    people = wire_network.people
    seen = []
    for mode in ("number_only", "number", "lid_only", "lid"):
        await people.set_addressing(customer, mode)
        await wire_network.send_message(customer, shop, TextContent(mode))
        node = await companion.node("message")
        seen.append((node.attrs["from"].partition("@")[2], node.attrs.get("sender_pn"), node.attrs.get("sender_lid")))
    lid, number = f"{wire_network.get_phone(customer).lid}@lid", f"{customer}@s.whatsapp.net"
    assert seen == [
        ("s.whatsapp.net", None, None),
        ("s.whatsapp.net", None, lid),
        ("lid", None, None),
        ("lid", number, None),
    ]
    await people.change_number(customer, "628119990001")
    await wire_network.send_message("628119990001", shop, TextContent("my new number"))
    assert (await companion.node("message")).attrs["sender_pn"] == "628119990001@s.whatsapp.net"
    with pytest.raises(InvalidNumber):
        await people.change_number(shop, "628119990002")


async def test_a_new_installation_is_told_and_writes_with_new_keys(
    wire_network: Network, shop: str, customer: str, companion: Companion
) -> None:
    lid = await in_touch(wire_network, shop, customer, companion)
    before = (await companion.fetch_bundle(lid)).identity
    await wire_network.people.rotate_identity(customer)
    news = await companion.node("notification", type="encrypt")
    while news.attrs["from"] != lid:
        news = await companion.node("notification", type="encrypt")
    assert news.children[0].tag == "identity"
    assert (await companion.fetch_bundle(lid)).identity != before


async def test_profiles_outlive_a_restart(tmp_path: Path) -> None:
    config = NetworkConfig(tmp_path / "state", wire_port=0)
    network = await Network.open(config)
    ana, budi = (await network.create_phone()).number, (await network.create_phone()).number
    await network.people.change_profile(ana, about="Away", username="ana")
    await network.people.set_picture(ana, JPEG)
    await network.people.set_business(ana, Business("Ana's", hours=[("mon", 60, 120)]))
    await network.people.block(ana, budi)
    await network.people.set_addressing(ana, "number_only")
    await network.people.rotate_identity(ana)
    before = network.people.profile(ana)
    await network.close()
    network = await Network.open(config)
    assert network.people.profile(ana) == before
    await network.close()
