"""`kinds`: each kind of message without a file, both ways: milliseconds to the other side, microseconds in Python."""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.events import EventSocket
from benchmarks.figures import machine, percentile
from benchmarks.stand import InProcessNetwork, Stand, poll, stand
from blazz.messaging import kinds
from blazz.messaging.kinds import Outgoing, Target
from blazz.messaging.kinds.envelope import new_secret
from whatsim import language, model
from whatsim.network import Network

_OURS, _CUSTOMER = "628120000001", "628120000002"
_EACH = 20  # messages of a kind in one direction and repetition
_CALLS = 2_000  # of each function, for the microseconds
_TOLD = ("message.received", "message.reaction", "message.edited", "message.deleted", "message.updated")


@dataclass(frozen=True, slots=True)
class Case:
    """How a kind is sent by us and by a customer; both get the target's ids (ours, WhatsApp's) and a serial."""

    request: Callable[[str, int], Any]
    content: Callable[[str, int], model.OutgoingContent]
    target: str | None = None  # "theirs", "ours" or "poll", from the side of who sends


def _place(serial: int) -> dict[str, Any]:
    return {"latitude": serial % 90, "longitude": 2.0, "name": "Monas"}


CASES: dict[str, Case] = {
    "text": Case(lambda _, n: {"body": f"text {n}"}, lambda _, n: model.TextContent(f"text {n}")),
    "location": Case(lambda _, n: _place(n), lambda _, n: language.LocationContent(n % 90, 2.0, "Monas")),
    "contacts": Case(
        lambda _, n: [{"name": {"formatted_name": f"Siti {n}"}, "phones": [{"wa_id": "628110000102"}]}],
        lambda _, n: language.ContactsContent(((f"Siti {n}", "628110000102"),)),
    ),
    "poll": Case(
        lambda _, n: {"question": f"Tea {n}?", "options": ["Yes", "No"]},
        lambda _, n: language.PollContent(f"Tea {n}?", ("Yes", "No")),
    ),
    "poll_vote": Case(
        lambda key, n: {"message_id": key, "options": [("Yes", "No")[(n // 2 + 1) % 2]]},
        lambda key, n: language.VoteContent(key, (("Yes", "No")[(n // 2 + 1) % 2],)),
        "poll",
    ),
    "reaction": Case(
        lambda key, n: {"message_id": key, "emoji": "👍👎"[(n // 2 + 1) % 2]},
        lambda key, n: language.ReactionContent(key, "👍👎"[(n // 2 + 1) % 2]),
        "theirs",
    ),
    "edit": Case(
        lambda key, n: {"message_id": key, "text": {"body": f"edit {n}"}},
        lambda key, n: language.EditContent(key, f"edit {n}"),
        "ours",
    ),
    "pin": Case(
        lambda key, n: {"message_id": key, "pinned": bool((n // 2 + 1) % 2)},
        lambda key, n: language.PinContent(key, 86_400 * ((n // 2 + 1) % 2)),
        "theirs",
    ),
    "timer": Case(
        lambda _, n: {"seconds": 86_400 * ((n // 2 + 1) % 2)},
        lambda _, n: language.TimerContent(86_400 * ((n // 2 + 1) % 2)),
    ),
}


async def run(options: argparse.Namespace) -> dict[str, Any]:
    """Send one message after the other, so that each shows its own time; report medians over all repetitions."""
    sent: dict[str, list[float]] = {name: [] for name in CASES}
    received: dict[str, list[float]] = {name: [] for name in CASES}
    serials = itertools.count(1)
    async with stand(in_process_network=True) as built:
        network = _network(built)
        for number in (_OURS, _CUSTOMER):
            await network.create_phone(number)
        await built.link(_OURS)
        async with EventSocket(built.url, built.api_key) as events:
            for _ in range(options.repetitions):
                for name, case in CASES.items():
                    ours, theirs = await _targets(built, network, events, case)
                    for _ in range(_EACH):
                        sent[name].append(await _send(built, network, name, case.request(ours, next(serials))))
                        received[name].append(await _receive(network, events, case.content(theirs, next(serials))))
    python = {name: _microseconds(name) for name in CASES}
    return {
        "by_kind": {
            name: {
                "send_p50_ms": round(percentile(sent[name], 0.5), 2),
                "send_p95_ms": round(percentile(sent[name], 0.95), 2),
                "receive_p50_ms": round(percentile(received[name], 0.5), 2),
                "receive_p95_ms": round(percentile(received[name], 0.95), 2),
                **python[name],
            }
            for name in CASES
        },
        "messages": _EACH * options.repetitions,
        "machine": machine(),
    }


def _network(built: Stand) -> Network:
    assert isinstance(built.network, InProcessNetwork) and built.network.network is not None
    return built.network.network


async def _targets(built: Stand, network: Network, events: EventSocket, case: Case) -> tuple[str, str]:
    """Return what our change is about (our id) and what the customer's is about (WhatsApp's id)."""
    if case.target is None:
        return "", ""
    kind = "poll" if case.target == "poll" else "text"
    asked: Any = {"question": "?", "options": ["Yes", "No"]} if kind == "poll" else {"body": "target"}
    ours = await built.api.json("POST", "/messages", {"to": f"+{_CUSTOMER}", "type": kind, kind: asked})
    await _arrives(network, ours["wa_message_id"])
    before = events.counts["message.received"]
    content = language.PollContent("?", ("Yes", "No")) if kind == "poll" else model.TextContent("target")
    theirs = await network.send_message(_CUSTOMER, _OURS, content)
    await poll(lambda: _more(events, before), 20, 0.001)
    stored = next(key for key in reversed(events.received_at))
    if case.target == "ours":
        return ours["id"], theirs.message_id
    return stored, ours["wa_message_id"]


async def _send(built: Stand, network: Network, kind: str, content: Any) -> float:
    """Return the milliseconds from the request to the customer's phone."""
    began = time.perf_counter()
    answer = await built.api.json("POST", "/messages", {"to": f"+{_CUSTOMER}", "type": kind, kind: content})
    await _arrives(network, answer["wa_message_id"])
    return (time.perf_counter() - began) * 1000


async def _receive(network: Network, events: EventSocket, content: model.OutgoingContent) -> float:
    """Return the milliseconds from the customer's phone to the event."""
    before = sum(events.counts[name] for name in _TOLD)
    began = time.perf_counter()
    await network.send_message(_CUSTOMER, _OURS, content)
    await poll(lambda: _told(events, before), 20, 0.0005)
    return (time.perf_counter() - began) * 1000


async def _arrives(network: Network, wa_message_id: str) -> None:
    async def shown() -> bool:
        last = network.get_phone(_CUSTOMER).last_message
        after = max(0, last.id - 50) if last is not None else 0
        return any(one.message_id == wa_message_id for one in network.messages(_CUSTOMER, after))

    await poll(shown, 20, 0.0005)


async def _more(events: EventSocket, before: int) -> bool:
    return events.counts["message.received"] > before


async def _told(events: EventSocket, before: int) -> bool:
    return sum(events.counts[name] for name in _TOLD) > before


def _microseconds(kind: str) -> dict[str, float]:
    """Return what writing and reading a message of a kind costs in Python."""
    contents: dict[str, Any] = {
        "location": _place(1),
        "contacts": {"cards": [{"name": "Siti", "vcard": "BEGIN:VCARD\nVERSION:3.0\nFN:Siti\nEND:VCARD"}]},
        "poll": {"options": ["Yes", "No"], "selectable": 1},
        "poll_vote": {"options": ["Yes"], "at": 1},
        "reaction": {"emoji": "👍", "at": 1},
        "edit": {"at": 1},
        "pin": {"pinned": True, "seconds": 86_400, "at": 1},
        "timer": {"seconds": 86_400},
    }
    outgoing = Outgoing(
        "text",
        contents.get(kind, {}),
        target=Target("3EB0AA", False, "", "100000000000101@lid"),
        target_content={"options": ["Yes", "No"], **new_secret()},
        own=("100000000000100@lid", "628120000001@s.whatsapp.net"),
    )
    raw = kinds.encode(kind, outgoing)
    return {
        "encode_us": _each(lambda: kinds.encode(kind, outgoing)),
        "decode_us": _each(lambda: kinds.decode(raw)),
    }


def _each(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    for _ in range(_CALLS):
        call()
    return round((time.perf_counter() - began) / _CALLS * 1e6, 1)
