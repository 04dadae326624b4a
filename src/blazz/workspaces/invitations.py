"""Invitations: a link, valid 24 hours and once, that makes a person a member."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import RowMapping

from blazz.identity import users
from blazz.identity.caller import Role
from blazz.kit.db import Tx
from blazz.kit.errors import conflict, forbidden, not_found
from blazz.kit.ids import random_token, token_digest, uuid7
from blazz.kit.time import utc_now
from blazz.workspaces import repository, service

TTL = dt.timedelta(hours=24)
_MAX_OPEN = 200  # per workspace


@dataclass(frozen=True, slots=True)
class OpenInvitation:
    """An invitation that can be accepted."""

    id: uuid.UUID
    workspace_id: uuid.UUID
    workspace_name: str
    email: str
    role: Role
    user: users.User | None


def create(tx: Tx, actor_id: uuid.UUID, actor_role: Role, *, email: str, role: Role) -> tuple[RowMapping, str]:
    """Store an invitation, replacing an open one to the same address; return (row, token).

    Raises BlazzError `role_not_allowed` (403), `already_member` or `too_many_invitations` (409).
    """
    email = users.normal_email(email)
    if actor_role != "owner" and role == "owner":
        raise forbidden("Only an owner invites owners.", code="role_not_allowed")
    known = users.find_by_email(tx, email)
    if known is not None and repository.get_member(tx, tx.workspace_id, known.id) is not None:
        raise conflict("already_member", "This person is a member already.")
    now = utc_now()
    repository.revoke_invitations(tx, tx.workspace_id, email=email)
    if repository.count_open_invitations(tx, tx.workspace_id, now) >= _MAX_OPEN:
        raise conflict("too_many_invitations", f"At most {_MAX_OPEN} invitations can be open.")
    token = random_token()
    invitation_id = uuid7()
    repository.insert_invitation(
        tx,
        {
            "id": invitation_id,
            "workspace_id": tx.workspace_id,
            "email": email,
            "role": role,
            "token_digest": token_digest(token),
            "invited_by": actor_id,
            "created_at": now,
            "expires_at": now + TTL,
            "accepted_at": None,
            "revoked": False,
        },
    )
    row = repository.get_invitation(tx, tx.workspace_id, invitation_id)
    assert row is not None
    return row, token


def page(tx: Tx, before: tuple[dt.datetime, uuid.UUID] | None, limit: int) -> Sequence[RowMapping]:
    """Return open invitations of this unit's workspace, newest first."""
    return repository.open_invitations_page(tx, tx.workspace_id, before, utc_now(), limit)


def revoke(tx: Tx, invitation_id: uuid.UUID) -> None:
    """Take an invitation back. Raises BlazzError `not_found`."""
    if not repository.revoke_invitation(tx, tx.workspace_id, invitation_id):
        raise not_found("invitation")


def look_up(tx: Tx, token: str) -> OpenInvitation:
    """Return the invitation of a link. Raises BlazzError `invitation_closed` (403). Needs platform scope."""
    row = repository.open_invitation_by_token(tx, token_digest(token), utc_now())
    workspace = repository.get_workspace(tx, row["workspace_id"]) if row is not None else None
    if row is None or workspace is None:
        raise forbidden(
            "This invitation was used, taken back or is too old. Ask for a new one.", code="invitation_closed"
        )
    user = users.find_by_email(tx, row["email"])
    return OpenInvitation(row["id"], row["workspace_id"], workspace["name"], row["email"], row["role"], user)


def accept(tx: Tx, invitation: OpenInvitation, user_id: uuid.UUID) -> service.Workspace:
    """Make the person a member. Raises BlazzError `invitation_closed`. Needs platform scope."""
    if not repository.accept_invitation(tx, invitation.workspace_id, invitation.id, utc_now()):
        raise forbidden("This invitation has just been used.", code="invitation_closed")
    service.add_member(tx, invitation.workspace_id, user_id, invitation.role)
    return service.get_of(tx, user_id, invitation.workspace_id)
