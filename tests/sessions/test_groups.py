"""Groups through the real engine host: made on either side, written in both ways, changed, read, left."""

from __future__ import annotations

import datetime as dt
import io
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import select, update

from blazz._generated.engine import groups_pb2 as pb
from blazz.groups import invitations, service
from blazz.groups.commands import ask, outcomes
from blazz.groups.facts import GroupFacts
from blazz.groups.schemas import GroupDetails
from blazz.groups.tables import groups as groups_table
from blazz.kit import failpoints
from blazz.kit.db import Platform
from blazz.kit.errors import BlazzError
from blazz.messaging import group_receipts, sending
from blazz.messaging import invitations as received
from blazz.messaging import service as messaging
from blazz.messaging.schemas import MessageView, SendMessage
from blazz.messaging.tables import chats as chats_table
from blazz.messaging.tables import messages
from blazz.workspaces.tables import workspaces as workspaces_table
from tests.support.network import simulated_network
from tests.support.product import Blazz, Number, running, text
from tests.support.waiting import eventually
from whatsim.model import FaultSpec, GroupRefused
from whatsim.network import Network

pytestmark = [pytest.mark.anyio, pytest.mark.engine]
CHANNEL = "120363000000000002@newsletter"


class Stage:
    """A number of ours and two customers."""

    def __init__(self, blazz: Blazz, network: Network, number: Number, budi: str, sari: str) -> None:
        self.blazz, self.network, self.number, self.budi, self.sari = blazz, network, number, budi, sari

    async def group(self, address: str) -> GroupDetails | None:
        """Return a group as the API does."""

        def find(tx: Any) -> GroupDetails | None:
            own = groups_table.c.workspace_id == self.blazz.workspace_id
            row = tx.one(select(groups_table).where(own, groups_table.c.address == address))
            return None if row is None else service.get_group(tx, row["id"])

        return await self.blazz.database.read(self.blazz.scope, find)

    async def known(self, address: str) -> GroupDetails:
        """Wait until a group is stored as one that we are in."""

        async def there() -> GroupDetails | None:
            found = await self.group(address)
            return found if found is not None and found.state == "member" else None

        return await eventually(there, what="the group")

    async def send(self, to: str, body: str) -> uuid.UUID:
        """Queue a text."""
        request = SendMessage.model_validate({"to": to, "type": "text", "text": {"body": body}})
        sender = sending.Sender("api", None, dt.timedelta(hours=24))
        queued = await self.blazz.database.write(self.blazz.scope, sending.send, request, sender)
        return uuid.UUID(str(queued.row["id"]))

    async def message(self, body: str) -> MessageView:
        """Wait for a message and return it as the API does."""

        async def there() -> MessageView | None:
            rows = await self.blazz.messages(messages.c.body == body)
            if not rows:
                return None
            return await self.blazz.database.read(self.blazz.scope, messaging.get_message, rows[0]["id"])

        return await eventually(there, what=body)

    async def ask(self, method: str, request: Any, answer: Any) -> Any:
        """Ask WhatsApp about groups."""
        return await ask(self.blazz.commands, self.number.account_id, method, request, answer)


