"""What a phone's history tells of what nobody wrote: changes of a group, missed calls, a new security code."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from blazz._generated.engine import history_pb2 as pb
from blazz.messaging.kinds import Decoded
from blazz.messaging.model import InboundMessage, PreparedMessage
from blazz.messaging.phone_calls import notice_key
from blazz.sessions.addresses import bare
from blazz.sessions.history_changes import is_deleted

_TIMER = 72
_CALLS = {40: (False, False), 41: (True, False), 45: (False, True), 46: (True, True)}  # (video, group)
_NAME_MAX, _PEOPLE_MAX = 512, 1024

Notice = tuple[str, dict[str, Any]]


def happening_of(message: InboundMessage, one: pb.HistoryMessage) -> PreparedMessage | None:
    """Return what stands in a history without a content, in our terms; None for what nobody needs to see."""
    if is_deleted(one):
        return PreparedMessage(message, Decoded("text"))
    if one.stub == _TIMER and not message.is_group:
        return PreparedMessage(message, Decoded("timer", None, {"seconds": _seconds(one.stub_parameters)}))
    notice = _notice(one, message.author)
    if notice is None:
        return None
    event, data = notice
    key = notice_key(one.id) if event == "call" else f"history:{one.id}"
    made = replace(
        message, wa_message_id=f"notice:{key}"[:128], from_me=False, phone=None, lid=None, push_name=None, raw=b""
    )
    return PreparedMessage(made, Decoded("system", None, {"event": event, "data": data}))


def _notice(one: pb.HistoryMessage, author: str) -> Notice | None:
    if one.stub in _CALLS:
        video, group = _CALLS[one.stub]
        return "call", {"call_id": one.id, "video": video, "group": group, "status": "missed"}
    make = _NOTICES.get(one.stub)
    return None if make is None else make(list(one.stub_parameters), author)


def _named(event: str, field: str) -> Callable[[Sequence[str], str], Notice]:
    return lambda parameters, author: (event, {field: _first(parameters)})


def _switched(event: str) -> Callable[[Sequence[str], str], Notice]:
    return lambda parameters, author: (event, {"on": _first(parameters) == "on"})


def _people(event: str, **data: Any) -> Callable[[Sequence[str], str], Notice]:
    def make(parameters: Sequence[str], author: str) -> Notice:
        people = [address for one in parameters[:_PEOPLE_MAX] if (address := _address(one))]
        by_themselves = event == "group_removed" and people == [author]
        return "group_left" if by_themselves else event, {"participants": people, **data}

    return make


def _address(parameter: str) -> str:
    """Return the address of a person; newer phones give an object with all that they know."""
    if parameter.startswith("{"):
        try:
            known = json.loads(parameter)
        except ValueError:
            return ""
        parameter = str(known.get("id") or known.get("lid") or known.get("phoneNumber") or "")
    return bare(parameter) if "@" in parameter else ""


def _first(parameters: Sequence[str]) -> str:
    return parameters[0].replace("\x00", "\ufffd")[:_NAME_MAX] if parameters else ""


def _seconds(parameters: Sequence[str]) -> int:
    value = _first(parameters)
    return min(int(value), 366 * 86_400) if value.isdecimal() else 0


# By WhatsApp's number of what happened (WebMessageInfo.StubType).
_NOTICES: dict[int, Callable[[Sequence[str], str], Notice]] = {
    20: _named("group_created", "subject"),
    21: _named("group_subject", "subject"),
    23: lambda parameters, author: ("group_link_reset", {}),
    24: _named("group_description", "description"),
    25: _switched("group_locked"),
    26: _switched("group_announcement"),
    27: _people("group_joined"),
    28: _people("group_removed"),
    29: _people("group_promoted"),
    30: _people("group_demoted"),
    31: _people("group_joined", by_link=True),
    32: _people("group_left"),
    38: lambda parameters, author: ("security_code_changed", {}),
    _TIMER: lambda parameters, author: ("timer", {"seconds": _seconds(parameters)}),
}
