"""Routes of groups. What is changed is changed on WhatsApp first; what it answers is stored, and told as events."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from blazz._generated.engine import groups_pb2 as pb
from blazz.groups import invitations, pictures, service
from blazz.groups.commands import ask, outcomes
from blazz.groups.facts import GroupFacts, Person
from blazz.groups.schemas import (
    AnswerRequests,
    ByInvitation,
    ByLink,
    ChangeGroup,
    ChangeParticipants,
    GroupDetails,
    GroupPreview,
    GroupView,
    InviteLink,
    Joined,
    JoinRequest,
    JoinRequests,
    MadeGroup,
    NewGroup,
    Outcome,
    Outcomes,
    SetPicture,
)
from blazz.groups.views import name_of
from blazz.identity.caller import Caller
from blazz.identity.dependencies import needs
from blazz.kit.errors import BlazzError, conflict, invalid
from blazz.kit.http import (
    CommandsDep,
    CursorParam,
    DatabaseDep,
    LimitParam,
    MediaStoreDep,
    Page,
    SettingsDep,
    problems,
)
from blazz.kit.settings import Settings
from blazz.kit.time import from_unix_ms
from blazz.media import service as media
from blazz.messaging import invitations as received
from blazz.messaging import sending
from blazz.messaging.schemas import ChatContact

router = APIRouter(tags=["Groups"])
Reader = Annotated[Caller, Depends(needs("messages:read"))]
Writer = Annotated[Caller, Depends(needs("messages:write"))]
_PICTURE_MAX = 2 << 20


@router.get("/groups", summary="Groups, by subject", response_model=Page[GroupView])
async def list_groups(
    caller: Reader,
    database: DatabaseDep,
    account_id: Annotated[uuid.UUID | None, Query(description="Only groups of this number.")] = None,
    search: Annotated[str | None, Query(max_length=128, description="A part of the subject.")] = None,
    cursor: CursorParam = None,
    limit: LimitParam = 50,
) -> Response:
    """Return groups that the workspace's numbers are or were in."""
    page = await database.read(
        caller.scope, service.list_groups, account_id=account_id, search=search, cursor=cursor, limit=limit
    )
    return Response(page.model_dump_json(), media_type="application/json")


@router.post("/groups", summary="Make a group", status_code=201, responses=problems(404))
async def create_group(
    body: NewGroup, caller: Writer, database: DatabaseDep, commands: CommandsDep, settings: SettingsDep
) -> MadeGroup:
    """Make a group on WhatsApp. `not_added` names those who are not in it, most often as they let nobody add them.

    They can be sent an invitation (`send_invitation`, here or when they are added again).
    """
    account_id = await database.read(caller.scope, service.account_for, body.account_id)
    people = await database.write(caller.scope, service.addresses_of, body.participants)
    request = pb.CreateGroupRequest(
        subject=body.subject,
        participants=people,
        announcement=body.announcement,
        locked=body.locked,
        join_approval=body.join_approval,
        member_add_mode=body.member_add_mode or "",
    )
    made = await ask(commands, account_id, "Create", request, pb.Group)
    if body.description:
        described = pb.SetGroupTextRequest(jid=made.jid, text=body.description)
        await ask(commands, account_id, "SetDescription", described, pb.GroupDone)
    details = await _reread(caller, database, commands, account_id, made.jid, entered=True)
    not_added: list[Outcome] = []
    if left_out := service.missing(details, people):
        target = service.Target(details.id, account_id, made.jid)
        sender = _sender(caller, settings) if body.send_invitation else None
        try:
            not_added = await _change(caller, database, commands, target, "add", left_out, sender)
        except BlazzError as error:  # the group is made, whatever WhatsApp says of them now
            not_added = [Outcome(address=who, code="refused", message=error.detail) for who in left_out]
    still_out = [outcome for outcome in not_added if outcome.code not in ("ok", "already_member")]
    return MadeGroup.model_construct(**dict(details), not_added=still_out)


@router.post("/groups/preview", summary="The group behind an invite link", responses=problems(404))
async def preview_group(body: ByLink, caller: Reader, database: DatabaseDep, commands: CommandsDep) -> GroupPreview:
    """Show a group without joining it."""
    account_id = await database.read(caller.scope, service.account_for, body.account_id)
    group = await ask(commands, account_id, "InfoByLink", pb.LinkRequest(link=body.link), pb.Group)
    return GroupPreview(
        address=group.jid,
        subject=group.subject,
        description=group.description or None,
        member_count=group.size,
        join_approval=group.join_approval,
    )


@router.post("/groups/join", summary="Join a group by its invite link", responses=problems(404))
async def join_group(body: ByLink, caller: Writer, database: DatabaseDep, commands: CommandsDep) -> Joined:
    """Join, or ask the admins where they approve of new members."""
    account_id = await database.read(caller.scope, service.account_for, body.account_id)
    reply = await ask(commands, account_id, "JoinByLink", pb.LinkRequest(link=body.link), pb.JoinReply)
    if reply.waits_for_approval:
        return Joined(group=None, waits_for_approval=True)
    details = await _reread(caller, database, commands, account_id, reply.jid, entered=True)
    return Joined(group=GroupView.model_construct(**details.model_dump(exclude={"members"})), waits_for_approval=False)


