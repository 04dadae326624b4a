"""Asking WhatsApp about groups through the instance that owns the number, in the engine contract's own messages."""

from __future__ import annotations

import uuid
from typing import TypeVar

from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message

from blazz._generated.engine import groups_pb2 as pb
from blazz.cluster.commands import SessionCommands
from blazz.groups.schemas import Outcome

_M = TypeVar("_M", bound=Message)
# WhatsApp's codes for one participant, in words for the person who asked.
_CODES: dict[int, tuple[str, str]] = {
    403: ("invitation_needed", "This person lets nobody add them; send them an invitation."),
    404: ("not_on_whatsapp", "WhatsApp does not know this person, or they are not in the group."),
    406: ("not_allowed", "The owner of a group stays its owner."),
    408: ("invitation_needed", "This person left the group lately; send them the invite link."),
    409: ("already_member", "This person is in the group already."),
    419: ("group_full", "The group has as many members as it can have."),
}


async def ask(commands: SessionCommands, account_id: uuid.UUID, method: str, request: Message, answer: type[_M]) -> _M:
    """Call a method of the service `Groups`. Raises BlazzError as `GroupCommands.ask_groups` does."""
    body = MessageToDict(request, preserving_proto_field_name=True)
    return ParseDict(await commands.ask_groups(account_id, method, body), answer(), ignore_unknown_fields=True)


def outcomes(reply: pb.ParticipantsReply, action: str) -> list[Outcome]:
    """Return what became of a change, by person."""
    found = []
    for entry in reply.outcomes:
        code, message = ("ok", None) if not entry.error else _CODES.get(entry.error, ("refused", None))
        if code == "not_on_whatsapp" and action != "add":
            code, message = "not_a_member", "This person is not in the group."
        if code == "refused":
            message = f"WhatsApp refused ({entry.error})."
        may_invite = bool(entry.invite_code)
        found.append(
            Outcome(address=entry.lid or entry.jid, code=code, message=message, may_invite=may_invite)  # type: ignore[arg-type]
        )
    return found
