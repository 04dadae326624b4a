"""What the API takes and gives for groups."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from blazz.kit.http import Model, RequestModel
from blazz.messaging.schemas import ChatContact

MAX_PARTICIPANTS = 1_023  # WhatsApp's bound, beside ourselves
Subject = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
Who = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=128)]
Participants = Annotated[
    list[Who],
    Field(
        min_length=1,
        max_length=MAX_PARTICIPANTS,
        description="Phone numbers, ids of contacts, or WhatsApp addresses.",
    ),
]
Link = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=6, max_length=200),
    Field(description="An invite link (`https://chat.whatsapp.com/...`) or its code."),
]
AddMode = Literal["admin_add", "all_member_add"]
Role = Literal["member", "admin", "superadmin"]


class NewGroup(RequestModel):
    """A group to make; the number becomes its owner."""

    account_id: uuid.UUID | None = Field(None, description="The number; the primary one when it is left out.")
    subject: Subject
    participants: list[Who] = Field(default_factory=list, max_length=MAX_PARTICIPANTS)
    description: str | None = Field(None, max_length=2048)
    announcement: bool = Field(False, description="Only admins write.")
    locked: bool = Field(False, description="Only admins change subject, description and picture.")
    join_approval: bool = Field(False, description="Admins approve of whoever joins by link.")
    member_add_mode: AddMode | None = None
    send_invitation: bool = Field(
        False, description="Send an invitation as a message to people who let nobody add them."
    )


class ChangeGroup(RequestModel):
    """What to change; fields that are left out stay as they are."""

    subject: Subject | None = None
    description: str | None = Field(None, max_length=2048, description="Empty: no description.")
    announcement: bool | None = None
    locked: bool | None = None
    join_approval: bool | None = None
    member_add_mode: AddMode | None = None

    @model_validator(mode="after")
    def _something(self) -> ChangeGroup:
        if not self.model_dump(exclude_none=True):
            raise PydanticCustomError("nothing_to_change", "Name at least one thing to change.")
        return self


class ChangeParticipants(RequestModel):
    """What to do with people."""

    action: Literal["add", "remove", "promote", "demote"]
    participants: Participants
    send_invitation: bool = Field(
        False, description="Of `add`: send an invitation as a message to people who let nobody add them."
    )

    @model_validator(mode="after")
    def _only_for_adding(self) -> ChangeParticipants:
        if self.send_invitation and self.action != "add":
            raise PydanticCustomError("not_adding", "An invitation is sent to people who are to be added.")
        return self


class AnswerRequests(RequestModel):
    """What to answer people who asked to join."""

    action: Literal["approve", "reject"]
    participants: Participants


class SetPicture(RequestModel):
    """The group's picture: an uploaded JPEG, or none to remove it."""

    media_id: uuid.UUID | None


class ByLink(RequestModel):
    """A group behind an invite link."""

    account_id: uuid.UUID | None = Field(None, description="The number; the primary one when it is left out.")
    link: Link


class ByInvitation(RequestModel):
    """A group to which a message invites."""

    message_id: uuid.UUID = Field(description="A message of type `group_invite` that came in.")


class GroupMember(Model):
    """Somebody in a group. `contact` is there for people with whom this workspace has to do."""

    address: str
    phone: str | None
    role: Role
    is_us: bool
    display_name: str
    contact: ChatContact | None


class GroupView(Model):
    """A group; its id is the id of its chat."""

    id: uuid.UUID
    account_id: uuid.UUID
    address: str
    subject: str
    description: str | None
    state: Literal["member", "pending", "left", "removed", "deleted"]
    role: Role = Field(description="Our own.")
    owner: str | None
    founded_at: dt.datetime | None
    announcement: bool
    locked: bool
    join_approval: bool
    member_add_mode: str
    ephemeral_s: int = Field(description="How many seconds new messages stay; 0: for ever.")
    is_community: bool
    community: str | None
    suspended: bool
    member_count: int


class GroupDetails(GroupView):
    """A group with its members, admins first."""

    members: list[GroupMember]


class Outcome(Model):
    """What became of a change for one person. `code` is `ok`, `invited`, or why it was not done."""

    address: str
    code: Literal[
        "ok",
        "invited",
        "not_on_whatsapp",
        "already_member",
        "not_a_member",
        "not_allowed",
        "invitation_needed",
        "group_full",
        "refused",
    ]
    message: str | None = None
    may_invite: bool = Field(False, description="They let nobody add them: add them again with `send_invitation`.")
    invitation_id: uuid.UUID | None = Field(None, description="The message that invites them.")


class MadeGroup(GroupDetails):
    """A group that was just made, and whom WhatsApp did not let in."""

    not_added: list[Outcome] = Field(default_factory=list)


class Outcomes(Model):
    """One entry per person."""

    data: list[Outcome]


class InviteLink(Model):
    """The link by which people can join."""

    link: str


class GroupPreview(Model):
    """The group behind a link, without having joined."""

    address: str
    subject: str
    description: str | None
    member_count: int
    join_approval: bool


class Joined(Model):
    """The group that was joined; null while an admin must approve first."""

    group: GroupView | None
    waits_for_approval: bool


class JoinRequest(Model):
    """Somebody who wants to join."""

    address: str
    phone: str | None
    display_name: str
    contact: ChatContact | None
    requested_at: dt.datetime | None


class JoinRequests(Model):
    """Who waits for an admin's approval."""

    data: list[JoinRequest]