@router.post("/groups/accept", summary="Join a group by an invitation that came in", responses=problems(404))
async def accept_group_invitation(
    body: ByInvitation, caller: Writer, database: DatabaseDep, commands: CommandsDep
) -> Joined:
    """Join, through the number that was invited, or wait where the admins approve of new members."""
    invitation = await database.read(caller.scope, received.received, body.message_id)
    account_id = await database.read(caller.scope, service.account_for, invitation.account_id)
    request = pb.InvitationRequest(
        jid=invitation.address, inviter=invitation.inviter, code=invitation.code, expires_s=invitation.expires_s
    )
    await ask(commands, account_id, "JoinByInvitation", request, pb.GroupDone)
    try:
        details = await _reread(caller, database, commands, account_id, invitation.address, entered=True)
    except BlazzError as error:
        if error.code != "not_a_group_member":
            raise
        return Joined(group=None, waits_for_approval=True)
    return Joined(group=GroupView.model_construct(**details.model_dump(exclude={"members"})), waits_for_approval=False)


@router.get("/groups/{group_id}", summary="A group with its members")
async def get_group(group_id: uuid.UUID, caller: Reader, database: DatabaseDep) -> GroupDetails:
    """Return a group; its id is the id of its chat."""
    return await database.read(caller.scope, service.get_group, group_id)


@router.patch("/groups/{group_id}", summary="Change a group")
async def change_group(
    group_id: uuid.UUID, body: ChangeGroup, caller: Writer, database: DatabaseDep, commands: CommandsDep
) -> GroupDetails:
    """Change subject, description or settings, one after the other; a refusal leaves those before it changed."""
    target = await database.read(caller.scope, service.target, group_id)
    if body.subject is not None:
        request = pb.SetGroupTextRequest(jid=target.address, text=body.subject)
        await ask(commands, target.account_id, "SetSubject", request, pb.GroupDone)
    if body.description is not None:
        request = pb.SetGroupTextRequest(jid=target.address, text=body.description)
        await ask(commands, target.account_id, "SetDescription", request, pb.GroupDone)
    settings: dict[str, Any] = body.model_dump(exclude_none=True, exclude={"subject", "description"})
    if settings:
        change = pb.SetGroupSettingsRequest(jid=target.address, **settings)
        await ask(commands, target.account_id, "SetSettings", change, pb.GroupDone)
    return await _reread(caller, database, commands, target.account_id, target.address)


@router.put("/groups/{group_id}/picture", summary="Set or remove a group's picture", status_code=204)
async def set_picture(
    group_id: uuid.UUID,
    body: SetPicture,
    caller: Writer,
    database: DatabaseDep,
    commands: CommandsDep,
    store: MediaStoreDep,
) -> None:
    """Use an uploaded JPEG of at most 2 MiB."""
    target = await database.read(caller.scope, service.target, group_id)
    jpeg = b""
    if body.media_id is not None:
        file = await database.read(caller.scope, media.facts_for_sending, body.media_id)
        if file.mime_type != "image/jpeg" or (file.size or 0) > _PICTURE_MAX:
            raise invalid("A group's picture is a JPEG of at most 2 MiB.", code="picture_not_usable")
        jpeg = await store.read(file.key) or b""
        if not jpeg:
            raise conflict("media_not_ready", "This file is not here (yet), so it cannot be used.")
    request = pb.SetGroupPictureRequest(jid=target.address, jpeg=jpeg)
    reply = await ask(commands, target.account_id, "SetPicture", request, pb.SetGroupPictureReply)
    await database.write(caller.scope, pictures.note, group_id, body.media_id, reply.picture_id or None)


@router.post("/groups/{group_id}/participants", summary="Add, remove, promote or demote people")
async def change_participants(
    group_id: uuid.UUID,
    body: ChangeParticipants,
    caller: Writer,
    database: DatabaseDep,
    commands: CommandsDep,
    settings: SettingsDep,
) -> Outcomes:
    """Change members; each entry of the answer tells what became of one person.

    People who let nobody add them can be sent an invitation (`send_invitation`), a message of type `group_invite`.
    """
    target = await database.read(caller.scope, service.target, group_id)
    people = await database.write(caller.scope, service.addresses_of, body.participants)
    sender = _sender(caller, settings) if body.send_invitation else None
    found = await _change(caller, database, commands, target, body.action, people, sender)
    await _reread(caller, database, commands, target.account_id, target.address)
    return Outcomes(data=found)


