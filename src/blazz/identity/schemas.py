"""What identity's endpoints accept and answer."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Annotated

from pydantic import AwareDatetime, Field, StringConstraints

from blazz.identity.caller import Role, ScopeName
from blazz.kit.http import Model, RequestModel
from blazz.workspaces.schemas import Workspace

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=128)]
EmailText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=254)]
Password = Annotated[
    str, Field(min_length=1, max_length=1024, description="10 characters or more, at most 1024 bytes.")
]
Token = Annotated[str, Field(min_length=1, max_length=256)]


class User(Model):
    """A person."""

    id: uuid.UUID
    email: str
    name: str
    platform_admin: bool = Field(False, description="Runs this installation: may see and steer the cluster.")


class Membership(Model):
    """A workspace that a person belongs to."""

    workspace: Workspace
    role: Role


class AuthStatus(Model):
    """What a browser must know before anybody signs in."""

    setup_required: bool = Field(description="No owner exists yet: use the code from the terminal.")
    signed_in: bool
    sign_up_open: bool
    simulated_network: bool
    network_id: str
    version: str
    phones_url: str | None = Field(description="Page of the simulated phones; null on the real network.")


class SetupRequest(RequestModel):
    """The first owner and workspace."""

    code: Token
    email: EmailText
    password: Password
    name: Name
    workspace_name: Name


class SignUpRequest(RequestModel):
    """A new person with a workspace of their own."""

    email: EmailText
    password: Password
    name: Name
    workspace_name: Name


class LoginRequest(RequestModel):
    """Sign in by password."""

    email: EmailText
    password: Annotated[str, Field(min_length=1, max_length=1024)]


class LoginLinkRequest(RequestModel):
    """Sign in by a one-time link."""

    token: Token


class PasswordRequest(RequestModel):
    """Change the password."""

    current_password: Annotated[str, Field(min_length=1, max_length=1024)]
    new_password: Password


class MePatch(RequestModel):
    """Change oneself."""

    name: Name


class SetupResult(Model):
    """Who was created, signed in by cookies."""

    user: User
    workspace: Workspace


class LoginResult(Model):
    """Who is signed in now."""

    user: User


class Me(Model):
    """The signed-in person."""

    user: User
    memberships: list[Membership]
    csrf_token: str = Field(description="Send it as `X-CSRF-Token` with unsafe methods.")


class ApiKeyRequest(RequestModel):
    """A new key."""

    name: Name
    scopes: Annotated[list[ScopeName], Field(min_length=1, max_length=20)]
    expires_at: AwareDatetime | None = None


class ApiKey(Model):
    """A key, without the key itself."""

    id: uuid.UUID
    name: str
    prefix: str = Field(description="The key's first characters, to tell keys apart.")
    scopes: list[ScopeName]
    created_at: dt.datetime
    expires_at: dt.datetime | None
    last_used_at: dt.datetime | None = Field(description="Within about a minute.")
    revoked_at: dt.datetime | None


class ApiKeyCreated(ApiKey):
    """A new key. `key` is shown this once."""

    key: str
