"""Messages over a broadcast list stand where people look for them: in the chat with who sent them."""

from __future__ import annotations

import uuid
from pathlib import Path

from blazz._generated.engine import engine_pb2 as pb
from blazz.sessions.inbound import is_stored, message_of
from blazz.sessions.registry import Session

SESSION = Session(uuid.UUID(int=1), uuid.UUID(int=2), 1, Path("store"), True)


def over_list(**fields: object) -> pb.Message:
    """A message of a customer to a list that we are on."""
    told = {"sender": "100000000000101:3@lid", "sender_alt": "628110000101:3@s.whatsapp.net", "is_group": True}
    return pb.Message(**{"id": "3A", "chat": "1730000000@broadcast", **told, **fields})  # type: ignore[arg-type]


def test_a_customers_message_over_a_list_is_in_the_chat_with_them() -> None:
    told = over_list()
    assert is_stored(pb.Event(message=told))
    message = message_of(SESSION, told)
    assert (message.chat, message.is_group, message.phone) == ("100000000000101@lid", False, "+628110000101")


def test_ours_to_a_list_stay_on_the_phone() -> None:
    assert not is_stored(pb.Event(message=over_list(from_me=True)))


def test_a_status_and_a_channel_keep_their_own_chats() -> None:
    assert message_of(SESSION, over_list(chat="status@broadcast")).chat == "status@broadcast"
    channel = over_list(chat="1203@newsletter", sender="1203@newsletter", sender_alt="", is_group=False)
    assert (message_of(SESSION, channel).chat, message_of(SESSION, channel).phone) == ("1203@newsletter", None)