@router.get("/groups/{group_id}/invite", summary="The invite link of a group", responses=problems(409))
async def get_invite(group_id: uuid.UUID, caller: Reader, database: DatabaseDep, commands: CommandsDep) -> InviteLink:
    """Return the link by which people can join; only admins can ask for it."""
    target = await database.read(caller.scope, service.target, group_id, admin=True)
    request = pb.InviteLinkRequest(jid=target.address)
    reply = await ask(commands, target.account_id, "InviteLink", request, pb.InviteLinkReply)
    return InviteLink(link=reply.link)


@router.post("/groups/{group_id}/invite/reset", summary="Replace a group's invite link")
async def reset_invite(group_id: uuid.UUID, caller: Writer, database: DatabaseDep, commands: CommandsDep) -> InviteLink:
    """Make a new link; the old one does not let anybody in any more."""
    target = await database.read(caller.scope, service.target, group_id, admin=True)
    request = pb.InviteLinkRequest(jid=target.address, reset=True)
    reply = await ask(commands, target.account_id, "InviteLink", request, pb.InviteLinkReply)
    return InviteLink(link=reply.link)


@router.post("/groups/{group_id}/leave", summary="Leave a group", status_code=204)
async def leave_group(group_id: uuid.UUID, caller: Writer, database: DatabaseDep, commands: CommandsDep) -> None:
    """Leave; the chat stays to be read."""
    target = await database.read(caller.scope, service.target, group_id)
    await ask(commands, target.account_id, "Leave", pb.GroupRequest(jid=target.address), pb.GroupDone)
    await database.write(caller.scope, service.leave, group_id)


@router.get("/groups/{group_id}/requests", summary="Who wants to join a group", responses=problems(409))
async def list_requests(
    group_id: uuid.UUID, caller: Reader, database: DatabaseDep, commands: CommandsDep
) -> JoinRequests:
    """Return the people who wait for an admin's approval."""
    target = await database.read(caller.scope, service.target, group_id, admin=True)
    asked = pb.GroupRequest(jid=target.address)
    reply = await ask(commands, target.account_id, "Requests", asked, pb.JoinRequestsReply)
    persons: list[tuple[Person, Any]] = [
        (person, entry) for entry in reply.requests if (person := Person.of(entry.jid)) is not None
    ]
    addresses = [person.address for person, _ in persons]
    known = await database.read(caller.scope, service.people_at, caller.scope.id, addresses)
    return JoinRequests(
        data=[
            JoinRequest(
                address=person.address,
                phone=person.phone,
                display_name=name_of(known.get(person.address), person.phone, person.address),
                contact=ChatContact.of(known.get(person.address)),
                requested_at=from_unix_ms(entry.requested_at_ms) if entry.requested_at_ms else None,
            )
            for person, entry in persons
        ]
    )


@router.post("/groups/{group_id}/requests", summary="Let people in, or not")
async def answer_requests(
    group_id: uuid.UUID, body: AnswerRequests, caller: Writer, database: DatabaseDep, commands: CommandsDep
) -> Outcomes:
    """Approve or reject people who asked to join."""
    target = await database.read(caller.scope, service.target, group_id, admin=True)
    people = await database.write(caller.scope, service.addresses_of, body.participants)
    request = pb.AnswerRequestsRequest(jid=target.address, approve=body.action == "approve", participants=people)
    reply = await ask(commands, target.account_id, "AnswerRequests", request, pb.ParticipantsReply)
    await _reread(caller, database, commands, target.account_id, target.address)
    return Outcomes(data=outcomes(reply, body.action))


async def _reread(
    caller: Caller,
    database: DatabaseDep,
    commands: CommandsDep,
    account_id: uuid.UUID,
    address: str,
    *,
    entered: bool = False,
) -> GroupDetails:
    """Store the group as WhatsApp tells of it now, and return it."""
    group = await ask(commands, account_id, "Info", pb.GroupRequest(jid=address), pb.Group)
    facts = GroupFacts.of(group)
    group_id = await database.write(caller.scope, service.store, account_id, facts, entered=entered)
    return await database.read(caller.scope, service.get_group, group_id)


async def _change(
    caller: Caller,
    database: DatabaseDep,
    commands: CommandsDep,
    target: service.Target,
    action: str,
    people: Sequence[str],
    inviter: sending.Sender | None,
) -> list[Outcome]:
    """Change members on WhatsApp; `inviter` sends invitations to people who let nobody add them, None sends none."""
    request = pb.UpdateParticipantsRequest(jid=target.address, action=action, participants=people)
    reply = await ask(commands, target.account_id, "UpdateParticipants", request, pb.ParticipantsReply)
    found = outcomes(reply, action)
    if inviter is None:
        return found
    return await database.write(caller.scope, invitations.send, target, reply, found, inviter)


def _sender(caller: Caller, settings: Settings) -> sending.Sender:
    expiry = dt.timedelta(hours=settings.message_expiry_hours)
    return sending.Sender("api" if caller.user_id is None else "inbox", caller.user_id, expiry)