@pytest.fixture(scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    directory: Path = tmp_path_factory.mktemp("groups")
    async with simulated_network(directory / "network") as network, running(directory / "blazz", network) as blazz:
        number = await blazz.link()
        budi = (await network.create_phone(name="Budi")).number
        sari = (await network.create_phone(name="Sari")).number
        yield Stage(blazz, network, number, budi, sari)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.kind("group", "send")
@pytest.mark.kind("group", "receive")
@pytest.mark.kind("group", "network")
@pytest.mark.parametrize("addressing", ["lid", "pn"])
async def test_a_group_made_by_a_customer_is_written_in_both_ways(stage: Stage, addressing: Any) -> None:
    network, number = stage.network, stage.number
    view = await network.groups.create(stage.budi, f"Team {addressing}", [number.phone, stage.sari], addressing)
    group = await stage.known(view.jid)
    assert (group.subject, group.role, len(group.members)) == (f"Team {addressing}", "member", 3)
    await network.send_message(stage.sari, view.jid, text(f"hello from Sari in {addressing}"))
    inbound = await stage.message(f"hello from Sari in {addressing}")
    assert inbound.chat_id == group.id
    assert inbound.sender is not None
    assert inbound.sender.push_name == "Sari"
    ours = await stage.send(str(group.id), f"hello all of {addressing}")
    await stage.blazz.state(ours, "delivered")
    for phone in (stage.budi, stage.sari):
        last = network.messages(phone)[-1]
        assert (last.chat, last.body, last.from_number) == (view.jid, f"hello all of {addressing}", number.phone)
    await network.mark_read(stage.sari, view.jid)

    async def read() -> MessageView | None:
        found = await stage.message(f"hello all of {addressing}")
        return found if found.receipts is not None and found.receipts.read else None

    counted = (await eventually(read, what="the first reader")).receipts
    assert counted is not None
    assert (counted.recipients, counted.delivered, counted.read) == (2, 2, 1)
    listed = await stage.blazz.database.read(stage.blazz.scope, group_receipts.list_receipts, ours)
    readers = [entry.contact.push_name for entry in listed.data if entry.read_at is not None and entry.contact]
    assert readers == ["Sari"]
    await network.mark_read(stage.budi, view.jid)
    await stage.blazz.state(ours, "read")


async def test_a_group_of_ours_is_made_changed_and_left(stage: Stage) -> None:
    network = stage.network
    people = [f"{stage.budi}@s.whatsapp.net", f"{stage.sari}@s.whatsapp.net"]
    made = await stage.ask("Create", pb.CreateGroupRequest(subject="Orders", participants=people), pb.Group)
    group = await stage.known(made.jid)
    assert group.role == "superadmin"
    own = {"jid": made.jid}
    await stage.ask("SetSubject", pb.SetGroupTextRequest(**own, text="Orders 2026"), pb.GroupDone)
    await stage.ask("SetDescription", pb.SetGroupTextRequest(**own, text="What is new"), pb.GroupDone)
    change = pb.SetGroupSettingsRequest(**own, announcement=True, join_approval=True, member_add_mode="admin_add")
    await stage.ask("SetSettings", change, pb.GroupDone)

    async def changed() -> GroupDetails | None:
        found = await stage.known(made.jid)
        return found if found.announcement and found.join_approval and found.description else None

    after = await eventually(changed, what="the changes")
    assert (after.subject, after.description, after.member_add_mode) == ("Orders 2026", "What is new", "admin_add")
    link = (await stage.ask("InviteLink", pb.InviteLinkRequest(**own), pb.InviteLinkReply)).link
    assert link == network.groups.get(made.jid).link
    dewi = (await network.create_phone(name="Dewi")).number
    assert await network.groups.join(made.jid, dewi) is False
    (request,) = (await stage.ask("Requests", pb.GroupRequest(**own), pb.JoinRequestsReply)).requests
    answer = pb.AnswerRequestsRequest(**own, approve=True, participants=[request.jid])
    reply = await stage.ask("AnswerRequests", answer, pb.ParticipantsReply)
    assert [outcome.code for outcome in outcomes(reply, "approve")] == ["ok"]
    strangers = [people[0], "628999999999@s.whatsapp.net"]
    removal = pb.UpdateParticipantsRequest(**own, action="remove", participants=strangers)
    reply = await stage.ask("UpdateParticipants", removal, pb.ParticipantsReply)
    assert [outcome.code for outcome in outcomes(reply, "remove")] == ["ok", "not_a_member"]

    async def members() -> bool:
        return (await stage.known(made.jid)).member_count == 3

    await eventually(members, what="Dewi for Budi")
    await stage.send(made.jid, "not for Budi")
    await eventually(lambda: network.messages(dewi) or None, what="what Dewi reads")
    assert all(message.body != "not for Budi" for message in network.messages(stage.budi))
    await stage.ask("Leave", pb.GroupRequest(**own), pb.GroupDone)

    async def gone() -> bool:
        found = await stage.group(made.jid)
        return found is not None and found.state == "left"

    await eventually(gone, what="that we have left")
    with pytest.raises(BlazzError, match="not a member"):
        await stage.send(made.jid, "too late")
    notices = [row["content"]["event"] for row in await stage.blazz.messages(messages.c.kind == "system")]
    assert {"group_created", "group_subject", "group_description", "group_announcement"} <= set(notices)
    names = [event["name"] for event in await stage.blazz.events() if event["name"].startswith("group.")]
    assert {"group.created", "group.updated", "group.participants", "group.left"} <= set(names)


async def test_a_member_without_the_key_asks_again_and_reads(stage: Stage) -> None:
    network = stage.network
    view = await network.groups.create(stage.budi, "Keys", [stage.number.phone])
    await stage.known(view.jid)
    first = await stage.send(view.jid, "with the key")
    await stage.blazz.state(first, "delivered")
    await network.groups.forget_sender_key(stage.budi, view.jid, stage.number.phone, 1)
    await network.groups.change_members(view.jid, stage.budi, "add", [stage.sari])
    second = await stage.send(view.jid, "after the loss")
    await stage.blazz.state(second, "delivered")
    assert network.messages(stage.budi)[-1].body == "after the loss"


async def test_status_posts_of_customers_are_no_messages_and_no_errors(stage: Stage) -> None:
    network = stage.network
    await network.send_message(stage.budi, stage.number.phone, text("a chat, so that I see your status"))
    await stage.message("a chat, so that I see your status")
    await network.groups.post_status(stage.budi, text("my status"))
    await network.send_message(stage.budi, stage.number.phone, text("after the status"))
    await stage.message("after the status")
    assert await stage.blazz.messages(messages.c.body == "my status") == []


async def test_groups_are_read_again_after_a_connection(stage: Stage) -> None:
    network = stage.network
    view = await network.groups.create(stage.budi, "While away", [stage.number.phone])
    group = await stage.known(view.jid)
    network.add_fault(FaultSpec("drop_connection", stage.number.phone))
    await network.groups.change(view.jid, stage.budi, subject="Renamed meanwhile")

    async def renamed() -> bool:
        return (await stage.known(view.jid)).subject == "Renamed meanwhile"

    await eventually(renamed, what="the new name")
    assert (await stage.known(view.jid)).id == group.id


async def test_the_picture_of_a_group_comes_when_somebody_looks_and_when_it_changes(stage: Stage) -> None:
    network = stage.network
    made = await stage.ask("Create", pb.CreateGroupRequest(subject="Pictures"), pb.Group)
    group = await stage.known(made.jid)
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "teal").save(buffer, "JPEG")
    request = pb.SetGroupPictureRequest(jid=made.jid, jpeg=buffer.getvalue())
    reply = await stage.ask("SetPicture", request, pb.SetGroupPictureReply)
    assert reply.picture_id
    assert network.groups.get(made.jid).has_picture

    async def shown() -> uuid.UUID | None:
        chat = await stage.blazz.database.read(stage.blazz.scope, messaging.get_chat, group.id)
        return chat.picture_id

    first = await eventually(shown, what="the picture, told by its change")
    await stage.blazz.commands.watch_chat(stage.number.account_id, made.jid, None)
    assert await shown() == first
    await stage.ask("SetPicture", pb.SetGroupPictureRequest(jid=made.jid), pb.SetGroupPictureReply)

    async def gone() -> bool:
        return await shown() is None

    await eventually(gone, what="that there is none any more")


