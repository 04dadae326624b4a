"""Endpoints about restrictions, bans, client versions, calls and passkeys."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from whatsim.control.phones import Net
from whatsim.control.schemas import Body, Number
from whatsim.rules_desk import CallView
from whatsim.server.calls import CallState

router = APIRouter(tags=["rules"])
_YEAR_S = 366 * 86_400
_Seconds = Annotated[float, Field(ge=0, le=_YEAR_S, allow_inf_nan=False)]


class Timelock(Body):
    """For how long a phone's linked devices start no chats; 0 ends it."""

    seconds: _Seconds
    tell: bool = Field(default=True, description="push the notice; without it only refusals show the lock")


class NewChatCap(Body):
    """What is told of the new chats of a period."""

    status: Literal["NONE", "FIRST_WARNING", "SECOND_WARNING", "CAPPED"]
    used: int = Field(default=0, ge=0, le=1_000_000)
    total: int = Field(default=0, ge=0, le=1_000_000)
    seconds: _Seconds = 86_400


class Ban(Body):
    """For how long a phone's linked devices are kept out; null is for good, 0 ends it."""

    seconds: _Seconds | None
    code: int = Field(default=101, ge=100, le=199)


class ClientVersions(Body):
    """The lowest revision of clients that gets in, and the newest that the web page names."""

    minimum: int | None = Field(default=None, ge=1, le=4_000_000_000)
    newest: int | None = Field(default=None, ge=1, le=4_000_000_000)


class NewCall(Body):
    """Whom to call."""

    to: Number
    video: bool = False


class EndCall(Body):
    """How a call ends."""

    reason: Literal["hangup", "timeout", "accepted_elsewhere", "rejected_elsewhere"] = "hangup"


class PasskeyDemand(Body):
    """Whether a phone demands its passkey of new devices."""

    required: bool


class Call(BaseModel):
    """A call and how far it is."""

    id: str
    caller: str
    callee: str
    video: bool
    state: CallState
    rejected_by: int
    started_at: datetime

    @classmethod
    def of(cls, view: CallView) -> Call:
        return cls(**asdict(view))


class CallList(BaseModel):
    """Calls, the oldest first."""

    data: list[Call]


class PasskeyState(BaseModel):
    """How a linking with a passkey is going."""

    required: bool
    step: str
    code: str | None
    refused: str | None


@router.post("/phones/{number}/timelock", status_code=204, summary="Let a number start no chats")
async def set_timelock(network: Net, number: Number, body: Timelock) -> None:
    await network.limits.timelock(number, body.seconds, tell=body.tell)


@router.post("/phones/{number}/new-chat-cap", status_code=204, summary="Tell how many new chats are used up")
async def set_cap(network: Net, number: Number, body: NewChatCap) -> None:
    await network.limits.cap(number, body.status, body.used, body.total, body.seconds)


@router.post("/phones/{number}/ban", status_code=204, summary="Ban a number, for a time or for good")
async def set_ban(network: Net, number: Number, body: Ban) -> None:
    network.limits.ban(number, body.seconds, body.code)


@router.post("/client-versions", status_code=204, summary="Refuse old clients")
async def set_versions(network: Net, body: ClientVersions) -> None:
    network.limits.client_versions(body.minimum, body.newest)


@router.post("/phones/{number}/calls", status_code=201, summary="Call somebody")
async def call(network: Net, number: Number, body: NewCall) -> Call:
    return Call.of(await network.calls.offer(number, body.to, video=body.video))


@router.get("/calls", summary="Calls")
async def list_calls(network: Net) -> CallList:
    return CallList(data=[Call.of(view) for view in network.calls.list()])


@router.post("/calls/{call_id}/end", summary="End a call")
async def end_call(network: Net, call_id: Annotated[str, Path(max_length=64)], body: EndCall) -> Call:
    return Call.of(await network.calls.end(call_id, body.reason))


@router.post("/phones/{number}/passkey", status_code=204, summary="Demand the passkey of new devices, or no longer")
async def demand_passkey(network: Net, number: Number, body: PasskeyDemand) -> None:
    network.passkeys.require(number, required=body.required)


@router.get("/phones/{number}/passkey", summary="How a linking with the passkey is going")
async def get_passkey(network: Net, number: Number) -> PasskeyState:
    return PasskeyState(**asdict(network.passkeys.state(number)))


@router.post("/phones/{number}/passkey/assertion", summary="Sign the challenge under way with the phone's passkey")
async def sign(network: Net, number: Number) -> dict[str, Any]:
    return network.passkeys.assertion(number)
