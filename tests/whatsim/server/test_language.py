"""What phones write beyond texts and pictures, and what they make of it; between two phones and over a restart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.media import samples
from whatsim import language
from whatsim.model import (
    FileContent,
    ImageContent,
    InvalidContent,
    MessageView,
    OutgoingContent,
    RawContent,
    TextContent,
)
from whatsim.network import Network, NetworkConfig
from whatsim.phones import groups as group_phones
from whatsim.wire import e2e, kinds

pytestmark = pytest.mark.anyio
ANA, BUDI = "628110000001", "628110000002"


async def phones(network: Network) -> None:
    await network.create_phone(ANA, "Ana")
    await network.create_phone(BUDI, "Budi")


async def writes(network: Network, content: OutgoingContent, author: str = ANA, reader: str = BUDI) -> str:
    return (await network.send_message(author, reader, content)).message_id


def seen(network: Network, message_id: str, phone: str = BUDI) -> MessageView:
    return next(one for one in network.messages(phone) if one.message_id == message_id)


async def test_reactions_edits_pins_and_deletions_show_on_both_phones(wire_network: Network) -> None:
    await phones(wire_network)
    text = await writes(wire_network, TextContent("tpyo"))
    await writes(wire_network, language.ReactionContent(text, "👍"), BUDI, ANA)
    await writes(wire_network, language.EditContent(text, "typo"))
    await writes(wire_network, language.PinContent(text))
    for phone in (ANA, BUDI):
        message = seen(wire_network, text, phone)
        assert (message.body, message.edited, message.pinned, message.reactions) == ("typo", True, True, {BUDI: "👍"})
    await writes(wire_network, language.ReactionContent(text, ""), BUDI, ANA)
    assert seen(wire_network, text).reactions == {}
    await writes(wire_network, language.DeleteContent(text))
    assert (seen(wire_network, text).deleted, seen(wire_network, text).body) == (True, "")
    assert wire_network.get_phone(BUDI).unread == 1, "changes are nothing to read"


@pytest.mark.parametrize("multiple", [False, True])
async def test_votes_are_counted_by_voter(wire_network: Network, multiple: bool) -> None:
    await phones(wire_network)
    poll = await writes(wire_network, language.PollContent("Tea?", ("Yes", "No"), multiple))
    await writes(wire_network, language.VoteContent(poll, ("No",)), BUDI, ANA)
    await writes(wire_network, language.VoteContent(poll, ("Yes",)))
    assert seen(wire_network, poll, ANA).votes == seen(wire_network, poll).votes == {BUDI: ["No"], ANA: ["Yes"]}
    await writes(wire_network, language.VoteContent(poll, ()), BUDI, ANA)
    assert seen(wire_network, poll, ANA).votes == {ANA: ["Yes"]}


async def test_only_the_author_edits_or_deletes(wire_network: Network) -> None:
    await phones(wire_network)
    text = await writes(wire_network, TextContent("mine"))
    with pytest.raises(InvalidContent):
        await writes(wire_network, language.EditContent(text, "yours"), BUDI, ANA)
    await writes(wire_network, language.DeleteContent(text), BUDI, ANA)
    assert seen(wire_network, text, ANA).body == "mine"


async def test_a_live_location_moves(wire_network: Network) -> None:
    await phones(wire_network)
    start = await writes(wire_network, language.LocationContent(1.0, 2.0, live=True))
    await writes(wire_network, language.MoveContent(start, 3.0, 4.0))
    details = seen(wire_network, start).details
    assert (details["latitude"], details["longitude"], details["live"]) == (3.0, 4.0, True)


async def test_a_forward_keeps_its_count(wire_network: Network) -> None:
    await phones(wire_network)
    text = await writes(wire_network, TextContent("pass it on"))
    again = await writes(wire_network, language.ForwardContent(text), BUDI, ANA)
    shown = seen(wire_network, again, ANA)
    assert (shown.body, shown.details["forwarded"]) == ("pass it on", 1)


async def test_a_forward_of_an_edited_message_has_its_new_text(wire_network: Network) -> None:
    await phones(wire_network)
    text = await writes(wire_network, TextContent("tpyo"))
    answer = await writes(wire_network, TextContent("tpyo", quoted_id=text))
    picture = await writes(wire_network, ImageContent(samples.picture(), caption="tpyo"))
    for message_id in (text, answer, picture):
        await writes(wire_network, language.EditContent(message_id, "typo"))
        assert seen(wire_network, message_id).body == "typo"
        again = await writes(wire_network, language.ForwardContent(message_id), BUDI, ANA)
        assert seen(wire_network, again, ANA).body == "typo"
    assert wire_network.media(ANA, again)[0] == samples.picture()


@pytest.mark.parametrize("kind", ["image", "video", "document"])
async def test_a_caption_is_edited_and_not_taken_away(wire_network: Network, kind: Any) -> None:
    await phones(wire_network)
    content = ImageContent(samples.picture()) if kind == "image" else FileContent(kind, b"x", "x/y", "tpyo")
    file = await writes(wire_network, content)
    await writes(wire_network, language.EditContent(file, "typo"))
    assert (seen(wire_network, file).body, seen(wire_network, file).edited) == ("typo", True)
    wrong = e2e.Message(conversation="another kind's text").encode()
    for new in (wrong, e2e.Message(image=e2e.ImageMessage(caption="")).encode()):
        key = kinds.MessageKey(f"{BUDI}@s.whatsapp.net", True, file)
        protocol = e2e.ProtocolMessage(key, e2e.TYPE_EDIT, edited=new)
        await writes(wire_network, RawContent(e2e.Message(protocol=protocol).encode()))
    assert seen(wire_network, file).body == "typo"


async def test_a_sound_has_no_caption_to_edit(wire_network: Network) -> None:
    await phones(wire_network)
    sound = await writes(wire_network, FileContent("audio", b"x", "audio/ogg"))
    with pytest.raises(InvalidContent):
        await writes(wire_network, language.EditContent(sound, "words"))


@pytest.mark.parametrize(
    "content",
    [
        language.ReactionContent("none", "👍"),
        language.VoteContent("none", ()),
        language.PollContent("?", ("a",)),
        language.PollContent("?", ("a", "a")),
        language.LocationContent(91, 0),
        language.ContactsContent(()),
        language.ForwardContent("none"),
    ],
)
async def test_what_cannot_be_written_is_refused(wire_network: Network, content: OutgoingContent) -> None:
    await phones(wire_network)
    with pytest.raises(InvalidContent):
        await writes(wire_network, content)


async def test_what_changes_have_made_of_a_message_outlives_a_restart(tmp_path: Path) -> None:
    config = NetworkConfig(tmp_path / "again", wire_port=0)
    network = await Network.open(config)
    await phones(network)
    text = await writes(network, TextContent("kept"))
    await writes(network, language.ReactionContent(text, "👍"), BUDI, ANA)
    await network.close()
    network = await Network.open(config)
    try:
        assert seen(network, text, ANA).reactions == {BUDI: "👍"}
    finally:
        await network.close()


async def test_members_of_a_group_may_use_one_id(wire_network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    await phones(wire_network)
    cari = (await wire_network.create_phone(name="Cari")).number
    group = (await wire_network.groups.create(ANA, "Team", [BUDI, cari])).jid
    early = e2e.ProtocolMessage(kinds.MessageKey(group, True, "3ASAME"), e2e.TYPE_EDIT)
    early.edited = e2e.Message(conversation="early").encode()
    await wire_network.send_message(BUDI, group, RawContent(e2e.Message(protocol=early).encode()))
    with monkeypatch.context() as same:
        same.setattr(group_phones, "new_message_id", lambda: "3ASAME")
        for author in (ANA, BUDI):
            await wire_network.send_message(author, group, TextContent(f"by {author}"))

    def shown(phone: str) -> dict[str, MessageView]:
        found = [one for one in wire_network.messages(phone) if one.message_id == "3ASAME"]
        return {one.from_number: one for one in found}

    for phone in (ANA, BUDI, cari):
        assert {author: one.body for author, one in shown(phone).items()} == {ANA: f"by {ANA}", BUDI: "early"}
    await wire_network.send_message(BUDI, group, language.EditContent("3ASAME", "better"))
    budi = kinds.MessageKey(group, False, "3ASAME", f"{BUDI}@s.whatsapp.net")
    await wire_network.send_message(
        cari, group, RawContent(e2e.Message(reaction=kinds.ReactionMessage(budi, "👍")).encode())
    )
    assert await wire_network.groups.mark_read(cari, group) == 2
    for phone in (ANA, BUDI, cari):
        assert (shown(phone)[BUDI].body, shown(phone)[BUDI].reactions) == ("better", {cari: "👍"})
        assert (shown(phone)[ANA].body, shown(phone)[ANA].reactions) == (f"by {ANA}", {})
    assert shown(ANA)[ANA].reached[cari] == shown(BUDI)[BUDI].reached[cari] == "read"
    assert shown(BUDI)[ANA].reached == {}