async def test_news_that_could_not_be_stored_comes_again(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLAZZ_TEST_MODE", "1")
    network = stage.network
    view = await network.groups.create(stage.budi, "Patience", [stage.number.phone])
    await stage.known(view.jid)
    failpoints.arm("groups.before_store", "error@1")
    try:
        await network.groups.change(view.jid, stage.budi, subject="Patient at last")
        await eventually(lambda: failpoints._reached.get("groups.before_store"), what="the failure")
        assert (await stage.known(view.jid)).subject == "Patience"
    finally:
        failpoints.disarm("groups.before_store")

    async def stored() -> bool:
        return (await stage.known(view.jid)).subject == "Patient at last"

    await eventually(stored, what="the news after a new login")


def test_facts_of_a_group_without_details_are_complete() -> None:
    facts = GroupFacts.of(pb.Group(jid="120363@g.us", subject="A\0B"))
    assert (facts.subject, facts.member_add_mode, facts.members, facts.size) == ("A\ufffdB", "all_member_add", (), 0)


@pytest.mark.kind("group_invite", "send")
async def test_a_person_whom_nobody_may_add_joins_by_an_invitation(stage: Stage) -> None:
    network = stage.network
    shy = (await network.create_phone(name="Tika")).number
    await network.people.set_privacy(shy, {"groupadd": "none"})
    made = await stage.ask("Create", pb.CreateGroupRequest(subject="Shy"), pb.Group)
    group = await stage.known(made.jid)
    people = [f"{shy}@s.whatsapp.net"]
    adding = pb.UpdateParticipantsRequest(jid=made.jid, action="add", participants=people)
    reply = await stage.ask("UpdateParticipants", adding, pb.ParticipantsReply)
    (needed,) = outcomes(reply, "add")
    assert (needed.code, needed.may_invite) == ("invitation_needed", True)
    target = service.Target(group.id, stage.number.account_id, made.jid)
    sender = sending.Sender("api", None, dt.timedelta(hours=24))
    (sent,) = await stage.blazz.database.write(stage.blazz.scope, invitations.send, target, reply, [needed], sender)
    assert sent.code == "invited" and sent.invitation_id is not None
    await stage.blazz.state(sent.invitation_id, "delivered")
    shown = network.messages(shy)[-1]
    assert (shown.type, shown.details["group"], shown.details["name"]) == ("group_invite", made.jid, "Shy")
    await network.groups.accept(made.jid, shy, shown.details["code"])

    async def joined() -> bool:
        return len((await stage.known(made.jid)).members) == 2

    await eventually(joined, what="the new member")
    with pytest.raises(GroupRefused, match="gone"):
        await network.groups.accept(made.jid, stage.budi, shown.details["code"])


@pytest.mark.kind("group_invite", "receive")
@pytest.mark.kind("group_invite", "network")
async def test_an_invitation_that_comes_in_is_accepted_once(stage: Stage) -> None:
    network, number = stage.network, stage.number
    view = await network.groups.create(stage.budi, "Guests", [])
    await network.groups.invite(view.jid, stage.budi, number.phone)

    async def invitation() -> MessageView | None:
        rows = await stage.blazz.messages(messages.c.kind == "group_invite", messages.c.from_me.is_(False))
        if not rows:
            return None
        return await stage.blazz.database.read(stage.blazz.scope, messaging.get_message, rows[0]["id"])

    came = await eventually(invitation, what="the invitation")
    shown = came.group_invite  # type: ignore[attr-defined]
    assert (shown.name, shown.address, shown.caption) == ("Guests", view.jid, "Join us")
    told = await stage.blazz.database.read(stage.blazz.scope, received.received, came.id)
    request = pb.InvitationRequest(jid=told.address, inviter=told.inviter, code=told.code, expires_s=told.expires_s)
    await stage.ask("JoinByInvitation", request, pb.GroupDone)
    assert len((await stage.known(view.jid)).members) == 2
    await stage.ask("Leave", pb.GroupRequest(jid=view.jid), pb.GroupDone)
    with pytest.raises(BlazzError) as over:
        await stage.ask("JoinByInvitation", request, pb.GroupDone)
    assert over.value.code == "invitation_over"


@pytest.mark.parametrize("kept", [False, True])
async def test_status_posts_and_channels_are_kept_as_the_workspace_wants(stage: Stage, kept: bool) -> None:
    network, number = stage.network, stage.number
    wanted = dict.fromkeys(("inbound_status", "inbound_channels"), "store" if kept else "ignore")
    own = workspaces_table.c.id == stage.blazz.workspace_id

    def choose(tx: Any) -> None:
        tx.execute(update(workspaces_table).where(own).values(settings=wanted))

    await stage.blazz.database.write(Platform("test"), choose)
    await network.send_message(stage.sari, number.phone, text(f"knows each other {kept}"))
    await network.groups.post_status(stage.sari, text(f"a day {kept}"))
    await network.groups.publish(CHANNEL, [number.phone], text(f"news {kept}"), name="Harvest")
    await network.send_message(stage.sari, number.phone, text(f"behind them {kept}"))
    await stage.message(f"behind them {kept}")
    bodies = await stage.blazz.bodies(from_me=False)
    assert (f"a day {kept}" in bodies, f"news {kept}" in bodies) == (kept, kept)
    if kept:
        post = await stage.message(f"a day {kept}")
        assert post.sender is not None and post.sender.push_name == "Sari"
        kinds = {row["kind"] for row in await stage.blazz.rows(chats_table)}
        assert {"status", "channel"} <= kinds

        async def named() -> bool:
            rows = await stage.blazz.rows(chats_table, chats_table.c.address == CHANNEL)
            return [row["name"] for row in rows] == ["Harvest"]

        await eventually(named, what="the channel's name")

    async def confirmed() -> bool:
        return not any(device.queued for device in network.get_phone(number.phone).devices)

    await eventually(confirmed, what="that nothing comes again")
