"""Endpoints about groups: make, show, change, join, leave; posts: status, channels. Messages go through the phones'."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field, StringConstraints

from whatsim.control.phones import Net
from whatsim.control.schemas import Body, ChannelAddress, GroupAddress, Number, TextBody
from whatsim.group_desk import GroupView
from whatsim.model import TextContent

router = APIRouter(tags=["groups"])

Subject = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
Jid = Annotated[GroupAddress, Path()]


class NewGroup(Body):
    """A group to make; `number` becomes its owner."""

    number: Number
    subject: Subject
    members: list[Number] = Field(default_factory=list, max_length=1023)
    addressing: Literal["lid", "pn"] = "lid"


class ChangeGroup(Body):
    """What the member `number` changes; fields that are left out stay."""

    number: Number
    subject: Subject | None = None
    description: str | None = Field(None, max_length=2048)
    announcement: bool | None = None
    locked: bool | None = None
    approval: bool | None = None
    add_mode: Literal["admin_add", "all_member_add"] | None = None


class ChangeMembers(Body):
    """What the member `number` does with others."""

    number: Number
    action: Literal["add", "remove", "promote", "demote", "approve", "reject"]
    members: list[Number] = Field(min_length=1, max_length=1023)


class Member(Body):
    """The phone that joins or leaves."""

    number: Number


class NewInvitation(Body):
    """The member `number` invites the owner of `to`."""

    number: Number
    to: Number


class Accepting(Body):
    """The phone that joins, and the code of its invitation (in the details of the message)."""

    number: Number
    code: str = Field(min_length=1, max_length=128)


class Group(BaseModel):
    """A group. `members` are roles by number, `requests` the numbers that wait for an admin's approval."""

    jid: str
    subject: str
    description: str
    addressing: str
    announcement: bool
    locked: bool
    approval: bool
    add_mode: str
    link: str
    members: dict[str, str]
    requests: list[str]
    has_picture: bool

    @classmethod
    def of(cls, view: GroupView) -> Group:
        return cls(**asdict(view))


class AllGroups(BaseModel):
    """All groups."""

    data: list[Group]


class Outcomes(BaseModel):
    """A code for each member, in the order of the request; 200 when it was done."""

    codes: list[int]


class Joined(BaseModel):
    """Whether the phone is in now; if not, an admin must approve first."""

    joined: bool


class ChannelPost(Body):
    """A text and the phones that follow the channel."""

    body: str = Field(min_length=1, max_length=65_536)
    followers: list[Number] = Field(min_length=1, max_length=1000)
    name: str | None = Field(None, min_length=1, max_length=100, description="What the channel is called from now on.")


class Posted(BaseModel):
    """A post (a status, or of a channel) or an invitation that was sent."""

    message_id: str


@router.post("/groups", status_code=201, summary="Make a group")
async def create_group(network: Net, body: NewGroup) -> Group:
    return Group.of(await network.groups.create(body.number, body.subject, body.members, body.addressing))


@router.get("/groups", summary="All groups")
async def list_groups(network: Net) -> AllGroups:
    return AllGroups(data=[Group.of(view) for view in network.groups.all()])


@router.get("/groups/{jid}", summary="One group")
async def get_group(network: Net, jid: Jid) -> Group:
    return Group.of(network.groups.get(jid))


@router.patch("/groups/{jid}", summary="Change a group as one of its members")
async def change_group(network: Net, jid: Jid, body: ChangeGroup) -> Group:
    return Group.of(await network.groups.change(jid, **body.model_dump()))


@router.post("/groups/{jid}/members", summary="Add, remove, promote or demote members, or answer requests")
async def change_members(network: Net, jid: Jid, body: ChangeMembers) -> Outcomes:
    return Outcomes(codes=await network.groups.change_members(jid, body.number, body.action, body.members))


@router.post("/groups/{jid}/join", summary="Join as by the group's link")
async def join_group(network: Net, jid: Jid, body: Member) -> Joined:
    return Joined(joined=await network.groups.join(jid, body.number))


@router.post("/groups/{jid}/invitations", status_code=201, summary="Send somebody an invitation")
async def invite(network: Net, jid: Jid, body: NewInvitation) -> Posted:
    view = await network.groups.invite(jid, body.number, body.to)
    return Posted(message_id=view.message_id)


@router.post("/groups/{jid}/accept", status_code=204, summary="Join by an invitation that the phone was sent")
async def accept_invitation(network: Net, jid: Jid, body: Accepting) -> None:
    await network.groups.accept(jid, body.number, body.code)


@router.post("/groups/{jid}/leave", status_code=204, summary="Leave a group")
async def leave_group(network: Net, jid: Jid, body: Member) -> None:
    await network.groups.leave(jid, body.number)


@router.post("/phones/{number}/status", status_code=201, summary="Post a status")
async def post_status(network: Net, number: Number, body: TextBody) -> Posted:
    return Posted(message_id=await network.groups.post_status(number, TextContent(body.body)))


@router.post("/channels/{jid}/messages", status_code=201, summary="Post to a channel")
async def post_to_channel(network: Net, jid: Annotated[ChannelAddress, Path()], body: ChannelPost) -> Posted:
    return Posted(message_id=await network.groups.publish(jid, body.followers, TextContent(body.body), name=body.name))
