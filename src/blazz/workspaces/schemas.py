"""What the endpoints of workspaces, members and invitations accept and answer."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from blazz.identity.caller import Role
from blazz.kit.http import Model, RequestModel
from blazz.workspaces.settings import Inbound

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=128)]
MemberState = Literal["active", "suspended"]


class WorkspaceSettings(Model):
    """What a workspace has chosen."""

    inbound_status: Inbound = Field(description="Status posts: ignored, or stored as a chat that one can only read.")
    inbound_channels: Inbound = Field(description="Posts of channels: ignored, or stored as chats, one per channel.")


class WorkspaceSettingsPatch(RequestModel):
    """Settings to change; absent fields stay."""

    inbound_status: Inbound | None = None
    inbound_channels: Inbound | None = None


class Workspace(Model):
    """A company's place: its numbers, customers, conversations and people."""

    id: uuid.UUID
    number: int = Field(description="Ascending from 1.")
    name: str
    timezone: str = Field(description="IANA name such as Asia/Jakarta.")
    created_at: dt.datetime
    role: Role = Field(description="Yours in this workspace.")
    settings: WorkspaceSettings


class WorkspaceCreate(RequestModel):
    """A new workspace; you become its owner."""

    name: Name
    timezone: Annotated[str, Field(max_length=64)] = "UTC"


class WorkspacePatch(RequestModel):
    """What to change; absent fields stay."""

    name: Name | None = None
    timezone: Annotated[str, Field(max_length=64)] | None = None
    settings: WorkspaceSettingsPatch | None = None


class MemberUser(Model):
    """The person behind a membership."""

    id: uuid.UUID
    name: str
    email: str


class Member(Model):
    """A person in a workspace."""

    user: MemberUser
    role: Role
    state: MemberState
    created_at: dt.datetime


class MemberPatch(RequestModel):
    """What to change; absent fields stay."""

    role: Role | None = None
    state: MemberState | None = None


class InvitationCreate(RequestModel):
    """Whom to invite, as what."""

    email: Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=254)]
    role: Role


class Invitation(Model):
    """An open invitation. `link` is given only when it is created; hand it to the person yourself."""

    id: uuid.UUID
    email: str
    role: Role
    expires_at: dt.datetime
    link: str | None = None


class InvitationLookup(Model):
    """What the invited person is told."""

    email: str
    workspace_name: str
    role: Role
    user_exists: bool = Field(description="Then the password proves who it is; else name and password are new.")


class InvitationAccept(RequestModel):
    """Join. A known person is signed in or sends the password; a new one chooses name and password."""

    token: Annotated[str, Field(min_length=1, max_length=256)]
    name: Name | None = None
    password: Annotated[str, Field(min_length=1, max_length=1024)] | None = None


class InvitedUser(Model):
    """Who has joined."""

    id: uuid.UUID
    email: str
    name: str


class InvitationResult(Model):
    """Who has joined which workspace, signed in by cookies."""

    user: InvitedUser
    workspace: Workspace
